package pool

import (
	"context"
	"fmt"
	"math"

	"golang.org/x/sync/semaphore"

	"github.com/resultpool/resultpool/store"
)

// idBlock is how many IDs are reserved at once: a store that syncs each
// reservation to disk is then asked a few times a second at most.
const idBlock = 1 << 16

// ids is where a pool's IDs come from: 1, 2, 3, …, or, over a store that is an
// IDReserver, the ranges that it hands out.
//
// A task gets its ID when it is moved into the queue, which happens with mu held,
// when the store must not be asked for more. So a submitter claims an ID for each
// of its tasks before it looks for room, and asks the store then if there are too
// few. Whoever moves the tasks later finds enough:
//
//	IDs in ranges = unclaimed + the tasks in submitters
type ids struct {
	reserver store.IDReserver    // nil: count
	turn     *semaphore.Weighted // held around ReserveIDs: one call at a time

	// Guarded by Pool.mu.
	ranges    []idRange // not given out yet
	unclaimed uint64
	highest   uint64                  // the last ID of the last range
	intake    context.Context         // ends when Submit is refused; nil without a reserver
	shut      context.CancelCauseFunc // ends intake, with what Submit is to return
}

type idRange struct{ first, n uint64 }

func newIDs[R any](ctx context.Context, st store.ResultStore[R]) (*ids, error) {
	reserver, ok := st.(store.IDReserver)
	if !ok {
		d := &ids{shut: func(error) {}}
		return d, d.addLocked(1, math.MaxUint64)
	}
	d := &ids{reserver: reserver, turn: semaphore.NewWeighted(1)}
	first, err := reserver.ReserveIDs(ctx, idBlock)
	if err != nil {
		return nil, fmt.Errorf("pool: reserving IDs: %w", err)
	}
	return d, d.addLocked(uint64(first), idBlock)
}

// openLocked makes the context that ends when Submit is refused. pool is that of
// the pool.
func (d *ids) openLocked(pool context.Context) {
	if d.reserver != nil {
		d.intake, d.shut = context.WithCancelCause(pool)
	}
}

// reserve sees to it that there are n IDs to claim, or were a moment ago. It
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
	p.mu.Lock()
	enough := n <= d.unclaimed // another submitter was here
	p.mu.Unlock()
	if enough {
		return nil
	}

	n = max(n, idBlock)
	first, err := d.reserver.ReserveIDs(reserving, n)
	if err != nil {
		return p.reserveError(ctx, intake, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return d.addLocked(uint64(first), n)
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
	default:
		return fmt.Errorf("pool: reserving IDs: %w", err)
	}
}

// addLocked adds a range from the reserver. It mistrusts it: an ID that is given
// out twice would cost a result.
func (d *ids) addLocked(first, n uint64) error {
	last := first + (n - 1)
	if first <= d.highest || last < first {
		return fmt.Errorf("pool: the store reserved %d IDs from %d, want a range above %d", n, first, d.highest)
	}
	d.highest = last
	d.ranges = append(d.ranges, idRange{first, n})
	d.unclaimed += n
	return nil
}

// claimLocked claims n IDs, if there are as many. Each must be given out by
// nextLocked or be unclaimed.
func (d *ids) claimLocked(n uint64) bool {
	if n > d.unclaimed {
		return false
	}
	d.unclaimed -= n
	return true
}

func (d *ids) unclaimLocked(n uint64) { d.unclaimed += n }

// nextLocked gives out a claimed ID.
func (d *ids) nextLocked() store.ID {
	r := &d.ranges[0]
	id := r.first
	r.first++
	r.n--
	if r.n == 0 {
		d.ranges = d.ranges[1:]
	}
	return store.ID(id)
}
