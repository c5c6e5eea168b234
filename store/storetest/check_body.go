package storetest

import (
	"fmt"

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

func breakInBody(s *subject) { leaveAndUse(s, false) }
func panicInBody(s *subject) { leaveAndUse(s, true) }

// leaveAndUse leaves a loop at the first, a middle and the last result, and finds the
// store usable from another goroutine each time. What the body and another goroutine did
// before must not be undone.
func leaveAndUse(s *subject, byPanic bool) {
	o := s.open()
	held := o.fill(s.size(inBody, 1))
	for _, at := range []int{1, len(held) / 2, len(held)} {
		o.leave(at, byPanic)
		elsewhere("after a loop that was left", func() { o.usable(1 << 30) })
		o.holdsOnly(held)
	}
}

// leave leaves a loop at a result, of which there are that many at least, by a break or by
// a panic, which has to come through All. The body changes something before.
func (o *script) leave(at int, byPanic bool) {
	type thrown struct{ at int }
	seen := 0
	var failed error
	caught := func() (r any) {
		defer func() { r = recover() }()
		for _, err := range o.st.All(o.ctx) {
			if seen++; err == nil && seen < at {
				continue
			}
			if failed = err; err == nil {
				failed = kit.Try(func() {
					o.rounds(1, at, []store.ID{1 << 20})
					elsewhere("for which the body waited", func() { o.rounds(1, at, []store.ID{1 << 21}) })
				})
			}
			if byPanic {
				panic(thrown{seen})
			}
			break
		}
		return nil
	}()
	switch {
	case failed != nil:
		kit.Failf("at result %d of All: %w", seen, failed)
	case byPanic && caught != (thrown{at}):
		kit.Failf("a panic in the body at result %d came out of the loop as %v", at, caught)
	case !byPanic && caught != nil:
		panic(caught)
	case seen != at:
		kit.Failf("All yielded %d results to a loop that was left at result %d", seen, at)
	}
}
