package storetest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/kit/kittest"
	"github.com/resultpool/resultpool/store"
)

func TestContract(t *testing.T) {
	kittest.Contract(t, &contract, "../store.go", map[string][]string{
		"BatchPutter":  {"PutBatch"},
		"RecordPutter": {"Encode", "PutRecords"},
		"IDReserver":   {"ReserveIDs"},
	})
	kittest.Names(t, &contract, checks)
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
		case "is not wanted":
			tb.Skip("no database configured")
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
	out, err := kittest.Child(t, "Put overwrites", "^TestChild$/^clause=[12]$")
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

	out, err = kittest.Child(t, "is not wanted", "^TestChild$")
	require.NoError(t, err)
	assert.Contains(t, out, "--- SKIP: TestChild")
}
