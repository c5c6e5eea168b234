package pool

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/resultpool/resultpool/store"
)

// Submit hands in to a worker and returns the ID its result will be stored
// under.
//
// Submit blocks while the queue is full, until there is room or ctx is done.
// ctx governs that wait only; the task runs under the pool's context.
//
// The error is [ErrClosed] once Stop has been called or the pool's context is
// done, [ErrNoWorkers] after Resize(0), [ErrNilTask], or context.Cause(ctx),
// also for a ctx that is done to begin with; over a [store.IDReserver] also the
// store's. After any error the task was not accepted: it will not run and
// nothing will be stored for it.
//
// Submit may be called from any goroutine. From inside a task, with the task's
// context, it returns [ErrQueueFull] rather than wait for its own pool.
//
// In a pool that has joined an engine, Submit returns once the engine has the task, which
// takes a round trip. While the engine fails it tries again, until ctx is done: the error
// then matches the last refusal, too. It returns an error that no other attempt can mend,
// as engine.ErrTooLarge, and one for a task that cannot be written. If it ends for another reason while the engine owes it an answer, the error
// matches [ErrUnconfirmed] too: the task may have been accepted. There it does not
// matter how many workers the pool has.
func (p *Pool[T, R]) Submit(ctx context.Context, in T) (store.ID, error) {
	if ctx == nil {
		return 0, errNilContext
	}
	id, err := p.trySubmit(ctx, in, true)
	if err == nil || !errors.Is(err, ErrQueueFull) || p.joint != nil {
		return id, err
	}
	ids, err := p.SubmitAll(ctx, []T{in})
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// TrySubmit is Submit without the wait: if the queue is full, it returns
// [ErrQueueFull]. It blocks only on a store that has to reserve more IDs, and, in a pool
// that has joined an engine, until that answers or the pool is closed.
func (p *Pool[T, R]) TrySubmit(in T) (store.ID, error) {
	return p.trySubmit(context.Background(), in, false)
}

// trySubmit does not wait for room in the queue, except for that of an engine if wait is
// true.
func (p *Pool[T, R]) trySubmit(ctx context.Context, in T, wait bool) (store.ID, error) {
	if p.isZero() {
		return 0, errZero
	}
	if p.nilable && isNilTask(in) {
		return 0, ErrNilTask
	}
	if p.joint != nil {
		ids, err := p.joint.Submit(ctx, []T{in}, wait)
		if len(ids) == 0 {
			return 0, err
		}
		return ids[0], nil
	}
	late, err := p.lookAt(ctx)
	if err != nil {
		return 0, err
	}
	if late == nil {
		if id, ok := p.queue.Push(*p.ids.next.Load(), in); ok {
			p.pushed()
			return store.ID(id), nil
		}
	}
	sub := submission[T]{rest: []T{in}}
	for {
		if err := p.begin(ctx, late, &sub); err != nil {
			return 0, err
		}
		p.moveLocked(&sub)
		full := p.fullLocked()
		p.unlock()
		switch {
		case len(sub.ids) > 0:
			return sub.ids[0], nil
		case full:
			return 0, ErrQueueFull
		}
		runtime.Gosched() // a worker has made room all but for the last step
	}
}

// fullLocked reports whether there is no room, or others wait for what there is.
func (p *Pool[T, R]) fullLocked() bool {
	return p.submitters.Len() > 0 || p.queue.Popped() < p.queue.RoomAfter(1)
}

// pushed sees to it that a worker comes for a task that was put into the queue
// without mu, or that the queue forgets it if the reaper was there before it.
func (p *Pool[T, R]) pushed() {
	if p.gates.wanted.Load() {
		p.mu.Lock()
		if p.abort != nil {
			p.queue.Sweep()
		}
		p.unlock()
	}
}

// begin takes mu and shuts the tail of the queue, for tasks that could not be put
// into it otherwise. There are IDs for them then. With an error, which is why they
// are refused, mu is free.
func (p *Pool[T, R]) begin(ctx context.Context, late error, sub *submission[T]) error {
	n := uint64(len(sub.rest))
	for {
		p.lockHeedingCancel() // again: the store may have taken its time
		if err := p.refusalLocked(late); err != nil {
			p.unlock()
			return err
		}
		p.queue.ShutTail(true)
		p.refillLocked() // those who wait come first
		if p.hasIDsLocked(n) {
			return nil
		}
		p.unlock()
		if err := p.reserve(ctx, n); err != nil {
			return err
		}
	}
}

// SubmitAll is Submit for many tasks at a lower price: ids[i] is the ID of
// in[i]. IDs increase, but tasks of other submitters may come between.
//
// SubmitAll blocks while there is no room for the rest of in. With an error, ids
// is shorter than in: the tasks in[:len(ids)] were accepted, the others were
// not. If one of in is nil, none is accepted, and the error says which.
//
// SubmitAll does not keep in after it has returned.
//
// In a pool that has joined an engine, an error that matches [ErrUnconfirmed] says that
// some of in[len(ids):] may have been accepted.
func (p *Pool[T, R]) SubmitAll(ctx context.Context, in []T) ([]store.ID, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	if p.isZero() {
		return nil, errZero
	}
	if i, found := nilTask(in); found {
		return nil, fmt.Errorf("%w at index %d", ErrNilTask, i)
	}
	if p.joint != nil {
		return p.joint.Submit(ctx, in, true)
	}
	late, err := p.lookAt(ctx)
	if err != nil {
		return nil, err
	}
	sub := &submission[T]{rest: in, ids: roomForIDs(len(in))}
	if late == nil && len(in) > 0 {
		if p.move(sub); len(sub.rest) == 0 {
			return sub.ids, nil
		}
	}
	inTask := p.inTask(ctx)
	for {
		if err := p.begin(ctx, late, sub); err != nil {
			return sub.ids, err
		}
		p.moveLocked(sub)
		if len(sub.rest) == 0 {
			p.unlock()
			return sub.ids, nil
		}
		if !inTask {
			break
		}
		full := p.fullLocked()
		p.unlock()
		if full {
			return sub.ids, ErrQueueFull
		}
		runtime.Gosched()
	}
	sub.ready = make(chan struct{})
	place := p.submitters.PushBack(sub)
	p.waiting += uint64(len(sub.rest))
	p.unlock()

	select {
	case <-sub.ready:
	case <-ctx.Done():
		p.giveUp(ctx, place)
	}
	return sub.ids, sub.err
}

// roomForIDs returns room for the IDs of n tasks, up to a million. More is taken as tasks
// are accepted: few of them may be, and n may be anything, since there are tasks that take
// no memory.
func roomForIDs(n int) []store.ID { return make([]store.ID, 0, min(n, 1<<20)) }

// move puts as many of sub's tasks into the queue as is possible without mu: none
// if IDs have to be reserved for some, since that may fail.
func (p *Pool[T, R]) move(sub *submission[T]) {
	for len(sub.rest) > 0 {
		ids, need := *p.ids.next.Load(), uint64(len(sub.rest))
		if need > ids.End || p.queue.Pushed() > ids.End-need {
			return
		}
		first, n := p.queue.PushAll(ids, sub.rest)
		if n == 0 {
			return
		}
		sub.accepted(first, n)
		p.pushed()
	}
}

// A submission is a submitter's tasks on their way into the queue. While it is
// in Pool.submitters, its fields are guarded by Pool.mu, until ready is closed.
type submission[T any] struct {
	rest  []T        // not accepted yet
	ids   []store.ID // of those that are
	err   error      // why the rest is refused, if it is
	ready chan struct{}
}

// accepted notes that the first n tasks of the rest are, with IDs from first on.
func (sub *submission[T]) accepted(first uint64, n int) {
	for i := range n {
		sub.ids = append(sub.ids, store.ID(first+uint64(i)))
	}
	sub.rest = sub.rest[n:]
}

// giveUp takes a submission back whose submitter's ctx is done, unless it was
// completed or refused a moment before.
func (p *Pool[T, R]) giveUp(ctx context.Context, place *list.Element) {
	why := causeOf(ctx)
	if cause := p.cancelCause(); cause != nil { // perhaps the same: this says more
		why = closedBecause(cause)
	}
	p.mu.Lock()
	defer p.unlock()
	sub := place.Value.(*submission[T])
	if len(sub.rest) > 0 && sub.err == nil {
		sub.err = why
		p.submitters.Remove(place)
		p.waiting -= uint64(len(sub.rest))
	}
}

// lookAt looks at the contexts of a submit, which must not be done with mu held.
// An error means that there is no more to do; late is the cause of a ctx that is
// done, the least important reason to refuse.
func (p *Pool[T, R]) lookAt(ctx context.Context) (late, err error) {
	if cause := p.cancelCause(); cause != nil {
		return nil, closedBecause(cause)
	}
	if ctx.Err() != nil {
		late = causeOf(ctx)
	}
	return late, nil
}

// refusalLocked returns why the pool takes no task now, or late.
func (p *Pool[T, R]) refusalLocked(late error) error {
	switch {
	case p.closed != nil:
		return p.closed
	case p.target == 0:
		return ErrNoWorkers
	default:
		return late
	}
}

// moveLocked puts as many of sub's tasks into the queue as there is room for,
// unless others wait for room. The tail of the queue is shut.
func (p *Pool[T, R]) moveLocked(sub *submission[T]) {
	if first := p.submitters.Front(); first != nil && first.Value != sub {
		return
	}
	for len(sub.rest) > 0 {
		first, n := p.queue.PushShut(p.ids.nextLocked(p.queue.Pushed()), sub.rest)
		if n == 0 {
			return
		}
		sub.accepted(first, n)
	}
}

// refillLocked gives room in the queue to those who wait for it, and sets the gate
// callAt so that a worker comes when there is more.
//
// More means what the first submission still needs, or half of the queue. Less
// would not wake its submitter, and a batch that is larger than the queue would
// bring a worker here for each of its tasks.
//
// After the cancel nobody gets room. onCancel, on its way, sends them off.
func (p *Pool[T, R]) refillLocked() {
	call := uint64(nobody)
	if len(p.getters) > 0 {
		call = everybody
	}
	for p.submitters.Len() > 0 && !p.heard.Load() && p.ctx.Err() == nil {
		first := p.submitters.Front()
		sub := first.Value.(*submission[T])
		rest := len(sub.rest)
		p.moveLocked(sub)
		p.waiting -= uint64(rest - len(sub.rest))
		if len(sub.rest) == 0 {
			p.submitters.Remove(first)
			p.wake = append(p.wake, sub.ready)
			continue
		}

		// Call first, then look once more. There may be room although moveLocked
		// has found none: then a slot is being emptied, by any of the workers.
		at := p.queue.RoomAfter(min(len(sub.rest), max(1, p.queue.Cap()/2)))
		if p.queue.Popped() >= at {
			at = everybody
		}
		p.gates.callAt.Store(min(call, at))
		if p.queue.Popped() < at || at == everybody && !p.queue.IsFree() {
			return
		}
	}
	set(&p.gates.callAt, call)
}

// refuseLocked sends every submitter that waits away with err.
func (p *Pool[T, R]) refuseLocked(err error) {
	for p.submitters.Len() > 0 {
		sub := p.submitters.Remove(p.submitters.Front()).(*submission[T])
		sub.err = err
		p.wake = append(p.wake, sub.ready)
	}
	p.waiting = 0
}
