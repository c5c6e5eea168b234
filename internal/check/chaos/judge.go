package chaos

import (
	"context"
	"errors"
	"runtime"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A view is what a caller knows of the pool before a call.
type view struct {
	closed, cancelled bool
	zero              uint64
	floor             uint64
}

func (r *round) look() view {
	return view{
		cancelled: r.cancelled.Load(),
		closed:    r.closed.Load(),
		zero:      r.zero.Load(),
		floor:     r.floor.Load(),
	}
}

// A call is how a task was submitted.
type call struct {
	ctx    context.Context
	try    bool // by TrySubmit
	inside bool // by a task, with the context it was given
	late   bool // with a context that was done before
}

// judge sees to what a Submit of one task returned.
func (r *round) judge(before view, t *Task, id store.ID, err error, how call) {
	if err != nil {
		if id != 0 {
			r.fault("ID %d of %v beside the error %v", id, t, err)
		}
		r.refuse(before, []*Task{t}, err, how, t == nil)
		return
	}
	r.accept(before, t, id, how)
}

// judgeAll sees to what a SubmitAll returned.
func (r *round) judgeAll(before view, tasks []*Task, ids []store.ID, err error, how call) {
	if len(ids) > len(tasks) || err == nil && len(ids) < len(tasks) {
		r.fault("%d IDs for %d tasks and the error %v", len(ids), len(tasks), err)
		return
	}
	hasNil := false
	for _, t := range tasks {
		hasNil = hasNil || t == nil
	}
	for i, id := range ids {
		r.accept(before, tasks[i], id, how)
		before.floor = max(before.floor, uint64(id))
	}
	if err != nil {
		if hasNil && len(ids) > 0 {
			r.fault("%d of the tasks were accepted, and one is nil", len(ids))
		}
		r.refuse(before, tasks[len(ids):], err, how, hasNil)
	}
}

func (r *round) accept(before view, t *Task, id store.ID, how call) {
	switch {
	case t == nil:
		r.fault("a nil task was accepted")
		return
	case id == 0:
		r.fault("%v was accepted with ID 0", t)
		return
	case uint64(id) <= before.floor:
		r.fault("%v got ID %d after somebody had got %d", t, id, before.floor)
	case before.closed:
		r.fault("%v was accepted after the close", t)
	case how.late:
		r.fault("%v was accepted with a context that was done", t)
	case before.zero%2 == 1 && r.zero.Load() == before.zero:
		r.fault("%v was accepted without workers", t)
	}
	for old := r.floor.Load(); old < uint64(id) && !r.floor.CompareAndSwap(old, uint64(id)); old = r.floor.Load() {
	}
	r.accepts.Add(1)
	t.id.Store(uint64(id))
	r.mu.Lock()
	other := r.byID[id]
	r.byID[id] = t
	r.ids = append(r.ids, t)
	r.mu.Unlock()
	if other != nil {
		r.fault("ID %d was given to %v and to %v", id, other, t)
	}
}

// refuse sees to it that err is one that this call may return now.
func (r *round) refuse(before view, tasks []*Task, err error, how call, hasNil bool) {
	for _, t := range tasks {
		if t != nil {
			t.refused = err
		}
	}
	if hasNil {
		if !errors.Is(err, pool.ErrNilTask) {
			r.fault("a nil task was refused with %v", err)
		}
		return
	}
	why := "it is not an error of Submit"
	switch {
	case errors.Is(err, pool.ErrClosed):
		why = ""
		if !r.closing.Load() {
			why = "the pool was open"
		} else if before.cancelled && !errors.Is(err, r.cause) {
			why = "it does not wrap the cause"
		}
	case before.closed:
		why = "the pool was closed before"
	case errors.Is(err, pool.ErrNoWorkers):
		why = ""
		if !r.zeroed.Load() {
			why = "there were workers"
		}
	case before.zero%2 == 1 && r.zero.Load() == before.zero:
		why = "there were no workers"
	case errors.Is(err, pool.ErrQueueFull):
		why = ""
		if !how.try && !how.inside {
			why = "it has to wait"
		} else if r.room() > len(r.tasks) && r.filler == 0 {
			why = "there was room"
		}
	case errors.Is(err, errReserve):
		why = ""
		if !r.plan.store.reserves || r.filler == 0 {
			why = "there were IDs"
		}
	case how.ctx != nil && how.ctx.Err() != nil:
		why = ""
		if err != context.Cause(how.ctx) { //nolint:errorlint // the very error
			why = "it is not the cause of its context"
		}
	}
	if why != "" {
		r.fault("Submit (%+v) returned %v: %s", how, err, why)
	}
}

// judgeGet sees to what Get of t's result returned, and tells whether it was the
// result.
func (r *round) judgeGet(ctx context.Context, t *Task, v int, err error) bool {
	var unsaved *pool.UnsavedError[int]
	switch {
	case errors.As(err, &unsaved):
		rec := r.store.look(t.storeID())
		if !rec.failed && !rec.refused {
			r.fault("Get of %v: %v, but the store took it", t, err)
		}
		if len(unsaved.Results) != 1 || unsaved.Results[0].ID != t.storeID() || unsaved.Results[0].Value != v {
			r.fault("Get of %v: the value %d with %+v", t, v, unsaved)
		}
		return false
	case errors.Is(err, store.ErrNotFound):
		if !t.deleted.Load() {
			r.fault("Get of %v, which nobody has deleted: %v", t, err)
		}
		return false
	case errors.Is(err, errUnread):
		return false
	case ctx.Err() != nil && err == context.Cause(ctx) && r.own(t, v, err) != nil: //nolint:errorlint // the very error
		return false
	}
	if err := r.genuine(t, v, err); err != nil {
		r.fault("Get of %v: %w", t, err)
	}
	return true
}

// genuine returns an error unless v and err are the result of t, or what the pool
// stores in its place if the store has refused it.
func (r *round) genuine(t *Task, v int, err error) error {
	rec := r.store.look(t.storeID())
	if rec.refused && errors.Is(err, store.ErrRejected) {
		if v != 0 {
			return faultyResult{"a value beside the refusal", v, err}
		}
		var panicked *pool.PanicError
		if f := r.plan.store.fault; f == panicking && !errors.As(err, &panicked) {
			return faultyResult{"the store's panic is not in it", v, err}
		}
		return nil
	}
	if rec.refused && rec.stored > 0 {
		return faultyResult{"the store refused this one", v, err}
	}
	return r.own(t, v, err)
}

type faultyResult struct {
	why   string
	value int
	err   error
}

func (f faultyResult) Error() string {
	if f.err == nil {
		return f.why + ", but the value came with no error"
	}
	return f.why + ": " + f.err.Error()
}

// own returns an error unless v and err are what t ended with.
func (r *round) own(t *Task, v int, err error) error {
	if errors.Is(err, pool.ErrNotRun) {
		byCancel := r.cancelling.Load() && errors.Is(err, r.cause)
		byZero := r.zeroed.Load() && errors.Is(err, pool.ErrNoWorkers)
		switch {
		case t.ran.Load() != 0:
			return faultyResult{"it did run", v, err}
		case !r.closing.Load():
			return faultyResult{"the pool was open", v, err}
		case v != 0:
			return faultyResult{"a value of a task that did not run", v, err}
		case !byCancel && !byZero:
			return faultyResult{"not the reason", v, err}
		}
		return nil
	}
	o := t.outcome.Load()
	if o == nil {
		return faultyResult{"it has not ended", v, err}
	}
	switch o.end {
	case returned:
		if v != o.value || err != o.err { //nolint:errorlint // the very error
			return faultyResult{"not what it returned", v, err}
		}
	case exited:
		if v != 0 || err != pool.ErrGoexit { //nolint:errorlint // the very error
			return faultyResult{"it called Goexit", v, err}
		}
	case panicked:
		var p *pool.PanicError
		if v != 0 || !errors.As(err, &p) || len(p.Stack) == 0 {
			return faultyResult{"it panicked", v, err}
		}
		_, isNil := p.Value.(*runtime.PanicNilError)
		if same := p.Value == o.thrown || isNil && o.thrown == nil; !same {
			return faultyResult{"not what it panicked with", v, err}
		}
	}
	return nil
}
