package pool

import (
	"context"
	"errors"

	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/store"
)

// reserveAtOnce is how many IDs are reserved at once: a store that syncs each
// reservation to disk is then asked a few times a second at most.
const reserveAtOnce = 1 << 16

// The IDs of a pool are 1, 2, 3, …, or, over a store that is an IDReserver, the ranges that the
// store hands out.
//
// A ticket of the queue has its ID before it is given to a task: the store cannot be asked with
// mu held, nor by a submitter that has put its task into the queue already. So a submitter
// reserves IDs first, and those that wait for room have theirs kept for them, if there is a
// reserver:
//
//	ids.End() >= queue.Pushed() + waiting

// firstIDs returns the table of a new pool over st, with the first IDs in it.
func firstIDs[R any](ctx context.Context, st store.ResultStore[R]) (*queue.IDs, error) {
	reserver, ok := st.(store.IDReserver)
	if !ok {
		return queue.Counting(), nil
	}
	ids := &queue.IDs{}
	first, err := reserver.ReserveIDs(ctx, reserveAtOnce)
	if err != nil {
		return nil, text.Wrap("pool: reserving IDs", err)
	}
	if err := ids.Add(uint64(first), reserveAtOnce); err != nil {
		return nil, err
	}
	ids.Advance(0) // before the pool is there: nobody else reads it yet
	return ids, nil
}

// reserve returns nil when there are IDs for the next n tasks, or were a moment ago. It blocks
// while the store does, until ctx is done or Submit is refused.
func (p *Pool[T, R]) reserve(ctx context.Context, n uint64) error {
	p.mu.Lock()
	intake := p.intake
	p.mu.Unlock()
	reserving, cancel := backoff.Both(ctx, intake)
	defer cancel()
	if err := p.reserving.Acquire(reserving, 1); err != nil {
		return p.reserveError(ctx, intake, err)
	}
	defer p.reserving.Release(1)
	p.mu.Lock()
	enough := p.hasIDsLocked(n)
	p.mu.Unlock()
	if enough { // another submitter was here
		return nil
	}
	n = max(n, reserveAtOnce)
	first, err := p.reserver.ReserveIDs(reserving, n)
	if err != nil {
		return p.reserveError(ctx, intake, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.ids.Add(uint64(first), n); err != nil {
		return err
	}
	p.ids.Forget(p.queue.Oldest())
	p.ids.Advance(p.queue.Pushed())
	return nil
}

// hasIDsLocked reports whether there are IDs for n more tasks, at least if the tail of the queue
// is shut. A pool that counts always has: no task takes a number before it is in the queue, and
// nobody can submit as many as there are.
func (p *Pool[T, R]) hasIDsLocked(n uint64) bool {
	return p.reserver == nil || p.ids.End()-p.queue.Pushed()-p.waiting >= n
}

// reserveError returns why no IDs could be reserved, the most important reason first.
func (p *Pool[T, R]) reserveError(ctx, intake context.Context, err error) error {
	if cause := p.cancelCause(); cause != nil {
		return closedBecause(cause)
	}
	switch {
	case intake.Err() != nil:
		return context.Cause(intake)
	case ctx.Err() != nil:
		return backoff.Cause(ctx)
	case errors.Is(err, store.ErrClosed):
		p.fail(err)
		return closedBecause(err)
	default:
		return text.Wrap("pool: reserving IDs", err)
	}
}
