package pool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/store"
)

// reserveAtOnce is how many IDs are reserved at once: a store that syncs each
// reservation to disk is then asked a few times a second at most.
const reserveAtOnce = 1 << 16

// ids is where a pool's IDs come from: 1, 2, 3, …, or, over a store that is an
// IDReserver, the ranges that it hands out.
//
// The tasks of a pool have tickets, 0, 1, 2, …, in the order in which they come
// into the queue, and each ticket has its ID before it is given to a task: the
// store cannot be asked with mu held, nor by a submitter that has put its task
// into the queue already. So a submitter reserves IDs before, and those that wait
// for room have theirs kept for them, if there is a reserver:
//
//	end >= queue.Pushed() + waiting
type ids struct {
	reserver store.IDReserver    // nil: count
	turn     *semaphore.Weighted // held around ReserveIDs: one call at a time

	// next is for the next ticket, or used up. Submitters that do not hold mu
	// read it; it is changed with Pool.mu held.
	next atomic.Pointer[queue.Range]

	// Guarded by Pool.mu.
	blocks  []idBlock               // in the order of their tickets; the oldest are forgotten
	end     uint64                  // of the tickets that have an ID
	highest uint64                  // the last ID of the last block
	intake  context.Context         // ends when Submit is refused; nil without a reserver
	shut    context.CancelCauseFunc // ends intake, with what Submit is to return
}

// An idBlock says that the n tickets from the first one on have the IDs from id on.
type idBlock struct{ ticket, n, id uint64 }

func (b idBlock) end() uint64 { return b.ticket + b.n }

func newIDs[R any](ctx context.Context, st store.ResultStore[R]) (*ids, error) {
	reserver, ok := st.(store.IDReserver)
	if !ok {
		d := &ids{shut: func(error) {}}
		d.blocks, d.end = []idBlock{{ticket: 0, n: math.MaxInt64, id: 1}}, math.MaxInt64
		d.nextLocked(0)
		return d, nil
	}
	d := &ids{reserver: reserver, turn: semaphore.NewWeighted(1)}
	first, err := reserver.ReserveIDs(ctx, reserveAtOnce)
	if err != nil {
		return nil, &wrapped{"pool: reserving IDs", err}
	}
	if err := d.addLocked(uint64(first), reserveAtOnce); err != nil {
		return nil, err
	}
	d.nextLocked(0)
	return d, nil
}

// openLocked makes the context that ends when Submit is refused. pool is that of
// the pool.
func (d *ids) openLocked(pool context.Context) {
	if d.reserver != nil {
		d.intake, d.shut = context.WithCancelCause(pool)
	}
}

// reserve sees to it that there are n IDs for the next tasks, or were a moment ago. It
// blocks while the store does, until ctx is done or Submit is refused.
func (p *Pool[T, R]) reserve(ctx context.Context, n uint64) error {
	d := p.ids
	p.mu.Lock()
	intake := d.intake
	p.mu.Unlock()
	reserving, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(intake, func() { cancel(context.Cause(intake)) })
	defer stop()

	if err := d.turn.Acquire(reserving, 1); err != nil {
		return p.reserveError(ctx, intake, err)
	}
	defer d.turn.Release(1)
	if p.hasIDs(n) { // another submitter was here
		return nil
	}
	n = max(n, reserveAtOnce)
	first, err := d.reserver.ReserveIDs(reserving, n)
	if err != nil {
		return p.reserveError(ctx, intake, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := d.addLocked(uint64(first), n); err != nil {
		return err
	}
	p.forgetLocked()
	d.nextLocked(p.queue.Pushed())
	return nil
}

func (p *Pool[T, R]) hasIDs(n uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hasIDsLocked(n)
}

// hasIDsLocked reports whether there are IDs for n more tasks, at least if the tail
// of the queue is shut. A pool that counts always has: no task takes a number before it
// is in the queue, and nobody can submit as many as there are.
func (p *Pool[T, R]) hasIDsLocked(n uint64) bool {
	return p.ids.reserver == nil || p.ids.end-p.queue.Pushed()-p.waiting >= n
}

// forgetLocked forgets the blocks whose tasks are all settled.
func (p *Pool[T, R]) forgetLocked() {
	oldest := p.queue.Popped()
	for w := range p.crew.all {
		if mark := w.mark.Load(); mark != 0 {
			oldest = min(oldest, mark-1)
		}
	}
	d := p.ids
	d.blocks = slices.DeleteFunc(d.blocks, func(b idBlock) bool { return b.end() <= oldest })
}

// reserveError returns why no IDs could be reserved, the most important reason
// first.
func (p *Pool[T, R]) reserveError(ctx, intake context.Context, err error) error {
	if cause := p.cancelCause(); cause != nil {
		return closedBecause(cause)
	}
	switch {
	case intake.Err() != nil:
		return context.Cause(intake)
	case ctx.Err() != nil:
		return causeOf(ctx)
	case errors.Is(err, store.ErrClosed):
		p.fail(err)
		return closedBecause(err)
	default:
		return &wrapped{"pool: reserving IDs", err}
	}
}

// addLocked adds a range from the reserver. It mistrusts it: an ID that is given
// out twice would cost a result.
func (d *ids) addLocked(first, n uint64) error {
	last := first + (n - 1)
	if first <= d.highest || last < first {
		return fmt.Errorf("pool: the store reserved %d IDs from %d, want a range above %d", n, first, d.highest)
	}
	if k := len(d.blocks); k > 0 && first == d.highest+1 {
		d.blocks[k-1].n += n
	} else {
		d.blocks = append(d.blocks, idBlock{d.end, n, first})
	}
	d.end += n
	d.highest = last
	return nil
}

// nextLocked sets next for that ticket, the queue's next, and returns it.
//
// It must not be set before its time: who pushes looks only at its end.
func (d *ids) nextLocked(ticket uint64) queue.Range {
	b := d.blockLocked(ticket)
	r := queue.Range{Offset: b.id - b.ticket, End: b.end()}
	if old := d.next.Load(); old == nil || *old != r {
		d.next.Store(&r)
	}
	return r
}

// blockLocked returns the block of a ticket, or the last one if it has none yet.
func (d *ids) blockLocked(ticket uint64) idBlock {
	i := len(d.blocks) - 1
	for i > 0 && ticket < d.blocks[i].ticket {
		i--
	}
	return d.blocks[i]
}

// idLocked returns the ID of a ticket that is not forgotten.
func (d *ids) idLocked(ticket uint64) store.ID {
	b := d.blockLocked(ticket)
	return store.ID(b.id + (ticket - b.ticket))
}

// ticketLocked returns the ticket that has that ID, if there is one that is not
// forgotten. It may not have been given to a task yet.
func (d *ids) ticketLocked(id store.ID) (ticket uint64, ok bool) {
	for _, b := range d.blocks {
		if i := uint64(id) - b.id; i < b.n {
			return b.ticket + i, true
		}
	}
	return 0, false
}
