package soak

import (
	"context"

	"github.com/resultpool/resultpool/store"
)

// watched is the store as the pool sees it: what it takes is noted. Its IDs begin
// where they are told to, so that a soak can walk across a power of two.
type watched struct {
	store.ResultStore[*payload]
	ledger *ledger
	next   store.ID // that ReserveIDs gives out; the pool makes one call at a time
}

var _ store.IDReserver = (*watched)(nil)

// Put implements [store.ResultStore].
func (w *watched) Put(ctx context.Context, res store.Result[*payload]) error {
	w.ledger.put(res.ID) // before, or a reader is there first
	err := w.ResultStore.Put(ctx, res)
	if err != nil {
		w.ledger.blame(errTask, "Put of %d: %v", res.ID, err)
	}
	return err
}

// ReserveIDs implements [store.IDReserver].
func (w *watched) ReserveIDs(_ context.Context, n uint64) (store.ID, error) {
	first := w.next
	w.next += store.ID(n)
	return first, nil
}
