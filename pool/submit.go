package pool

import (
	"container/list"
	"context"
	"fmt"
	"slices"

	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/store"
)

// Submit hands in to a worker and returns the ID under which its result will be stored.
//
// Submit blocks while the queue is full, until there is room or ctx is done. ctx governs that wait only; the task
// runs under the pool's context.
//
// The error is [ErrClosed] once Stop has been called or the pool's context is done, [ErrNoWorkers] after Resize(0),
// [ErrNilTask], or context.Cause(ctx), also if ctx is done from the start; with a [store.IDReserver] also the
// store's. After any error the task was not accepted: it will not run and nothing will be stored for it.
//
// Submit may be called from any goroutine. From inside a task, with the task's context, it returns [ErrQueueFull]
// instead of waiting for its own pool. Tasks that submit tasks, if nobody knows how many, need Options.Queue:
// [math.MaxInt]; see the example.
func (p *Pool[T, R]) Submit(ctx context.Context, in T) (store.ID, error) {
	id, err := p.submit(ctx, in, true)
	if err != nil || p.hooks.Submitted != nil {
		p.tellOne(ctx, id, err)
	}
	return id, err
}

// TrySubmit is Submit without the wait: if the queue is full, or others wait for room, it returns [ErrQueueFull].
// Its other errors are those of Submit. It blocks only on a store that has to reserve more IDs; in a joined pool,
// until the engine has answered.
func (p *Pool[T, R]) TrySubmit(in T) (store.ID, error) {
	id, err := p.submit(context.Background(), in, false)
	if err != nil || p.hooks.Submitted != nil {
		p.tellOne(context.Background(), id, err)
	}
	return id, err
}

// tellOne tells what became of a submission of one task.
func (p *Pool[T, R]) tellOne(ctx context.Context, id store.ID, err error) {
	if err != nil {
		p.tellRefused(err)
	} else {
		p.tellSubmitted(ctx, id)
	}
}

// submit waits for room in the queue, or does not.
func (p *Pool[T, R]) submit(ctx context.Context, in T, wait bool) (store.ID, error) {
	if err := p.check(ctx); err != nil {
		return 0, err
	}
	if p.nilable && guard.IsNilTask(in) {
		return 0, ErrNilTask
	}
	if p.share != nil {
		ids, err := p.share.Submit(ctx, []T{in}, wait)
		if len(ids) == 0 {
			return 0, err
		}
		return ids[0], nil
	}
	expired, err := p.checkContexts(ctx)
	if err != nil {
		return 0, err
	}
	if expired == nil {
		if id, ok := p.queue.Push(p.ids.Next(), in); ok {
			p.hire()
			return store.ID(id), nil
		}
	}
	sub := &submission[T]{rest: []T{in}}
	if err := p.readKeys(sub); err != nil {
		return 0, err
	}
	if err := p.submitLocking(ctx, expired, sub, wait); err != nil {
		return 0, err
	}
	return sub.ids[0], nil
}

// fullLocked reports whether there is no room, or others wait for what there is.
func (p *Pool[T, R]) fullLocked() bool {
	return p.submitters.Len() > 0 || p.queue.Claimed() < p.queue.RoomAfter(1)
}

// pushed has a worker come for a task that was put into the queue without mu, or the reaper. It
// follows each Push: the Push comes first and the look for who sleeps second, so a worker that misses
// the task is not missed here.
func (p *Pool[T, R]) pushed() {
	p.queue.HandOver()
	p.hire()
}

// hire starts a worker, if there may be another and there is a task for it.
func (p *Pool[T, R]) hire() {
	if p.gates.Hire.Load() && p.queue.IsReady() {
		p.mu.Lock()
		p.wakeAndUnlock()
	}
}

// lockForSubmit locks mu, shuts the tail of the queue and makes sure that sub.rest has IDs, for
// tasks that could not be put into the queue without mu. On success mu is held; on error it is
// free, and nothing was accepted.
func (p *Pool[T, R]) lockForSubmit(ctx context.Context, expired error, sub *submission[T]) error {
	n := uint64(len(sub.rest))
	for {
		p.lockHeedingCancel() // again: the store may have taken its time
		if err := p.refusalLocked(expired); err != nil {
			p.wakeAndUnlock()
			return err
		}
		p.queue.ShutTail(true)
		p.refillLocked() // those who wait come first
		if p.hasIDsLocked(n) {
			return nil
		}
		p.wakeAndUnlock()
		if err := p.reserve(ctx, n); err != nil {
			return err
		}
	}
}

// SubmitAll is Submit for many tasks at a lower price: ids[i] is the ID of in[i]. IDs increase, but those of other
// submitters' tasks may come between.
//
// SubmitAll blocks while there is no room for the rest of in, until ctx is done. Its errors are those of Submit;
// inside a task it returns [ErrQueueFull] when there is no room for the rest. With an error, the tasks in[:len(ids)]
// were accepted, the others were not. If one of in is nil, none is accepted, and the error says which. If in is
// empty, the error is nil, unless the pool takes no tasks now or ctx is done.
//
// SubmitAll does not keep in after it has returned.
func (p *Pool[T, R]) SubmitAll(ctx context.Context, in []T) ([]store.ID, error) {
	ids, err := p.submitAll(ctx, in)
	if err != nil {
		p.tellRefused(err)
	}
	if len(ids) > 0 {
		p.tellSubmitted(ctx, ids...)
	}
	return ids, err
}

func (p *Pool[T, R]) submitAll(ctx context.Context, in []T) ([]store.ID, error) {
	if err := p.check(ctx); err != nil {
		return nil, err
	}
	if i, found := guard.NilTask(in); found {
		return nil, fmt.Errorf("%w at index %d", ErrNilTask, i)
	}
	if p.share != nil {
		return p.share.Submit(ctx, in, true)
	}
	expired, err := p.checkContexts(ctx)
	if err != nil {
		return nil, err
	}
	sub := &submission[T]{rest: in, ids: roomForIDs(len(in))}
	if err := p.readKeys(sub); err != nil {
		return nil, err
	}
	if expired == nil && len(in) > 0 && p.keys == nil {
		if p.move(sub); len(sub.rest) == 0 {
			return sub.ids, nil
		}
	}
	err = p.submitLocking(ctx, expired, sub, true)
	return sub.ids, err
}

// readKeys has the keys of sub's tasks made, in a pool with keys.
func (p *Pool[T, R]) readKeys(sub *submission[T]) (err error) {
	if p.keys != nil {
		sub.pushed, err = p.keys.Read(sub.rest)
	}
	return err
}

// submitLocking accepts the rest of sub with mu, as tasks that could not be put into the queue
// without it. If it is not to wait for room, or is called inside a task, the error is ErrQueueFull
// where there is none.
func (p *Pool[T, R]) submitLocking(ctx context.Context, expired error, sub *submission[T], wait bool) error {
	wait = wait && !p.inTask(ctx)
	if err := p.lockForSubmit(ctx, expired, sub); err != nil {
		return err
	}
	if p.moveLocked(sub); len(sub.rest) == 0 {
		p.wakeAndUnlock()
		return nil
	}
	if !wait {
		p.wakeAndUnlock()
		return ErrQueueFull
	}
	sub.ready = make(chan struct{})
	place := p.submitters.PushBack(sub)
	p.waiting += uint64(len(sub.rest))
	p.wakeAndUnlock()

	select {
	case <-sub.ready:
	case <-ctx.Done():
		p.giveUp(ctx, place)
	}
	return sub.err
}

// roomForIDs returns room for the IDs of n tasks, up to a million. More is taken as tasks
// are accepted: few of them may be, and n may be anything, since there are tasks that take
// no memory.
func roomForIDs(n int) []store.ID { return make([]store.ID, 0, min(n, 1<<20)) }

// move puts as many of sub's tasks into the queue as is possible without mu: none if IDs have to be
// reserved for some, since that may fail.
//
// The range of IDs is read before the tail. It may be used up by then, which PushAll sees by its
// End, but it is never that of a later ticket.
func (p *Pool[T, R]) move(sub *submission[T]) {
	for len(sub.rest) > 0 {
		ids, need := p.ids.Next(), uint64(len(sub.rest))
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

// A submission is a submitter's tasks on their way into the queue. It belongs to the submitter;
// while it is in Pool.submitters, to whoever holds Pool.mu; and to the submitter again once ready is
// told, or giveUp has taken it off.
type submission[T any] struct {
	rest  []T        // not accepted yet
	ids   []store.ID // of those that are
	err   error      // why the rest is refused, if it is
	ready chan struct{}

	pushed func(n int) // to be called for the next n that are in the queue, with Pool.mu held; may be nil
}

// accepted notes that the first n tasks of the rest are, with IDs from first on.
func (sub *submission[T]) accepted(first uint64, n int) {
	k := len(sub.ids)
	sub.ids = slices.Grow(sub.ids, n)[:k+n]
	for i := range sub.ids[k:] {
		sub.ids[k+i] = store.ID(first + uint64(i))
	}
	sub.rest = sub.rest[n:]
}

// giveUp takes a submission back whose submitter's ctx is done, unless it was
// completed or refused a moment before.
func (p *Pool[T, R]) giveUp(ctx context.Context, place *list.Element) {
	why := backoff.Cause(ctx)
	if cause := p.cancelCause(); cause != nil { // perhaps the same: this says more
		why = closedBecause(cause)
	}
	p.mu.Lock()
	defer p.wakeAndUnlock()
	sub := place.Value.(*submission[T])
	if len(sub.rest) > 0 && sub.err == nil {
		sub.err = why
		p.submitters.Remove(place)
		p.waiting -= uint64(len(sub.rest))
	}
}

// checkContexts looks at the contexts of a submit, which must not be done with mu held. With an
// error there is no more to do; expired is the cause of a ctx that is done, which is the least
// important reason to refuse.
func (p *Pool[T, R]) checkContexts(ctx context.Context) (expired, err error) {
	if cause := p.cancelCause(); cause != nil {
		return nil, closedBecause(cause)
	}
	if ctx.Err() != nil {
		expired = backoff.Cause(ctx)
	}
	return expired, nil
}

// refusalLocked returns why the pool takes no task now, or expired.
func (p *Pool[T, R]) refusalLocked(expired error) error {
	switch {
	case p.phase != open:
		return p.refusal
	case p.target == 0 && p.share == nil:
		return ErrNoWorkers
	default:
		return expired
	}
}

// moveLocked puts as many of sub's tasks into the queue as there is room for,
// unless others wait for room. The tail of the queue is shut.
func (p *Pool[T, R]) moveLocked(sub *submission[T]) {
	if first := p.submitters.Front(); first != nil && first.Value != sub {
		return
	}
	for len(sub.rest) > 0 {
		first, n := p.queue.PushShut(p.ids.Advance(p.queue.Pushed()), sub.rest)
		if n == 0 {
			return
		}
		if sub.pushed != nil {
			sub.pushed(n)
		}
		sub.accepted(first, n)
	}
}

// refillLocked gives room in the queue to those who wait for it, and has a worker come when there is
// more: for all that the first one has left, or, if that is much, for half of the queue. It could not return
// before, and none of its tasks would begin. While tasks take long, a worker comes for any room.
//
// After the cancel nobody gets room. onCancel, on its way, sends them off.
func (p *Pool[T, R]) refillLocked() {
	for p.submitters.Len() > 0 && !p.canceled.Load() && p.ctx.Err() == nil {
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

		at := p.queue.RoomAfter(min(len(sub.rest), max(1, p.queue.Cap()/2)))
		p.gates.Call(at) // then look once more
		if p.queue.Claimed() < at {
			return
		}
	}
	p.gates.Call(queue.Nobody)
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
