package storetest

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/internal/kit/kittest"
	"github.com/resultpool/resultpool/store"
)

func TestContract(t *testing.T) {
	kittest.Contract(t, contract(), "../store.go", map[string][]string{
		"BatchPutter":  {"PutBatch"},
		"RecordPutter": {"Encode", "PutRecords"},
		"BatchDeleter": {"DeleteBatch"},
		"IDReserver":   {"ReserveIDs"},
	})
	kittest.Names(t, contract(), checks)
}

// TestChecksLeaveNoGoroutine has the reference store pass. It runs each check in a bubble, which does not let its
// test end before all goroutines have.
func TestChecksLeaveNoGoroutine(t *testing.T) {
	r := newRun(func(testing.TB) store.ResultStore[int] { return newReference() }, 0)
	for _, c := range checks {
		t.Run(c.FullName(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { assert.NoError(t, r.Verdict(t, c)) })
		})
	}
}

func TestSlowStoreIsTestedWithLess(t *testing.T) {
	assert.Equal(t, 5000, (&subject{}).size(5000, 1), "when nothing is known")
	assert.Equal(t, 5000, (&subject{perPut: time.Microsecond}).size(5000, 4))
	assert.Equal(t, 250, (&subject{perPut: time.Millisecond}).size(5000, 4))
	assert.Equal(t, 100, (&subject{perPut: time.Minute}).size(5000, 4), "a fiftieth at least")
	assert.Equal(t, 1, (&subject{perPut: time.Minute}).size(10, 4), "one at least")
}

func TestChild(t *testing.T) {
	name := kittest.ChildName(t)
	Run(t, func(tb testing.TB) store.ResultStore[int] {
		switch name {
		case "cannot be made":
			tb.Fatal("no database")
		case "does not batch":
			return struct{ store.ResultStore[int] }{newReference()}
		}
		for _, row := range brokenStores {
			if row.fault == name {
				return row.newStore(tb)
			}
		}
		panic("no store " + name)
	})
}

// TestRun sees what the author of a store does.
func TestRun(t *testing.T) {
	t.Parallel()
	out, err := kittest.Child(t, "Put of the same result succeeds again", "^TestChild$/^clause=[12]$")
	require.Error(t, err)
	assert.Contains(t, out, "--- FAIL: TestChild/clause=2/put-held-id")
	assert.Contains(t, out, "Put(7) returned <nil>, want an error matching store.ErrExists: the ID is held\n        \n"+
		"        Clause 2 of store.ResultStore: Put of an ID that is held changes nothing")
	assert.Contains(t, out, "--- PASS: TestChild/clause=1/round-trip")

	out, err = kittest.Child(t, "does not batch", "^TestChild$/^BatchPutter$")
	require.NoError(t, err)
	assert.Contains(t, out, "--- SKIP: TestChild/BatchPutter/equals-puts")

	out, err = kittest.Child(t, "cannot be made", "^TestChild$")
	require.Error(t, err)
	assert.Equal(t, 1, strings.Count(out, "no database"), "%s", out)
}

// TestChecksEndOnHopelessStores has every check try stores that fail altogether, or from some
// call on, in the middle of what the check does. Goroutines of a check wait for one another:
// that must end whatever becomes of one of them. The checks take the stores for slow, and so
// have less to do.
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
	for _, n := range []int{0, 3, 100} {
		for name, f := range map[string]Fault{"fails": Fail(io.EOF), "does nothing": Fail(nil), "panics": Panic("boom")} {
			name = fmt.Sprintf("%s after %d calls", name, n)
			faulty("Put "+name, func() Faults { return Faults{Put: kit.After(n, f)} })
			faulty("Get "+name, func() Faults { return Faults{Get: kit.After(n, f)} })
			faulty("Delete "+name, func() Faults { return Faults{Delete: kit.After(n, f)} })
			faulty("All "+name, func() Faults { return Faults{All: kit.After(n/25, f)} })
			faulty("the optional methods "+name, func() Faults {
				return Faults{PutBatch: kit.After(n/25, f), DeleteBatch: kit.After(n/25, f), ReserveIDs: kit.After(n/10, f)}
			})
		}
	}
	return stores
}
