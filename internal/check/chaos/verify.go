package chaos

import (
	"context"
	"errors"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// verify compares all accounts after the end: the callers', the tasks', the
// store's and the pool's own.
func (r *round) verify() {
	ctx := context.Background()
	defer r.guard()
	r.afterEnd()

	handed := r.verifyVerdicts()
	want := pool.Stats{Workers: r.p.Stats().Workers, Unsaved: uint64(len(handed))}
	notRunByCancel, notRunByZero := 0, 0
	for _, t := range r.tasks {
		id := t.storeID()
		if id == 0 {
			if t.ran.Load() != 0 {
				r.fault("%v was refused (%v) and ran", t, t.refused)
			}
			continue
		}
		rec := r.store.look(id)
		res := rec.res
		back, isBack := handed[id]
		switch {
		case rec.stored > 1:
			r.fault("the result of %v was stored %d times", t, rec.stored)
		case rec.stored == 0 && !isBack:
			r.fault("%v was accepted and has no result", t)
			continue
		case rec.stored == 1 && isBack && !rec.lied:
			r.fault("the result of %v was stored and handed back", t)
		case isBack:
			res = back
			if !rec.failed && !rec.refused {
				r.fault("the result of %v was handed back, and the store has not refused it", t)
			}
			if err := r.own(t, res.Value, res.Err); err != nil {
				r.fault("%v, handed back: %w", t, err)
			}
		default:
			if err := r.genuine(t, res.Value, res.Err); err != nil {
				r.fault("%v, stored: %w", t, err)
			}
		}
		if res.ID != id {
			r.fault("the result of %v has ID %d", t, res.ID)
		}
		r.count(t, &want)
		if t.ran.Load() == 0 {
			if errors.Is(res.Err, r.cause) {
				notRunByCancel++
			} else if errors.Is(res.Err, pool.ErrNoWorkers) {
				notRunByZero++
			}
		}
	}
	r.verifyFillers(ctx, &want, &notRunByCancel, &notRunByZero)
	if got := r.p.Stats(); got != want {
		r.fault("in the end Stats is %+v, want %+v", got, want)
	}
	if n := r.lateStarts.Load(); n > r.allowed.Load() {
		r.fault("%d tasks started after the cancel", n)
	}
	r.verifyVerdict(len(handed), notRunByCancel, notRunByZero)
	r.verifyStore(ctx)
}

// count adds t to the numbers that Stats should have.
func (r *round) count(t *Task, s *pool.Stats) {
	s.Submitted++
	o := t.outcome.Load()
	switch {
	case t.ran.Load() == 0:
		s.NotRun++
	case o == nil:
		r.fault("%v has a result and has not ended", t)
	case o.end == panicked:
		s.Panicked++
	case o.end == exited || o.err != nil:
		s.Failed++
	default:
		s.Succeeded++
	}
}

// verifyFillers sees to the results of the fillers, which have only numbers.
func (r *round) verifyFillers(ctx context.Context, want *pool.Stats, byCancel, byZero *int) {
	if r.last == 0 {
		return
	}
	n := r.last - r.first + 1
	want.Submitted += uint64(n)
	if got := store.ID(len(r.store.fillers)); got != n {
		r.fault("%d results of %d fillers", got, n)
	}
	for id, times := range r.store.fillers {
		if times != 1 {
			r.fault("the result %d of a filler was stored %d times", id, times)
		}
	}
	for id := r.first; ; id++ {
		res, err := r.store.ResultStore.Get(ctx, id)
		switch {
		case err != nil:
			r.fault("filler: %w", err)
			return
		case res.Err == nil && res.Value == filler.number:
			want.Succeeded++
		case errors.Is(res.Err, pool.ErrNotRun) && res.Value == 0:
			want.NotRun++
			if errors.Is(res.Err, r.cause) {
				*byCancel++
			} else {
				*byZero++
			}
		default:
			r.fault("the result of a filler is %+v", res)
		}
		if id == r.last {
			return
		}
	}
}

// verifyVerdicts sees to it that all Stops agree, and returns what they hand back.
func (r *round) verifyVerdicts() map[store.ID]store.Result[int] {
	handed := make(map[store.ID]store.Result[int])
	for _, v := range r.verdicts {
		if v != r.verdicts[0] { //nolint:errorlint // the very error
			r.fault("two Stops returned %v and %v", r.verdicts[0], v)
		}
	}
	var unsaved *pool.UnsavedError[int]
	if errors.As(r.verdicts[0], &unsaved) {
		for _, res := range unsaved.Results {
			if _, twice := handed[res.ID]; twice {
				r.fault("result %d was handed back twice", res.ID)
			}
			handed[res.ID] = res
			if r.byID[res.ID] == nil {
				r.fault("result %d of no accepted task was handed back", res.ID)
			}
		}
	}
	return handed
}

// verifyVerdict sees to it that Stop returned what it should.
func (r *round) verifyVerdict(handed, notRunByCancel, notRunByZero int) {
	v := r.verdicts[0]
	why := ""
	var unsaved *pool.UnsavedError[int]
	if is := errors.As(v, &unsaved); is != (handed > 0) {
		why = "UnsavedError is for results that are handed back"
	}
	byCancel := errors.Is(v, r.cause)
	byZero := errors.Is(v, pool.ErrNotRun) && errors.Is(v, pool.ErrNoWorkers)
	switch {
	case byCancel && !r.cancelling.Load():
		why = "there was no cancel"
	case notRunByCancel > 0 && !byCancel:
		why = "the cancel left tasks unrun"
	case notRunByZero > 0 && !byCancel && !byZero:
		why = "tasks were left without workers"
	case byZero && r.p.Stats().NotRun == 0:
		why = "no task was left without workers"
	case v != nil && handed == 0 && !byCancel && !byZero:
		why = "it should be nil"
	}
	if why != "" {
		r.fault("Stop returned %v: %s (%d handed back, %d not run by the cancel, %d by Resize(0))",
			v, why, handed, notRunByCancel, notRunByZero)
	}
}

// verifyStore sees to it that the store holds what was put and not deleted, and
// that nothing was put that should not have been.
func (r *round) verifyStore(ctx context.Context) {
	for _, err := range r.store.faults {
		r.fault("the store was given what it must not: %w", err)
	}
	held, err := store.Snapshot(ctx, r.store.ResultStore)
	if err != nil {
		r.fault("Snapshot: %w", err)
	}
	for id, rec := range r.store.records {
		t := r.byID[id]
		if t == nil {
			r.fault("results of ID %d, which nobody was given: %+v", id, *rec)
			continue
		}
		res, holds := held[id]
		if want := rec.stored > 0 && !t.deleted.Load(); holds != want {
			r.fault("the store holds the result of %v: %t, want %t", t, holds, want)
		} else if holds && res != rec.res {
			r.fault("the store holds %+v, and was given %+v", res, rec.res)
		}
		delete(held, id)
	}
	for id, res := range held {
		if !r.isFiller(id) {
			r.fault("the store holds %+v, which was not put there", res)
		}
	}
}

// afterEnd calls everything once more.
func (r *round) afterEnd() {
	ctx := context.Background()
	task := &Task{number: -2}
	wantClosed := func(call string, err error) {
		if !errors.Is(err, pool.ErrClosed) {
			r.fault("%s after the end: %v", call, err)
		}
		if r.cancelled.Load() && call != "Resize" && !errors.Is(err, r.cause) {
			r.fault("%s after the end and the cancel: %v", call, err)
		}
	}
	_, err := r.p.Submit(ctx, task)
	wantClosed("Submit", err)
	_, err = r.p.TrySubmit(task)
	wantClosed("TrySubmit", err)
	ids, err := r.p.SubmitAll(ctx, []*Task{task, task})
	wantClosed("SubmitAll", err)
	if len(ids) > 0 {
		r.fault("SubmitAll after the end: %v", ids)
	}
	wantClosed("Resize", r.p.Resize(1))
	if err := r.p.Wait(ctx); err != nil {
		r.fault("Wait after the end: %v", err)
	}
	_ = r.halt(ctx)
	_ = r.halt(r.ctx)
	for _, t := range r.ids {
		v, err := r.p.Get(ctx, t.storeID())
		r.judgeGet(ctx, t, v, err)
	}
	if task.ran.Load() > 0 {
		r.fault("a task was run after the end")
	}
	if len(r.verdicts) == 0 {
		r.verdicts = []error{nil} // r.faults says why
	}
}
