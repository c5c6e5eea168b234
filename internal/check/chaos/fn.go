package chaos

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/resultpool/resultpool/pool"
)

// fn is the task function of a round's pool.
func (r *round) fn(ctx context.Context, t *Task) (int, error) {
	if t == filler {
		return filler.number, nil
	}
	if t == nil {
		r.fault("a nil task was run")
		return 0, nil
	}
	r.enter(ctx, t)
	defer r.leave(ctx, t)
	switch t.does {
	case fails:
		return t.returns(t.number, &taskError{t.number})
	case panics:
		t.panics(t.number)
	case panicsErr:
		t.panics(&taskError{t.number})
	case panicsNil:
		t.outcome.Store(&outcome{end: panicked})
		panic(nil) //nolint:govet // on purpose
	case goexits:
		t.outcome.Store(&outcome{end: exited})
		runtime.Goexit()
	case yields:
		runtime.Gosched()
	case sleeps:
		time.Sleep(t.long)
	case obeys:
		if err := rest(ctx, t.long); err != nil {
			return t.returns(t.number, err)
		}
	case submits:
		r.submitInside(ctx, t)
	case getsInside:
		r.getInside(ctx, t)
	case waitsInside:
		if err := r.p.Wait(ctx); err != pool.ErrInTask { //nolint:errorlint // the very error
			r.fault("Wait inside a task returned %v", err)
		}
	case statsInside:
		if s := r.p.Stats(); s.Running == 0 {
			r.fault("inside a task Stats says that none runs: %+v", s)
		}
	case resizesInside:
		if r.rivals {
			r.resize(t.number % 5)
		}
	case stopsInside:
		r.closing.Store(true)
		if err := r.p.Stop(ctx); err != pool.ErrInTask { //nolint:errorlint // the very error
			r.fault("Stop inside a task returned %v", err)
		}
		r.closed.Store(true)
	}
	return t.returns(t.number, nil)
}

func (t *Task) returns(v int, err error) (int, error) {
	t.outcome.Store(&outcome{end: returned, value: v, err: err})
	return v, err
}

func (t *Task) panics(v any) {
	t.outcome.Store(&outcome{end: panicked, thrown: v})
	panic(v)
}

// rest returns after d, or the cause of ctx's end.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// enter checks what has to be so when a task starts.
func (r *round) enter(ctx context.Context, t *Task) {
	cancelled, settled := r.cancelled.Load(), r.settled.Load()
	if n := r.running.Add(1); n > r.allowed.Load() {
		r.fault("%d tasks run at once, and there were never more than %d workers", n, r.allowed.Load())
	}
	r.starts.Add(1)
	if n := t.ran.Add(1); n > 1 {
		r.fault("%v ran again", t)
	}
	if ctx.Value(roundKey{}) != r {
		r.fault("%v does not see the values of the pool's context", t)
	}
	if settled {
		r.fault("%v started long after the cancel", t)
	}
	if cancelled {
		r.lateStarts.Add(1)
	}
}

// leave checks what has to be so when a task ends.
func (r *round) leave(ctx context.Context, t *Task) {
	if r.cancelled.Load() && context.Cause(ctx) != r.cause { //nolint:errorlint // the very error
		r.fault("%v: after the cancel the cause of its context is %v", t, context.Cause(ctx))
	}
	if r.hasEnded() {
		r.fault("%v was running when Done was closed", t)
	}
	r.running.Add(-1)
}

func (r *round) submitInside(ctx context.Context, t *Task) {
	if t.ran.Load() > 1 {
		return // the kids are on their way already
	}
	before := r.look()
	switch t.how {
	case opSubmitAll:
		ids, err := r.p.SubmitAll(ctx, r.offer(t.kids))
		r.judgeAll(before, t.kids, ids, err, call{inside: true, ctx: ctx})
	default:
		for _, kid := range t.kids {
			before = r.look()
			r.offer([]*Task{kid})
			if t.how == opSubmit {
				id, err := r.p.Submit(ctx, kid)
				r.judge(before, kid, id, err, call{inside: true, ctx: ctx})
			} else {
				id, err := r.p.TrySubmit(kid)
				r.judge(before, kid, id, err, call{try: true})
			}
		}
	}
}

// getInside gets a result that may not be there yet.
func (r *round) getInside(ctx context.Context, t *Task) {
	other := r.pick(t.number)
	if other == nil {
		return
	}
	v, err := r.p.Get(ctx, other.storeID())
	if errors.Is(err, pool.ErrInTask) {
		if err != pool.ErrInTask { //nolint:errorlint // the very error
			r.fault("Get inside a task returned %v", err)
		}
		return
	}
	r.judgeGet(ctx, other, v, err)
}
