package storetest

import (
	"context"

	"github.com/resultpool/resultpool/store"
)

// inBody is how many results a store holds when a check of clause 6 loops over
// them: enough that a store which reads them in pieces reads several.
const inBody = 600

func callsInBody(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	held := o.fill(s.size(inBody, 3))
	coming := store.ID(1 << 20)
	seen := 0
	o.each(func(res store.Result[int]) {
		if res.ID > store.ID(len(held)) {
			return // put by this body
		}
		seen++
		o.has(res)
		o.refuse(result(res.ID, 1))
		coming++
		o.put(result(coming, 0))
		o.has(result(coming, 0))
		o.del(coming)
		o.lacks(coming)
	})
	if seen != len(held) {
		o.fail("All yielded %d of %d results", seen, len(held))
	}
	o.holdsOnly(held)
	return o.err
}

func deleteAsRead(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	held := o.fill(s.size(inBody, 2))
	n, seen := len(held), 0
	o.each(func(res store.Result[int]) {
		seen++
		o.del(res.ID)
		o.lacks(res.ID)
	})
	if seen != n {
		o.fail("All yielded %d of %d results, each of which the body deleted", seen, n)
	}
	o.holdsOnly(nil)
	return o.err
}

// nestedLoops runs a whole loop and a broken one in the body of another.
func nestedLoops(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	held := o.fill(s.size(40, 1))
	seen := make(map[store.ID]bool)
	o.each(func(res store.Result[int]) {
		if seen[res.ID] {
			o.fail("All yielded ID %d twice to a loop with loops over All in its body", res.ID)
		}
		seen[res.ID] = true
		o.holdsOnly(held)
		for range o.st.All(ctx) {
			break
		}
	})
	if len(seen) != len(held) {
		o.fail("All yielded %d of %d results to a loop with loops over All in its body", len(seen), len(held))
	}
	return o.err
}

// bodyWaitsForOthers hangs if the store holds a lock while the body runs.
func bodyWaitsForOthers(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	held := o.fill(s.size(inBody, 2))
	seen := 0
	o.each(func(res store.Result[int]) {
		if res.ID > store.ID(len(held)) {
			return
		}
		seen++
		err := parallel(1, func(int) error {
			o := o.fork()
			id := store.ID(1<<20 + seen)
			o.put(result(id, 0))
			o.has(result(id, 0))
			o.has(res)
			o.del(id)
			if seen%100 == 1 {
				o.usable(1 << 30)
			}
			return o.err
		})
		if err != nil {
			o.fail("in another goroutine, for which the body waited: %w", err)
		}
	})
	if seen != len(held) {
		o.fail("All yielded %d of %d results", seen, len(held))
	}
	return o.err
}

// breakInBody breaks at the first, a middle and the last result, and finds the
// store usable from another goroutine each time.
func breakInBody(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	held := o.fill(s.size(inBody, 1))
	for _, at := range []int{1, len(held) / 2, len(held)} {
		seen := 0
		for _, err := range o.st.All(ctx) {
			if err != nil {
				o.fail("All yielded error %q, want none", err)
				return o.err
			}
			seen++
			if seen >= at {
				break
			}
		}
		if seen != at {
			o.fail("All yielded %d of %d results", seen, len(held))
		}
		o.usableElsewhere("a break")
		o.holdsOnly(held)
	}
	return o.err
}

// panicInBody does so with panics, which have to come through All.
func panicInBody(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	held := o.fill(s.size(inBody, 1))
	type thrown struct{ at int }
	for _, at := range []int{1, len(held) / 2, len(held)} {
		caught := func() (r any) {
			defer func() { r = recover() }()
			seen := 0
			for range o.st.All(ctx) {
				seen++
				if seen >= at {
					panic(thrown{seen})
				}
			}
			return nil
		}()
		if caught != (thrown{at}) {
			o.fail("a panic in the body at result %d came out of the loop as %v", at, caught)
		}
		o.usableElsewhere("a panic in the body")
		o.holdsOnly(held)
	}
	return o.err
}

func (o *script) usableElsewhere(after string) {
	if o.err != nil {
		return
	}
	err := parallel(1, func(int) error {
		o := o.fork()
		o.usable(1 << 30)
		return o.err
	})
	if err != nil {
		o.fail("in another goroutine, after %s: %w", after, err)
	}
}
