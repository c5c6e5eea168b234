package machine

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/resultpool/resultpool/internal/check/broken"
	"github.com/resultpool/resultpool/internal/check/oracle"
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
		walk(t, rt, oracle.Real, func(steps []string, thrown any) {
			if thrown != nil && !skipped(thrown) {
				// A fault that needs a rare scheduling does not occur again when
				// rapid plays the walk once more, and rapid does not say what it was.
				first.Do(func() { t.Logf("the first walk that failed: %v\n%s", thrown, strings.Join(steps, "\n")) })
			}
		})
	})
}

// few is how many steps a fault may take to show, once rapid has made them few.
const few = 10

// TestMachineRejectsBroken shows that the machine finds pools with one fault, and
// that what it finds can be read.
func TestMachineRejectsBroken(t *testing.T) {
	set(t, "rapid.nofailfile", "true")
	set(t, "rapid.checks", "2000")
	set(t, "rapid.shrinktime", "3s")
	for _, f := range broken.Faults {
		if f.NoMachine {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			var steps []string // of the last walk, which is the smallest
			var thrown any
			tb := &silent{name: t.Name()}
			ended := make(chan struct{})
			go func() { // which ends when the check fails
				defer close(ended)
				rapid.Check(tb, func(rt *rapid.T) {
					walk(t, rt, f.Make, func(s []string, v any) { steps, thrown = s, v })
				})
			}()
			<-ended
			assert.True(t, tb.failed, "a broken pool was not rejected")
			assert.LessOrEqual(t, len(steps), few, "%s", strings.Join(steps, "\n"))
			t.Logf("%s: %v", strings.Join(steps, "; "), thrown)
		})
	}
}

// silent is the TB of a check that is to fail.
type silent struct {
	rapid.TB
	name   string
	failed bool
}

func (s *silent) Helper()               {}
func (s *silent) Name() string          { return s.name }
func (s *silent) Logf(string, ...any)   {}
func (s *silent) Log(...any)            {}
func (s *silent) Errorf(string, ...any) { s.failed = true }
func (s *silent) FailNow()              { s.failed = true; runtime.Goexit() }
func (s *silent) Failed() bool          { return s.failed }

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
func walk(t *testing.T, rt *rapid.T, newPool oracle.Maker, tell func(steps []string, thrown any)) {
	var m *Machine
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
		m = New(rt, newPool)
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
