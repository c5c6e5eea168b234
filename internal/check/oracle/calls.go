package oracle

import (
	"context"
	"errors"
	"slices"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A Way is one of the ways to submit.
type Way int

// The ways there are. Submit and TrySubmit take one task.
const (
	Submit Way = iota
	TrySubmit
	SubmitAll
	Ways
)

// A call is how tasks were submitted, and what was known how.
type call struct {
	ctx               context.Context
	way               Way
	inside            bool // by a task, with the context that it was given
	late              bool // with a context that was done before
	closed, cancelled bool
	floor             uint64
}

// Submit hands tasks to the pool, some of which may be nil. inside says that a task
// does so, with its own context.
func (o *Oracle) Submit(ctx context.Context, way Way, inside bool, tasks ...*Task) {
	how := call{
		ctx: ctx, way: way, inside: inside, late: way != TrySubmit && !inside && ctx.Err() != nil,
		cancelled: o.cancelled.Load(), closed: o.closed.Load(), floor: o.floor.Load(),
	}
	o.mu.Lock()
	o.offered = append(o.offered, tasks...)
	o.mu.Unlock()
	var ids []store.ID
	var err error
	switch way {
	case Submit:
		ids, err = o.one(o.pool.Submit(ctx, tasks[0]))
	case TrySubmit:
		ids, err = o.one(o.pool.TrySubmit(tasks[0]))
	case SubmitAll:
		ids, err = o.pool.SubmitAll(ctx, tasks)
	}
	if len(ids) > len(tasks) || err == nil && len(ids) < len(tasks) {
		o.Fault("%d IDs for %d tasks and the error %v", len(ids), len(tasks), err)
		return
	}
	for i, id := range ids {
		o.accept(tasks[i], id, how)
		how.floor = max(how.floor, uint64(id))
	}
	if err != nil {
		o.refuse(tasks, len(ids), err, how)
	}
}

func (o *Oracle) one(id store.ID, err error) ([]store.ID, error) {
	if err == nil {
		return []store.ID{id}, nil
	}
	if id != 0 {
		o.Fault("ID %d beside the error %v", id, err)
	}
	return nil, err
}

func (o *Oracle) accept(t *Task, id store.ID, how call) {
	switch {
	case t == nil:
		o.Fault("a nil task was accepted")
		return
	case id == 0:
		o.Fault("%v was accepted with ID 0", t)
		return
	case uint64(id) <= how.floor:
		o.Fault("%v got ID %d after another had got %d", t, id, how.floor)
	case how.closed:
		o.Fault("%v was accepted after the close", t)
	case how.late:
		o.Fault("%v was accepted with a context that was done", t)
	}
	for old := o.floor.Load(); old < uint64(id) && !o.floor.CompareAndSwap(old, uint64(id)); old = o.floor.Load() {
	}
	t.id.Store(uint64(id))
	o.mu.Lock()
	acc := o.accountLocked(id)
	other := acc.task
	acc.task = t
	o.ids = append(o.ids, t)
	o.mu.Unlock()
	if other != nil {
		o.Fault("ID %d was given to %v and to %v", id, other, t)
	}
}

// refuse finds fault with err unless this call may return it now. The first n tasks
// were accepted.
func (o *Oracle) refuse(tasks []*Task, n int, err error, how call) {
	if slices.Contains(tasks, nil) {
		if n > 0 || !errors.Is(err, pool.ErrNilTask) {
			o.Fault("of tasks one of which is nil %d were accepted, and the others refused with %v", n, err)
		}
		return
	}
	why := ""
	switch {
	case errors.Is(err, pool.ErrClosed):
		if !o.closing.Load() {
			why = "the pool was open"
		} else if how.cancelled && !errors.Is(err, o.cause) {
			why = "it does not wrap the cause"
		}
	case how.closed:
		why = "the pool was closed before"
	case errors.Is(err, pool.ErrNoWorkers):
		if !o.zeroed.Load() {
			why = "there were workers"
		}
	case errors.Is(err, pool.ErrQueueFull):
		o.full.Add(1)
		o.mu.Lock()
		offered := len(o.offered)
		o.mu.Unlock()
		if how.way != TrySubmit && !how.inside {
			why = "it has to wait"
		} else if o.room >= offered {
			why = "there was room"
		}
	case how.way != TrySubmit && how.ctx.Err() != nil:
		if err != context.Cause(how.ctx) { //nolint:errorlint // the very error
			why = "it is not the cause of its context"
		}
	default:
		why = "it is not an error of Submit"
	}
	if why != "" {
		o.Fault("Submit (%+v) returned %v: %s", how, err, why)
	}
}

// Get asks for the result of t and tells whether it has got it. inside says that a
// task does so.
func (o *Oracle) Get(ctx context.Context, t *Task, inside bool) bool {
	v, err := o.pool.Get(ctx, t.ID())
	var unsaved *pool.UnsavedError[int]
	switch {
	case inside && err == pool.ErrInTask: //nolint:errorlint // the very error
		return false
	case errors.As(err, &unsaved):
		if acc := o.account(t.ID()); !acc.failed {
			o.Fault("Get of %v: %v, but the store took it", t, err)
		}
		if len(unsaved.Results) != 1 || unsaved.Results[0].ID != t.ID() || unsaved.Results[0].Value != v {
			o.Fault("Get of %v: the value %d with %+v", t, v, unsaved)
		}
		return false
	case errors.Is(err, store.ErrNotFound):
		if !t.deleted.Load() {
			o.Fault("Get of %v, which nobody has deleted: %v", t, err)
		}
		return false
	case ctx.Err() != nil && err == context.Cause(ctx) && o.own(t, v, err) != nil: //nolint:errorlint // the very error
		return false
	}
	if err := o.genuine(t, v, err); err != nil {
		o.Fault("Get of %v: %w", t, err)
	}
	return true
}

// Delete deletes the result of t, which somebody has got, from the store.
func (o *Oracle) Delete(t *Task) {
	t.deleted.Store(true)
	if err := o.st.Delete(context.Background(), t.ID()); err != nil {
		o.Fault("Delete: %v", err)
	}
}

// Wait waits, and looks whether what was accepted before has a result then. inside
// says that a task does so.
func (o *Oracle) Wait(ctx context.Context, inside bool) {
	o.mu.Lock()
	ids := o.ids[:len(o.ids):len(o.ids)]
	o.mu.Unlock()
	switch err := o.pool.Wait(ctx); {
	case inside:
		if err != pool.ErrInTask { //nolint:errorlint // the very error
			o.Fault("Wait inside a task returned %v", err)
		}
	case err != nil:
		if ctx.Err() == nil || err != context.Cause(ctx) { //nolint:errorlint // the very error
			o.Fault("Wait returned %v", err)
		}
	default:
		for _, t := range ids {
			if acc := o.account(t.ID()); acc.stored == 0 && !acc.failed {
				o.Fault("Wait returned, and %v, accepted before, has no result", t)
			}
		}
	}
}

// Stats asks for the numbers and returns them. old are those that the caller was given
// before, if any.
func (o *Oracle) Stats(old pool.Stats, inside bool) pool.Stats {
	s := o.pool.Stats()
	if s.Submitted != s.Succeeded+s.Failed+s.Panicked+s.NotRun+s.Queued+s.Running {
		o.Fault("Stats do not add up: %+v", s)
	}
	if s.Submitted < old.Submitted || s.Succeeded < old.Succeeded || s.Failed < old.Failed ||
		s.Panicked < old.Panicked || s.NotRun < old.NotRun {
		o.Fault("Stats go backwards, from %+v to %+v", old, s)
	}
	// Each worker has claimed an eighth at most.
	if s.Queued > uint64(o.room+o.room/8*int(o.allowed.Load())) || int64(s.Workers) > o.allowed.Load() {
		o.Fault("more than there is room for (%d): %+v", o.room, s)
	}
	if s.Capacity != o.room || s.Refused < old.Refused || (s.Oldest == 0) != (s.Queued == 0) {
		o.Fault("after %+v Stats is %+v; there is room for %d", old, s, o.room)
	}
	if inside && s.Running == 0 {
		o.Fault("inside a task Stats says that none runs: %+v", s)
	}
	return s
}

// Resize changes the number of workers.
func (o *Oracle) Resize(n int) {
	if n == 0 {
		o.zeroed.Store(true)
	}
	for old := o.allowed.Load(); old < int64(n) && !o.allowed.CompareAndSwap(old, int64(n)); old = o.allowed.Load() {
	}
	switch err := o.pool.Resize(n); {
	case n < 0 && !errors.Is(err, pool.ErrNoWorkers):
		o.Fault("Resize(%d) returned %v", n, err)
	case n >= 0 && err != nil && (!errors.Is(err, pool.ErrClosed) || !o.closing.Load()):
		o.Fault("Resize(%d) returned %v", n, err)
	}
}

// Cancel cancels the pool's context.
func (o *Oracle) Cancel() {
	o.closing.Store(true)
	o.cancel(o.cause)
	o.cancelled.Store(true)
	o.closed.Store(true)
}

// Stop calls Stop. inside says that a task does so, with its own context.
func (o *Oracle) Stop(ctx context.Context, inside bool) {
	o.closing.Store(true)
	err := o.pool.Stop(ctx)
	o.closed.Store(true)
	ended := o.hasEnded()
	switch {
	case inside != errors.Is(err, pool.ErrInTask):
		o.Fault("Stop returned %v, inside a task: %t", err, inside)
	case inside:
	case ctx.Err() != nil && err == context.Cause(ctx): //nolint:errorlint // the very error
	case !ended:
		o.Fault("Stop returned %v and Done is not closed", err)
	default:
		o.mu.Lock()
		defer o.mu.Unlock()
		o.verdicts = append(o.verdicts, err)
	}
}
