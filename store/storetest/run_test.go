package storetest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

func TestReferencePasses(t *testing.T) {
	Run(t, func(testing.TB) store.ResultStore[int] { return newReference() })
}

// TestChecksLeaveNoGoroutine runs each check in a bubble, which does not let its
// test end before all goroutines have.
func TestChecksLeaveNoGoroutine(t *testing.T) {
	for _, c := range checks {
		t.Run(c.fullName(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &subject{newStore: func() store.ResultStore[int] { return newReference() }}
				assert.NoError(t, c.run(t.Context(), s))
			})
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

// children are stores, beside the broken ones, with which Run is called in a
// process of its own, since a failing subtest cannot be had in this one.
var children = map[string]func(testing.TB) store.ResultStore[int]{
	"hangs, also in Cleanup": func(tb testing.TB) store.ResultStore[int] {
		st := brokenNamed("All holds the mutex while the body runs").newStore(tb)
		tb.Cleanup(func() { _ = st.Delete(context.Background(), 1) })
		return st
	},
	"cannot be made": func(tb testing.TB) store.ResultStore[int] {
		tb.Fatal("no database")
		return nil
	},
	"is not wanted": func(tb testing.TB) store.ResultStore[int] {
		tb.Skip("no database configured")
		return nil
	},
}

const childEnv = "STORETEST_CHILD"

func TestChild(t *testing.T) {
	name := os.Getenv(childEnv)
	if name == "" {
		t.Skip("run by other tests, in a process of its own")
	}
	if newStore := children[name]; newStore != nil {
		runChecks(t, newStore, time.Second)
		return
	}
	row := brokenNamed(name)
	if row.hangs {
		runChecks(t, row.newStore, 2*time.Second)
		return
	}
	Run(t, row.newStore)
}

// runChild runs TestChild, or that of it which filter says, in a process of its own.
func runChild(t *testing.T, name, filter string, flags ...string) (output string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append(flags, "-test.run="+filter, "-test.v")...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestRunQuotesTheClause(t *testing.T) {
	t.Parallel()
	out, err := runChild(t, "Put overwrites", "^TestChild$")
	require.Error(t, err)
	assert.Contains(t, out, "--- FAIL: TestChild/clause=2/put-held-id")
	assert.Contains(t, out, "Put(7) returned <nil>, want an error matching store.ErrExists")
	assert.Contains(t, out, "Clause 2 of store.ResultStore: Put of an ID that is held changes nothing")
	assert.Contains(t, out, "--- PASS: TestChild/clause=1/round-trip")
}

func TestRunSurvivesPanics(t *testing.T) {
	t.Parallel()
	out, err := runChild(t, "IDs above the largest int64 panic", "^TestChild$")
	require.Error(t, err)
	assert.Contains(t, out, "--- FAIL: TestChild/clause=8/boundaries")
	assert.Contains(t, out, "panic: negative ID")
	assert.Contains(t, out, "broken_test.go", "the stack of the panic")
	assert.Contains(t, out, "--- PASS: TestChild/clause=1-5/histories", "a later check")
}

func TestRunSurvivesHangs(t *testing.T) {
	t.Parallel()
	out, err := runChild(t, "hangs, also in Cleanup", "^TestChild$")
	require.Error(t, err)
	assert.Contains(t, out, "--- FAIL: TestChild/clause=6/calls-in-body")
	assert.Contains(t, out, "not ended after 1s; all goroutines:")
	assert.Contains(t, out, "storetest.callsInBody", "the stacks")
	assert.Equal(t, maxHung, strings.Count(out, "--- FAIL: TestChild/"))
	assert.Contains(t, out, "skipped because 3 checks have hung")
}

func TestRunReportsCleanup(t *testing.T) {
	c := check{run: func(_ context.Context, s *subject) error { s.newStore(); return nil }}
	err := c.verdict(t, func(tb testing.TB) store.ResultStore[int] {
		tb.Cleanup(func() { panic("cannot close") })
		return newReference()
	}, 0, patience)
	assert.ErrorContains(t, err, "in a Cleanup function: panic: cannot close")
}

func TestRunWithoutStore(t *testing.T) {
	t.Parallel()
	out, err := runChild(t, "cannot be made", "^TestChild$")
	require.Error(t, err)
	assert.Equal(t, 1, strings.Count(out, "no database"), "%s", out)

	out, err = runChild(t, "is not wanted", "^TestChild$")
	require.NoError(t, err)
	assert.Contains(t, out, "--- SKIP: TestChild")
}

func brokenNamed(fault string) brokenStore {
	for _, s := range brokenStores {
		if s.fault == fault {
			return s
		}
	}
	panic("no broken store: " + fault)
}
