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
