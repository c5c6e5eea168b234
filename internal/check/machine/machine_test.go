package machine_test

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/resultpool/resultpool/internal/check/machine"
)

// TestMachine takes random walks. Without flags they are a few seconds' worth; more
// with -rapid.checks=100000, longer ones with -rapid.steps=200. What fails is kept in
// testdata/rapid, and every run begins with what is there.
func TestMachine(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		set(t, "rapid.checks", "2000")
	}
	var first sync.Once
	rapid.Check(t, func(rt *rapid.T) {
		walk(t, rt, machine.Real, func(steps []string, thrown any) {
			if thrown != nil && !skipped(thrown) {
				// A fault that needs a rare scheduling does not occur again when
				// rapid plays the walk once more, and rapid does not say what it was.
				first.Do(func() { t.Logf("the first walk that failed: %v\n%s", thrown, strings.Join(steps, "\n")) })
			}
		})
	})
}

// skipped tells whether a panic is one by which rapid gives up a walk that is not
// wrong.
func skipped(thrown any) bool { return fmt.Sprintf("%T", thrown) == "rapid.invalidData" }

// set sets a flag for one test.
func set(t *testing.T, name, value string) {
	t.Helper()
	f := flag.Lookup(name)
	old := f.Value.String()
	if err := f.Value.Set(value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(old) })
}

// walk takes one random walk in a bubble, and tells of its steps, and what it was
// ended by if it was not by its end.
func walk(t *testing.T, rt *rapid.T, newPool machine.Maker, tell func(steps []string, thrown any)) {
	var m *machine.Machine
	defer func() {
		thrown := recover()
		if m != nil {
			rt.Log("steps: " + strings.Join(m.Steps, "; "))
			tell(m.Steps, thrown)
		}
		// rapid takes two failures for the same if they come from the same line, also
		// a failure and a walk that it has given up.
		if skipped(thrown) {
			panic(thrown)
		}
		if thrown != nil {
			panic(thrown)
		}
	}()
	bubble(t, func() {
		m = machine.New(rt, newPool)
		defer m.Close()
		rt.Repeat(m.Actions())
	})
}

// bubble runs f in a synctest bubble. A panic of it, which is how rapid ends a run,
// goes on outside; so does the bubble's own, if goroutines are left in it.
//
// rapid.SyncTest does the same, but not where the run's TB is not a *testing.T.
func bubble(t *testing.T, f func()) {
	var thrown any
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() {
			if v := recover(); v != nil && thrown == nil {
				thrown = v
			}
		}()
		synctest.Test(t, func(*testing.T) {
			defer func() { thrown = recover() }()
			f()
		})
	}()
	<-ended
	if thrown != nil {
		panic(thrown)
	}
}
