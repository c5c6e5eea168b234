package storetest

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

// leftWhileOthersWrite leaves one loop after the other, by break and by panic, also
// with a loop in its body, while other goroutines put and delete. None of what
// they do may be undone or hindered by that.
func leftWhileOthersWrite(ctx context.Context, s *subject) error {
	const writers = 2
	o := s.open(ctx)
	held := o.fill(s.size(inBody, 1))
	times := s.size(60, 100)
	var over atomic.Bool
	err := parallel(writers+1, func(i int) error {
		o := o.fork()
		if i < writers {
			for n := 0; o.err == nil && !over.Load(); n++ {
				id := store.ID(1<<20 + writers*(n%64) + i)
				o.put(result(id, 0))
				o.has(result(id, 0))
				o.del(id)
				o.lacks(id)
				runtime.Gosched()
			}
			return o.err
		}
		defer over.Store(true)
		rng := rand.New(rand.NewPCG(1, 7))
		for n := 0; n < times && o.err == nil; n++ {
			o.leave(1+rng.IntN(len(held)), n%2 == 0)
		}
		return o.err
	})
	if err != nil {
		return err
	}
	o.usableElsewhere("loops that were left")
	o.holdsOnly(held)
	return o.err
}

// leave leaves a loop at a result, of which there are that many at least.
func (o *script) leave(at int, byPanic bool) {
	type thrown struct{ at int }
	seen := 0
	defer func() {
		switch r := recover(); {
		case byPanic && r != (thrown{at}):
			o.fail("a panic in the body at result %d came out of the loop as %v", at, r)
		case !byPanic && r != nil:
			panic(r)
		case seen != at:
			o.fail("All yielded %d results to a loop that was left at result %d", seen, at)
		}
	}()
	for _, err := range o.st.All(o.ctx) {
		if err != nil {
			o.fail("All yielded error %q, want none", err)
			return
		}
		if seen++; seen%50 == 0 {
			runtime.Gosched()
			for range o.st.All(o.ctx) {
				break
			}
		}
		switch {
		case seen < at:
		case byPanic:
			panic(thrown{at})
		default:
			return
		}
	}
}
