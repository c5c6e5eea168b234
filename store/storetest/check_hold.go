package storetest

import (
	"runtime"

	"github.com/resultpool/resultpool/store"
)

// many is how many results a store holds at once, if it is fast: beyond the sizes at which
// caches and indexes are cut off by default.
const many = 1 << 17

// noEviction puts many results, and has the garbage collector run: a store may not keep them
// where only it can see them. In the end it deletes them: a store that keeps a record of what
// was deleted must not forget it either.
func noEviction(s *subject) {
	o := s.open()
	n := s.size(50_000, 1)
	if n == 50_000 {
		n = max(n, s.size(many, 3))
	}
	for i := range n {
		o.put(result(store.ID(i+1), 0))
	}
	runtime.GC()
	o.keeps(n)
	for i := range n {
		o.del(store.ID(i + 1))
	}
	for i := range n {
		o.lacks(store.ID(i + 1))
	}
	o.holdsOnly(nil)
}

// keeps looks for results 1 to n, which are all that is held.
func (o *script) keeps(n int) {
	for i := range n {
		o.has(result(store.ID(i+1), 0))
	}
	for i := 0; i < n; i += 64 {
		o.refuse(result(store.ID(i+1), 1))
	}
	o.eachOf(n, func(store.Result[int]) {})
}

// twoStores uses the same IDs in two stores by turns, among them large ones.
func twoStores(s *subject) {
	a := s.open()
	heldA := a.fill(s.size(300, 2))
	for _, id := range boundaries[3:] {
		if _, held := heldA[id]; !held {
			heldA[id] = result(id, 0)
			a.put(heldA[id])
		}
	}
	b := s.open()
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
}
