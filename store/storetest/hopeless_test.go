package storetest

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/internal/kit"
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
			r := newRun(func(testing.TB) store.ResultStore[int] { return newStore() }, time.Millisecond)
			for _, c := range checks {
				if c.Offer == "" && strings.HasPrefix(name, "the optional methods") {
					continue
				}
				err := r.Verdict(t, c)
				if !assert.False(t, kit.IsHung(err), "%s: %v", c.FullName(), err) {
					return // the next one would take as long
				}
				rejected[c.FullName()] = rejected[c.FullName()] || err != nil
			}
		})
	}
	for _, c := range checks {
		assert.True(t, rejected[c.FullName()], "%s passes all stores that are hopeless", c.FullName())
	}
}

// hopelessStores fail at once, soon, or in the middle of something.
func hopelessStores() map[string]func() store.ResultStore[int] {
	stores := make(map[string]func() store.ResultStore[int])
	faulty := func(name string, faults func() Faults) {
		stores[name] = func() store.ResultStore[int] { return WithFaults(newReference(), faults()) }
	}
	faulty("every ID is held", func() Faults { return Faults{Put: Fail(store.ErrExists)} })
	faulty("no ID is held", func() Faults { return Faults{Get: Fail(store.ErrNotFound)} })
	panics := func(context.Context, []store.ID, func(context.Context) error) error { panic("boom") }
	for _, n := range []int{0, 3, 100} {
		for name, f := range map[string]Fault{"fails": Fail(io.EOF), "does nothing": Fail(nil), "panics": panics} {
			name = fmt.Sprintf("%s after %d calls", name, n)
			faulty("Put "+name, func() Faults { return Faults{Put: kit.After(n, f)} })
			faulty("Get "+name, func() Faults { return Faults{Get: kit.After(n, f)} })
			faulty("Delete "+name, func() Faults { return Faults{Delete: kit.After(n, f)} })
			faulty("All "+name, func() Faults { return Faults{All: kit.After(n/25, f)} })
			faulty("the optional methods "+name, func() Faults {
				return Faults{PutBatch: kit.After(n/25, f), ReserveIDs: kit.After(n/10, f)}
			})
		}
	}
	return stores
}
