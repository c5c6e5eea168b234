package storetest

import (
	"context"
	"runtime"

	"github.com/resultpool/resultpool/store"
)

// many is how many results a store holds at once, if it is fast: beyond the sizes at which
// caches and indexes are cut off by default.
const many = 1 << 17

// noEviction puts many results, and deletes them in the end: a store that keeps a record of
// what was deleted must not forget it either.
func noEviction(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	n := s.size(50_000, 1)
	if n == 50_000 {
		n = max(n, s.size(many, 3))
	}
	for i := range n {
		o.put(result(store.ID(i+1), 0))
	}
	o.keeps(n)
	for i := range n {
		o.del(store.ID(i + 1))
	}
	for i := range n {
		o.lacks(store.ID(i + 1))
	}
	o.holdsOnly(nil)
	return o.err
}

// keeps looks for results 1 to n, which are all that is held.
func (o *script) keeps(n int) {
	for i := range n {
		o.has(result(store.ID(i+1), 0))
	}
	for i := 0; i < n; i += 64 {
		o.refuse(result(store.ID(i+1), 1))
	}
	yielded := 0
	o.each(func(store.Result[int]) { yielded++ })
	if yielded != n {
		o.fail("All yielded %d results, want %d", yielded, n)
	}
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
