package storetest

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
)

// TestChecksEndOnHopelessStores has every check meet stores that fail altogether,
// or from some call on, in the middle of what the check does. Goroutines of a check
// wait for one another: that must end however one of them comes off. The checks
// take the stores for slow, and so have less to do.
func TestChecksEndOnHopelessStores(t *testing.T) {
	rejected := make(map[string]bool)
	for name, newStore := range hopelessStores() {
		t.Run(name, func(t *testing.T) {
			for _, c := range checks {
				if c.offer == "" && strings.HasPrefix(name, "the optional methods") {
					continue
				}
				err := c.verdict(t, func(testing.TB) store.ResultStore[int] { return newStore() }, time.Millisecond, patience)
				if !assert.False(t, isHung(err), "%s: %v", c.fullName(), err) {
					return // the next one would take as long
				}
				rejected[c.fullName()] = rejected[c.fullName()] || err != nil
			}
		})
	}
	for _, c := range checks {
		assert.True(t, rejected[c.fullName()], "%s passes all stores that are hopeless", c.fullName())
	}
}

// after is the opposite of First: the first n calls work.
func after(n int64, f Fault) Fault {
	var calls atomic.Int64
	return func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		if calls.Add(1) <= n {
			return do(ctx)
		}
		return f(ctx, ids, do)
	}
}

// hopelessStores fail at once, soon, or in the middle of something.
func hopelessStores() map[string]func() store.ResultStore[int] {
	stores := make(map[string]func() store.ResultStore[int])
	faulty := func(name string, faults func() Faults) {
		stores[name] = func() store.ResultStore[int] { return WithFaults(newReference(), faults()) }
	}
	loops := func(name string, all func(res store.Result[int], yield func(store.Result[int], error) bool) bool) {
		stores[name] = func() store.ResultStore[int] { return &otherLoops{newReference(), all} }
	}

	forget := Fail(nil)
	faulty("every ID is held", func() Faults { return Faults{Put: Fail(store.ErrExists)} })
	faulty("no ID is held", func() Faults { return Faults{Get: Fail(store.ErrNotFound)} })
	for _, n := range []int64{0, 3, 100} {
		for name, f := range map[string]Fault{"fails": Fail(io.EOF), "does nothing": forget, "panics": Panic("boom")} {
			name = fmt.Sprintf("%s after %d calls", name, n)
			faulty("Put "+name, func() Faults { return Faults{Put: after(n, f)} })
			faulty("Get "+name, func() Faults { return Faults{Get: after(n, f)} })
			faulty("Delete "+name, func() Faults { return Faults{Delete: after(n, f)} })
			faulty("All "+name, func() Faults { return Faults{All: after(n/25, f)} })
			faulty("the optional methods "+name, func() Faults {
				return Faults{PutBatch: after(n/25, f), ReserveIDs: after(n/10, f)}
			})
		}
	}
	loops("All yields everything twice", func(res store.Result[int], yield func(store.Result[int], error) bool) bool {
		again := res
		return yield(res, nil) && yield(again, nil)
	})
	loops("All yields other values", func(res store.Result[int], yield func(store.Result[int], error) bool) bool {
		res.Value++
		return yield(res, nil)
	})
	loops("All yields other IDs", func(res store.Result[int], yield func(store.Result[int], error) bool) bool {
		res.ID += 1 << 50
		return yield(res, nil)
	})
	loops("All yields other IDs too", func(res store.Result[int], yield func(store.Result[int], error) bool) bool {
		return yield(res, nil) && yield(result(res.ID+1<<50, 0), nil)
	})
	loops("All yields errors between", func(res store.Result[int], yield func(store.Result[int], error) bool) bool {
		return yield(res, nil) && yield(store.Result[int]{}, io.EOF)
	})
	return stores
}

// otherLoops is a store whose All does something else with each Result.
type otherLoops struct {
	*reference
	all func(res store.Result[int], yield func(store.Result[int], error) bool) bool
}

func (s *otherLoops) All(ctx context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		for res := range s.reference.All(ctx) {
			if !s.all(res, yield) {
				return
			}
		}
	}
}
