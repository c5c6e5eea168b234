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
// The store must not be asked with mu held, so a submitter claims an ID for each
// of its tasks before it looks for room, and asks the store then if there are too
// few. Whoever moves the tasks into the queue later finds enough:
//
//	IDs in ranges = unclaimed + the tasks in submitters
type ids struct {
	reserver store.IDReserver    // nil: count
	turn     *semaphore.Weighted // held around ReserveIDs: one call at a time

	// Guarded by Pool.mu.
	ranges    []idRange // not given out yet
	unclaimed uint64
	highest   uint64 // the last ID of the last range
}

type idRange struct{ first, n uint64 }

func newIDs[R any](ctx context.Context, st store.ResultStore[R]) (*ids, error) {
	reserver, ok := st.(store.IDReserver)
	if !ok {
		d := new(ids)
		return d, d.addLocked(1, math.MaxUint64)
	}
	d := &ids{reserver: reserver, turn: semaphore.NewWeighted(1)}
	first, err := reserver.ReserveIDs(ctx, idBlock)
	if err != nil {
		return nil, fmt.Errorf("pool: reserving IDs: %w", err)
	}
	return d, d.addLocked(uint64(first), idBlock)
}

// reserve sees to it that there are n IDs to claim, or were a moment ago.
func (p *Pool[T, R]) reserve(ctx context.Context, n uint64) error {
	d := p.ids
	if d.turn.Acquire(ctx, 1) != nil {
		return context.Cause(ctx)
	}
	defer d.turn.Release(1)
	p.mu.Lock()
	enough := n <= d.unclaimed // another submitter was here
	p.mu.Unlock()
	if enough {
		return nil
	}

	n = max(n, idBlock)
	first, err := d.reserver.ReserveIDs(ctx, n)
	if err != nil {
		return fmt.Errorf("pool: reserving IDs: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return d.addLocked(uint64(first), n)
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
