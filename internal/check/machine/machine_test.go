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
	// A fault that needs a rare scheduling does not occur again when rapid plays the
	// walk once more, and rapid does not say what it was.
	var first sync.Once
	tell := func(walk string) { first.Do(func() { t.Log("the first walk that failed: " + walk) }) }
	rapid.Check(t, func(rt *rapid.T) { walk(t, rt, oracle.Real, tell) })
}

// TestMachineRejectsBroken shows that the machine finds pools with one fault.
func TestMachineRejectsBroken(t *testing.T) {
	set(t, "rapid.nofailfile", "true")
	set(t, "rapid.checks", "2000")
	set(t, "rapid.shrinktime", "0s")
	for _, f := range broken.Faults {
		if f.NoMachine {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			tb := &silent{name: t.Name()}
			ended := make(chan struct{})
			go func() { // which ends when the check fails
				defer close(ended)
				rapid.Check(tb, func(rt *rapid.T) { walk(t, rt, f.Make, func(string) {}) })
			}()
			<-ended
			assert.True(t, tb.failed, "a broken pool was not rejected")
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

// walk takes one random walk in a bubble, and tells of it if it fails.
func walk(t *testing.T, rt *rapid.T, newPool oracle.Maker, tell func(walk string)) {
	var m *Machine
	defer func() {
		thrown := recover()
		if m != nil {
			rt.Log("steps: " + strings.Join(m.Steps, "; "))
		}
		// rapid takes two failures for the same if they come from the same line, also
		// a failure and a walk that it has given up.
		if skipped(thrown) {
			panic(thrown)
		}
		if thrown != nil {
			if m != nil {
				tell(fmt.Sprintf("%v\n%s", thrown, strings.Join(m.Steps, "\n")))
			}
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
