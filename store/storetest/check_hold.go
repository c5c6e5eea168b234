package storetest

import (
	"context"
	"runtime"

	"github.com/resultpool/resultpool/store"
)

func noEviction(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	n := s.size(50_000, 1)
	for i := range n {
		o.put(result(store.ID(i+1), 0))
	}
	for i := range n {
		o.has(result(store.ID(i+1), 0))
	}
	yielded := 0
	o.each(func(store.Result[int]) { yielded++ })
	if yielded != n {
		o.fail("All yielded %d results, want %d", yielded, n)
	}
	return o.err
}

// survivesCollection has the garbage collector run: a store may not keep its
// results where only it can see them.
func survivesCollection(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	held := o.fill(s.size(500, 1))
	for range 3 {
		runtime.GC()
	}
	for _, res := range held {
		o.has(res)
	}
	o.holdsOnly(held)
	return o.err
}

// boundaryIDs holds IDs at all boundaries at once.
func boundaryIDs(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	held := make(map[store.ID]store.Result[int])
	for _, id := range boundaries {
		held[id] = result(id, 0)
		o.put(held[id])
		o.has(held[id])
		o.refuse(result(id, 1))
	}
	for _, res := range held {
		o.has(res)
	}
	o.holdsOnly(held)
	for _, id := range boundaries {
		o.del(id)
		o.lacks(id)
	}
	o.holdsOnly(nil)
	return o.err
}

// twoStores uses the same IDs in two stores by turns.
func twoStores(ctx context.Context, s *subject) error {
	a := s.open(ctx)
	heldA := a.fill(s.size(300, 2))
	b := s.open(ctx)
	b.holdsOnly(nil)
	heldB := make(map[store.ID]store.Result[int])
	for id := range heldA {
		b.lacks(id)
		if id%2 == 0 {
			heldB[id] = result(id, 1)
			b.put(heldB[id])
		}
	}
	for id := range heldB {
		a.del(id)
		delete(heldA, id)
		b.has(heldB[id])
	}
	a.holdsOnly(heldA)
	b.holdsOnly(heldB)

	a.each(func(res store.Result[int]) { b.usable(1<<30 + res.ID) })
	if a.err != nil {
		return a.err
	}
	return b.err
}
