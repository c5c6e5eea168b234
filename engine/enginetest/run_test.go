package enginetest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
)

// children are subjects for TestChild, by name. There may be faults of brokenEngines too.
var children = map[string]func(testing.TB) Subject{
	"panics": broken{twist: each(func(b *twisted) {
		b.del = func(context.Context, []uint64) error { panic("boom") }
	})}.newSubject,
	"hangs": broken{twist: each(func(b *twisted) {
		b.pull = func(context.Context, int) ([]engine.Delivery, error) { select {} }
		b.close = func() error { select {} }
	})}.newSubject,
	"offers nothing": func(tb testing.TB) Subject {
		sub := newMemory(minLease)
		open := sub.Open
		sub.Open = func(ctx context.Context) (engine.Engine, error) {
			eng, err := open(ctx)
			return struct{ engine.Engine }{eng}, err
		}
		sub.Remake, sub.TooLarge = nil, 0
		return sub
	},
	"cannot be made": func(tb testing.TB) Subject {
		tb.Fatal("no server")
		return Subject{}
	},
	"is not wanted": func(tb testing.TB) Subject {
		tb.Skip("no server configured")
		return Subject{}
	},
	"has a small queue": func(testing.TB) Subject {
		sub := newMemory(time.Second)
		sub.QueueBound = 10
		return sub
	},
	"has a long lease": func(testing.TB) Subject { return newMemory(time.Minute) },
}

const childEnv = "ENGINETEST_CHILD"

func TestChild(t *testing.T) {
	name := os.Getenv(childEnv)
	if name == "" {
		t.Skip("run by other tests, in a process of its own")
	}
	l := limits{patience: 4 * time.Second, remember: time.Second}
	if name == "hangs" {
		l.patience = 500 * time.Millisecond
	}
	newSubject := children[name]
	for _, b := range brokenEngines {
		if b.fault == name {
			newSubject = b.newSubject
		}
	}
	runChecks(t, newSubject, l)
}

// runChild runs TestChild, or that of it which filter says, in a process of its own.
func runChild(t *testing.T, name, filter string) (output string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+filter, "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestRunQuotesTheClause(t *testing.T) {
	t.Parallel()
	out, err := runChild(t, "each handle has keys of its own", "^TestChild$/^engine$/^clause=[12]$")
	require.Error(t, err)
	assert.Contains(t, out, "--- FAIL: TestChild/engine/clause=2/again ")
	assert.Contains(t, out, "Push, again with the same key, returned IDs")
	assert.Contains(t, out, "Clause 2 of engine.Engine: Push with a key that was used before")
	assert.Contains(t, out, "--- PASS: TestChild/engine/clause=1/round-trip")
}

func TestRunSurvivesPanics(t *testing.T) {
	t.Parallel()
	out, err := runChild(t, "panics", "^TestChild$/^engine$/^clause=1[345]$")
	require.Error(t, err)
	assert.Contains(t, out, "--- FAIL: TestChild/engine/clause=13/delete")
	assert.Contains(t, out, "panic: boom")
	assert.Contains(t, out, "run_test.go", "the stack of the panic")
	assert.Contains(t, out, "--- PASS: TestChild/engine/clause=14/exactly-once", "a later check")
}

func TestRunSurvivesHangs(t *testing.T) {
	t.Parallel()
	out, err := runChild(t, "hangs", "^TestChild$")
	require.Error(t, err)
	assert.Contains(t, out, "not ended after 500ms; all goroutines:", "of the probe already")
}

func TestRunGoesOnAfterAHang(t *testing.T) {
	t.Parallel()
	out, err := runChild(t, "Pull that waits does not see Close", "^TestChild$/^engine$/^clause=17$")
	require.Error(t, err)
	assert.Contains(t, out, "--- FAIL: TestChild/engine/clause=17/closed-while-waiting")
	assert.Contains(t, out, "enginetest.closedWhileWaiting", "the stacks")
	assert.Contains(t, out, "--- PASS: TestChild/engine/clause=17/no-goroutines")
}

func TestRunSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	out, err := runChild(t, "offers nothing", "^TestChild$")
	require.NoError(t, err, "%s", out)
	assert.Contains(t, out, "NOT CHECKED, since it is not offered: engine.Waiter, engine.StartMarker, engine.Sizer, "+
		"engine.Describer, engine.Retryabler, Subject.TooLarge, Subject.Remake")
	assert.Contains(t, out, "THE ENGINE IS NO engine.Waiter")
	assert.Contains(t, out, "--- SKIP: TestChild/engine/Sizer/counts")
	assert.Contains(t, out, "--- SKIP: TestChild/engine/clause=11/too-large")
	assert.Contains(t, out, "--- SKIP: TestChild/engine/clause=1/made-anew")
	assert.Contains(t, out, "--- PASS: TestChild/engine/clause=6/held")
}

func TestRunWithoutEngine(t *testing.T) {
	t.Parallel()
	out, err := runChild(t, "cannot be made", "^TestChild$")
	require.Error(t, err)
	assert.Equal(t, 1, strings.Count(out, "no server"), "%s", out)

	out, err = runChild(t, "is not wanted", "^TestChild$")
	require.NoError(t, err)
	assert.Contains(t, out, "--- SKIP: TestChild")

	out, err = runChild(t, "has a small queue", "^TestChild$")
	require.Error(t, err)
	assert.Contains(t, out, "QueueBound 10 and TooLarge 262145, want not nil, 256 or more, 0 or more")

	out, err = runChild(t, "has a long lease", "^TestChild$")
	require.Error(t, err)
	assert.Contains(t, out, "Lease is 1m0s, want 500ms to 5s")
}
