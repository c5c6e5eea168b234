package storetest

import (
	"context"
	"runtime"

	"github.com/resultpool/resultpool/store"
)

// twoStores uses the same IDs in two stores by turns, among them large ones.
func twoStores(ctx context.Context, s *subject) error {
	a := s.open(ctx)
	heldA := a.fill(s.size(300, 2))
	for _, id := range boundaries[3:] {
		if _, held := heldA[id]; !held {
			heldA[id] = result(id, 0)
			a.put(heldA[id])
		}
	}
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

	a.each(func(res store.Result[int]) {
		if res.ID%16 == 1 { // usable loops over all of b
			b.usable(1<<30 + res.ID%1000)
		}
	})
	if a.err != nil {
		return a.err
	}
	return b.err
}

// twoStoresAtOnce uses the same IDs in two stores at the same time, each on two
// goroutines. Each store must be as if the other were not there.
func twoStoresAtOnce(ctx context.Context, s *subject) error {
	stores := []*script{s.open(ctx), s.open(ctx)}
	var ids []store.ID
	for i := range store.ID(60) {
		ids = append(ids, i+1, 1<<32+i, 1<<63+i)
	}
	for range s.size(8, 4*len(ids)) {
		err := parallel(4, func(i int) error {
			o := stores[i%2].fork()
			own := ids[i/2*len(ids)/2:][:len(ids)/2]
			for _, id := range own {
				o.put(result(id, i))
				o.has(result(id, i))
				o.refuse(result(id, 4+i))
			}
			runtime.Gosched()
			for _, id := range own {
				o.has(result(id, i))
				o.del(id)
				o.lacks(id)
			}
			return o.err
		})
		if err != nil {
			return err
		}
	}
	for _, o := range stores {
		if o.holdsOnly(nil); o.err != nil {
			return o.err
		}
	}
	return nil
}
