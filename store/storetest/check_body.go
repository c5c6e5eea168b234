package storetest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

func exactlyOnce(s *subject) {
	for _, n := range []int{0, 1, 2, 1000, s.size(10_000, 1)} {
		kit.Within(fmt.Sprintf("with %d results", n), func() {
			o := s.open()
			held := o.fill(n)
			o.holdsOnly(held)
			o.holdsOnly(held)
		})
	}
}

// inBody is how many results a store holds when a check of clause 6 loops over
// them: enough that a store which reads them in pieces reads several.
const inBody = 600

// eachOf calls body for each of the results 1 to n, and wants All to yield n of them. It
// passes over others: what body puts may be yielded or not.
func (o *script) eachOf(n int, body func(store.Result[int])) {
	seen := make(map[store.ID]bool)
	o.each(func(res store.Result[int]) {
		switch {
		case res.ID > store.ID(n):
		case seen[res.ID]:
			kit.Failf("All yielded ID %d twice, to a loop whose body uses the store", res.ID)
		default:
			seen[res.ID] = true
			body(res)
		}
	})
	if len(seen) != n {
		kit.Failf("All yielded %d of %d results", len(seen), n)
	}
}

// elsewhere calls f on another goroutine and waits for it.
func elsewhere(when string, f func()) {
	kit.Within("in another goroutine, "+when, func() {
		kit.Parallel(1, func(int) { f() })
	})
}

// callsInBody also loops over All again in the body, and waits there for another goroutine
// that does.
func callsInBody(s *subject) {
	o := s.open()
	held := o.fill(s.size(inBody, 3))
	coming := store.ID(1 << 20)
	o.eachOf(len(held), func(res store.Result[int]) {
		o.has(res)
		o.refuse(result(res.ID, 1))
		coming++
		o.put(result(coming, 0))
		o.has(result(coming, 0))
		o.remove(coming)
		if res.ID%100 == 1 { // hangs if the store holds a lock, of whatever kind
			elsewhere("for which the body waited", func() { o.usable(1 << 30) })
			o.usable(1 << 30)
			for range o.st.All(o.ctx) {
				break
			}
		}
	})
	o.holdsOnly(held)
}

func deleteAsRead(s *subject) {
	o := s.open()
	n := len(o.fill(s.size(inBody, 2)))
	o.eachOf(n, func(res store.Result[int]) { o.remove(res.ID) })
	o.holdsOnly(nil)
}

func breakInBody(s *subject) { leaveAndUse(s, false) }
func panicInBody(s *subject) { leaveAndUse(s, true) }

// leaveAndUse leaves a loop at the first, a middle and the last result, and finds the
// store usable from another goroutine each time.
func leaveAndUse(s *subject, byPanic bool) {
	o := s.open()
	held := o.fill(s.size(inBody, 1))
	for _, at := range []int{1, len(held) / 2, len(held)} {
		o.leave(at, byPanic, func() {})
		elsewhere("after a loop that was left", func() { o.usable(1 << 30) })
		o.holdsOnly(held)
	}
}

// leave leaves a loop at a result, of which there are that many at least, by a break or by
// a panic, which has to come through All.
func (o *script) leave(at int, byPanic bool, body func()) {
	type thrown struct{ at int }
	seen := 0
	var yielded error
	caught := func() (r any) {
		defer func() { r = recover() }()
		for _, err := range o.st.All(o.ctx) {
			if yielded = err; err != nil {
				break
			}
			body()
			if seen++; seen < at {
				continue
			}
			if byPanic {
				panic(thrown{at})
			}
			break
		}
		return nil
	}()
	switch {
	case yielded != nil:
		kit.Failf("All yielded error %q, want none", yielded)
	case byPanic && caught != (thrown{at}):
		kit.Failf("a panic in the body at result %d came out of the loop as %v", at, caught)
	case !byPanic && caught != nil:
		panic(caught)
	case seen != at:
		kit.Failf("All yielded %d results to a loop that was left at result %d", seen, at)
	}
}

// leftWhileOthersWrite leaves one loop after the other, with a loop in its body, while other
// goroutines put and delete. None of what they do may be undone or hindered by that.
func leftWhileOthersWrite(s *subject) {
	const writers = 2
	o := s.open()
	held := o.fill(s.size(inBody, 1))
	var over atomic.Bool
	kit.Parallel(writers+1, func(i int) {
		for n := 0; i < writers && !over.Load(); n++ {
			o.rounds(1, 0, []store.ID{store.ID(1<<20 + writers*(n%64) + i)})
		}
		if i < writers {
			return
		}
		defer over.Store(true)
		rng := rand.New(rand.NewPCG(1, 7))
		for n := range s.size(60, 100) {
			seen := 0
			o.leave(1+rng.IntN(len(held)), n%2 == 0, func() {
				if seen++; seen%50 == 0 {
					runtime.Gosched()
					for range o.st.All(o.ctx) {
						break
					}
				}
			})
		}
	})
	elsewhere("after loops that were left", func() { o.usable(1 << 30) })
	o.holdsOnly(held)
}
