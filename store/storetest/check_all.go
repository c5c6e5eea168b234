package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/resultpool/resultpool/store"
)

func exactlyOnce(ctx context.Context, s *subject) error {
	for _, n := range []int{0, 1, 2, 1000, s.size(10_000, 1)} {
		o := s.open(ctx)
		held := o.fill(n)
		o.holdsOnly(held)
		o.holdsOnly(held)
		if o.err != nil {
			return fmt.Errorf("with %d results: %w", n, o.err)
		}
	}
	return nil
}

// notTheDeleted loops after some results were deleted, some put again, and at
// last all deleted.
func notTheDeleted(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	held := o.fill(s.size(3000, 1))
	n := len(held)
	for id := range held {
		switch id % 4 {
		case 0:
			o.del(id)
			delete(held, id)
		case 1:
			o.del(id)
			held[id] = result(id, 1)
			o.put(held[id])
		}
	}
	o.holdsOnly(held)
	for i := range n {
		o.del(store.ID(i + 1))
	}
	o.holdsOnly(nil)
	return o.err
}

// changesInBody has the body of one loop delete results, and that of another put
// some, before and after those that stay. They come and go once: none may be
// seen twice.
func changesInBody(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	n := s.size(1500, 4)
	stays := func(i int) store.ID { return store.ID(3*i + 1) }
	goes := func(i int) store.ID { return store.ID(3*i + 2) }
	comes := func(i int) store.ID { return store.ID(3*i + 3) }
	for i := range n {
		o.put(result(stays(i), 0))
		o.put(result(goes(i), 0))
	}

	rng := rand.New(rand.NewPCG(1, 1))
	going := rng.Perm(n)
	o.loopWithChanges(n, stays, func() {
		if len(going) > 0 {
			o.del(goes(going[0]))
			going = going[1:]
		}
	})
	for _, i := range going {
		o.del(goes(i))
	}
	coming := rng.Perm(n)
	o.loopWithChanges(n, stays, func() {
		if len(coming) > 0 {
			o.put(result(comes(coming[0]), 0))
			coming = coming[1:]
		}
	})
	return o.err
}

// loopWithChanges loops with a body that puts or deletes something other than
// the n IDs that stay.
func (o *script) loopWithChanges(n int, stays func(int) store.ID, body func()) {
	seen := make(map[store.ID]bool)
	o.each(func(res store.Result[int]) {
		switch {
		case res.ID == 0 || res.ID > store.ID(3*n):
			o.fail("All yielded ID %d, which was never put", res.ID)
		case !same(res, result(res.ID, 0)):
			o.fail("All yielded %+v, want %+v", res, result(res.ID, 0))
		case seen[res.ID]:
			o.fail("All yielded ID %d twice, while other IDs were put or deleted", res.ID)
		}
		seen[res.ID] = true
		body()
	})
	for i := range n {
		if !seen[stays(i)] {
			o.fail("All did not yield ID %d, which was held throughout, while other IDs were put or deleted", stays(i))
		}
	}
}
