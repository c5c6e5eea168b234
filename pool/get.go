package pool

import (
	"context"
	"sync"

	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/store"
)

// Get waits for the task with that ID and returns its value and its error as they are stored: what the task's
// function returned, a *[PanicError], [ErrGoexit] or [ErrNotRun].
//
// Get blocks while the task waits or runs, or while its result waits for a store that fails, until ctx is done; the
// error is then context.Cause(ctx). For an ID that was never given out or whose result was deleted, it returns an
// error matching [store.ErrNotFound] at once. If the store cannot be read, it returns the store's error; if the
// store did not take the result, the value with an [UnsavedError].
//
// Inside a task, with the task's context, Get of a task that has not ended returns [ErrInTask]: all workers could
// be waiting for each other.
//
// The error may be the task's or Get's own. [Pool.Result] tells them apart.
func (p *Pool[T, R]) Get(ctx context.Context, id store.ID) (R, error) {
	res, err := p.Result(ctx, id)
	if err == nil {
		err = res.Err
	}
	return res.Value, err
}

// await returns when the task with that ID is not pending.
func (p *Pool[T, R]) await(ctx context.Context, id store.ID) error {
	ticket, ok := p.ticketOf(id)
	if !ok {
		return nil
	}
	if p.inTask(ctx) {
		if p.queue.IsPending(ticket) {
			return ErrInTask
		}
		return nil
	}
	if !p.queue.Await(ticket, ctx.Done()) {
		return backoff.Cause(ctx)
	}
	return nil
}

// ticketOf returns the ticket that has that ID, or would have it. Most of the time the ID is of the
// newest range.
func (p *Pool[T, R]) ticketOf(id store.ID) (ticket uint64, ok bool) {
	if ticket, ok = p.ids.Next().Ticket(uint64(id)); ok {
		return ticket, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ids.Ticket(uint64(id))
}

// Results returns a copy of all stored results, which the caller owns. It does not wait for tasks: call [Pool.Wait]
// or [Pool.Stop] first to have the results of all. A result that is stored or deleted during the call may or may
// not be in the copy. No worker is held up.
//
// Results that cannot be read are not in the copy, and the error joins what the store says of each. With any other
// error, context.Cause(ctx) or the store's, the map is nil; see [store.Snapshot]. To use results one by one,
// without a copy, range over the store's All.
func (p *Pool[T, R]) Results(ctx context.Context) (map[store.ID]store.Result[R], error) {
	if err := p.check(ctx); err != nil {
		return nil, err
	}
	return store.Snapshot(ctx, p.saver.Store())
}

// Wait waits until no task waits or runs, and all results are stored. Submission stays open: Wait returns nil at
// the first such moment, and tasks may have come in since. After Resize(0), waiting tasks wait until there are
// workers again, and so does Wait.
//
// The error matches context.Cause(ctx) if ctx is done first, [ErrInTask] inside a task, with the task's context,
// and [ErrClosed] if the store or the engine has failed for good.
func (p *Pool[T, R]) Wait(ctx context.Context) error {
	if err := p.check(ctx); err != nil {
		return err
	}
	if p.inTask(ctx) {
		return ErrInTask
	}
	if p.share != nil {
		return p.waitShared(ctx)
	}
	p.mu.Lock()
	if p.quiet == nil {
		p.quiet = make(chan struct{})
	}
	quiet := p.quiet
	p.wakeAndUnlock() // which sets the gate, and then looks

	select {
	case <-quiet: // also if ctx is done as well
		return p.closedByFailure()
	default:
	}
	p.awaitEnd(ctx, quiet, "Wait")
	select {
	case <-quiet:
		return p.closedByFailure()
	default:
		return backoff.Cause(ctx)
	}
}

// waitShared is Wait over an engine.
func (p *Pool[T, R]) waitShared(ctx context.Context) error {
	over := make(chan struct{})
	var words sync.WaitGroup
	if p.logger != nil {
		words.Go(func() { p.awaitEnd(ctx, over, "Wait") })
	}
	defer words.Wait()
	defer close(over)
	return p.share.Wait(ctx)
}
