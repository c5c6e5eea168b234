package pool

import (
	"container/list"
	"context"
	"errors"
	"fmt"

	"github.com/resultpool/resultpool/internal/queue"
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
func (p *Pool[T, R]) Submit(ctx context.Context, in T) (store.ID, error) {
	if ctx == nil {
		return 0, errNilContext
	}
	id, err := p.trySubmit(ctx, in)
	if !errors.Is(err, ErrQueueFull) {
		return id, err
	}
	ids, err := p.SubmitAll(ctx, []T{in})
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// TrySubmit is Submit without the wait: if the queue is full, it returns
// [ErrQueueFull]. It blocks only on a store that has to reserve more IDs.
func (p *Pool[T, R]) TrySubmit(in T) (store.ID, error) {
	return p.trySubmit(context.Background(), in)
}

func (p *Pool[T, R]) trySubmit(ctx context.Context, in T) (store.ID, error) {
	if p.nilable && isNilTask(in) {
		return 0, ErrNilTask
	}
	late, err := p.lookAt(ctx)
	if err != nil {
		return 0, err
	}
	for {
		p.mu.Lock()
		err := p.refusalLocked(late)
		if err == nil && p.queue.Full() {
			err = ErrQueueFull
		}
		if err != nil {
			p.mu.Unlock()
			return 0, err
		}
		if p.ids.claimLocked(1) {
			id := p.acceptLocked(in)
			p.wakeLocked()
			p.mu.Unlock()
			return id, nil
		}
		p.mu.Unlock()
		if err := p.reserve(ctx, 1); err != nil {
			return 0, err
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
func (p *Pool[T, R]) SubmitAll(ctx context.Context, in []T) ([]store.ID, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	if i, found := nilTask(in); found {
		return nil, fmt.Errorf("%w at index %d", ErrNilTask, i)
	}
	late, err := p.lookAt(ctx)
	if err != nil {
		return nil, err
	}
	inTask := p.inTask(ctx)
	sub := &submission[T]{
		rest:  in,
		ids:   make([]store.ID, 0, len(in)),
		ready: make(chan struct{}),
	}
	for {
		p.mu.Lock()
		if err := p.refusalLocked(late); err != nil {
			p.mu.Unlock()
			return nil, err
		}
		if p.ids.claimLocked(uint64(len(in))) {
			break // with mu held
		}
		p.mu.Unlock()
		if err := p.reserve(ctx, uint64(len(in))); err != nil {
			return nil, err
		}
	}

	p.moveLocked(sub)
	p.wakeLocked()
	if len(sub.rest) == 0 {
		p.mu.Unlock()
		return sub.ids, nil
	}
	if inTask {
		p.ids.unclaimLocked(uint64(len(sub.rest)))
		p.mu.Unlock()
		return sub.ids, ErrQueueFull
	}
	place := p.submitters.PushBack(sub)
	p.mu.Unlock()

	select {
	case <-sub.ready:
	case <-ctx.Done():
		p.giveUp(ctx, place)
	}
	return sub.ids, sub.err
}

// A submission is a submitter's tasks on their way into the queue. Its fields
// are guarded by Pool.mu until ready is closed.
type submission[T any] struct {
	rest  []T        // not accepted yet
	ids   []store.ID // of those that are
	err   error      // why the rest is refused, if it is
	ready chan struct{}
}

// giveUp takes a submission back whose submitter's ctx is done, unless it was
// completed or refused a moment before.
func (p *Pool[T, R]) giveUp(ctx context.Context, place *list.Element) {
	why := causeOf(ctx)
	if cause := p.cancelCause(); cause != nil { // perhaps the same: this says more
		why = closedBecause(cause)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	sub := place.Value.(*submission[T])
	if len(sub.rest) > 0 && sub.err == nil {
		sub.err = why
		p.submitters.Remove(place)
		p.ids.unclaimLocked(uint64(len(sub.rest)))
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

// acceptLocked puts one task into the queue, which must have room.
func (p *Pool[T, R]) acceptLocked(in T) store.ID {
	id := p.ids.nextLocked()
	p.accepted++
	p.queue.Push(queue.Item[T]{ID: uint64(id), Task: in})
	return id
}

// moveLocked puts as many of sub's tasks into the queue as there is room for.
func (p *Pool[T, R]) moveLocked(sub *submission[T]) {
	for len(sub.rest) > 0 && !p.queue.Full() {
		sub.ids = append(sub.ids, p.acceptLocked(sub.rest[0]))
		sub.rest = sub.rest[1:]
	}
}

// refillLocked gives room in the queue to those who wait for it. It returns the
// channels to close when mu is free.
func (p *Pool[T, R]) refillLocked() (wake []chan struct{}) {
	for !p.queue.Full() {
		first := p.submitters.Front()
		if first == nil {
			break
		}
		sub := first.Value.(*submission[T])
		p.moveLocked(sub)
		if len(sub.rest) == 0 {
			p.submitters.Remove(first)
			wake = append(wake, sub.ready)
		}
	}
	return wake
}

// refuseLocked sends every submitter that waits away with err. It returns the
// channels to close when mu is free.
func (p *Pool[T, R]) refuseLocked(err error) (wake []chan struct{}) {
	for p.submitters.Len() > 0 {
		sub := p.submitters.Remove(p.submitters.Front()).(*submission[T])
		sub.err = err
		p.ids.unclaimLocked(uint64(len(sub.rest)))
		wake = append(wake, sub.ready)
	}
	return wake
}
