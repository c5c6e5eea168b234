package kit_test

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/internal/kit/kittest"
)

// A toy is a subject: what the checks of these tests are given.
type toy struct{ tb testing.TB }

func newRun(subject func(testing.TB) toy) *kit.Run[toy] {
	return &kit.Run[toy]{
		Contract: &kit.Contract{
			Package:   "toys",
			Interface: "Toy",
			Clauses:   []string{1: "It squeaks.", 2: "It floats."},
			Offers:    map[string]string{"Winder": "It can be wound up."},
		},
		Patience: time.Minute,
		Subject:  subject,
	}
}

func newToy(tb testing.TB) toy { return toy{tb} }

// verdict is that of a check which does nothing but try.
func verdict(t *testing.T, try func(toy)) error {
	return newRun(newToy).Verdict(t, kit.Check[toy]{Try: try})
}

func TestVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		assert.NoError(t, verdict(t, func(toy) {}))
		assert.Equal(t, io.EOF, verdict(t, func(toy) { kit.Fail(io.EOF) }))
		assert.EqualError(t, verdict(t, func(toy) { kit.Failf("saw %d", 7) }), "saw 7")
		assert.Equal(t, kit.ErrGoexit, verdict(t, func(toy) { runtime.Goexit() }))
		assert.ErrorContains(t, verdict(t, func(toy) { panic(nil) }), "panic: ")
		err := verdict(t, func(toy) { panic("oh no") })
		assert.ErrorContains(t, err, "panic: oh no")
		assert.ErrorContains(t, err, "kit_test.TestVerdict.func", "the stack of the panic")
		assert.False(t, kit.IsHung(err))
	})
}

// TestVerdictGivesUp: a check that ignores its context is left behind, and so is a Cleanup
// function after it.
func TestVerdictGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		release := make(chan struct{})
		defer close(release)
		var cleaning atomic.Bool
		err := verdict(t, func(s toy) {
			s.tb.Cleanup(func() {
				assert.Error(t, s.tb.Context().Err())
				cleaning.Store(true)
				<-release
			})
			<-release
		})
		assert.True(t, kit.IsHung(err), "%v", err)
		assert.ErrorContains(t, err, "not ended after 1m0s; all goroutines:")
		assert.ErrorContains(t, err, "kit_test.TestVerdictGivesUp.func", "the stacks of all goroutines")
		assert.NotContains(t, err.Error(), "at the end of the check", "which is no news")
		assert.True(t, cleaning.Load())
		assert.Equal(t, 66*time.Second, time.Since(start))
	})
}

func TestVerdictCleansUp(t *testing.T) {
	var order []string
	err := verdict(t, func(s toy) {
		assert.NoError(t, s.tb.Context().Err())
		s.tb.Cleanup(func() {
			s.tb.Cleanup(func() { order = append(order, "added late") })
			order = append(order, "first added")
		})
		s.tb.Cleanup(func() { panic("cannot close") })
		s.tb.Cleanup(func() {
			assert.Error(t, s.tb.Context().Err())
			order = append(order, "last added")
		})
	})
	assert.ErrorContains(t, err, "at the end of the check: panic: cannot close")
	assert.Equal(t, []string{"last added", "first added", "added late"}, order)
}

func TestTryAndWithin(t *testing.T) {
	assert.NoError(t, kit.Try(func() {}))
	assert.Equal(t, io.EOF, kit.Try(func() { kit.Fail(io.EOF) }))
	assert.PanicsWithValue(t, "oh no", func() { _ = kit.Try(func() { panic("oh no") }) })
	err := kit.Try(func() { kit.Within("round 3", func() { kit.Fail(io.EOF) }) })
	assert.EqualError(t, err, "round 3: EOF")
	assert.ErrorIs(t, err, io.EOF)
	assert.NoError(t, kit.Try(func() { kit.Within("round 4", func() {}) }))
}

// TestParallelWaitsForAll: its failure is the first in time.
func TestParallelWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Int32
		err := kit.Try(func() {
			kit.Parallel(10, func(i int) {
				defer ended.Add(1)
				time.Sleep(time.Duration(10-i) * time.Second)
				switch i {
				case 3:
					kit.Fail(errors.New("third"))
				case 5:
					panic("fifth")
				case 2:
					runtime.Goexit()
				}
			})
		})
		assert.EqualValues(t, 10, ended.Load())
		assert.ErrorContains(t, err, "panic: fifth")
		assert.Equal(t, kit.ErrGoexit, kit.Try(func() { kit.Parallel(2, func(int) { runtime.Goexit() }) }))
		assert.NoError(t, kit.Try(func() { kit.Parallel(0, nil) }))
	})
}

// childChecks are run in a process of their own, in this order.
var childChecks = []kit.Check[toy]{
	{Clauses: []int{1}, Name: "squeaks", Try: func(toy) {}},
	{Clauses: []int{1, 2}, Name: "sinks", Try: func(toy) { kit.Failf("saw it sink") }},
	{Clauses: []int{2}, Name: "panics", Try: func(toy) { panic("boom") }},
	{Offer: "Winder", Name: "is-none", Try: func(toy) { kit.Fail(kit.ErrNotOffered) }},
	{Offer: "Winder", Name: "breaks", Try: func(toy) { kit.Failf("it is broken") }},
	{Offer: "Winder", Name: "is-not-wanted", Try: func(s toy) { s.tb.Skip("too late") }},
	{Clauses: []int{2}, Name: "hangs", Try: hangs},
	{Clauses: []int{2}, Name: "hangs-again", Try: hangs},
	{Clauses: []int{2}, Name: "hangs-too", Try: hangs},
	{Clauses: []int{2}, Name: "is-late", Try: func(toy) {}},
}

func hangs(s toy) {
	s.tb.Cleanup(func() { select {} })
	select {}
}

func TestChild(t *testing.T) {
	name := kittest.ChildName(t)
	r := newRun(map[string]func(testing.TB) toy{
		"good":           newToy,
		"cannot be made": func(tb testing.TB) toy { tb.Fatal("no toy shop"); return toy{} },
		"is not wanted":  func(tb testing.TB) toy { tb.Skip("no toy shop configured"); return toy{} },
	}[name])
	r.Patience = 100 * time.Millisecond
	if err := r.Verdict(t, kit.Check[toy]{Try: func(toy) {}}); kit.Unmade(t, err) {
		return
	}
	for _, c := range childChecks {
		t.Run(c.FullName(), func(t *testing.T) {
			r.SkipIfHung(t)
			r.Report(t, c, r.Verdict(t, c))
		})
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	out, err := kittest.Child(t, "good", "^TestChild$")
	require.Error(t, err)
	for _, want := range []string{
		"--- PASS: TestChild/clause=1/squeaks",
		"--- FAIL: TestChild/clause=1-2/sinks",
		"saw it sink\n        \n        Clause 1 of toys.Toy: It squeaks.\n        Clause 2 of toys.Toy: It floats.",
		"--- FAIL: TestChild/clause=2/panics",
		"panic: boom",
		"--- SKIP: TestChild/Winder/is-none",
		"--- FAIL: TestChild/Winder/breaks",
		"it is broken\n        \n        toys.Winder: It can be wound up.",
		"--- SKIP: TestChild/Winder/is-not-wanted",
		"not ended after 100ms; all goroutines:",
		"kit_test.hangs",
		"--- FAIL: TestChild/clause=2/hangs-too",
		"--- SKIP: TestChild/clause=2/is-late",
		"skipped because 3 checks have hung",
	} {
		assert.Contains(t, out, want)
	}
}

func TestUnmade(t *testing.T) {
	t.Parallel()
	out, err := kittest.Child(t, "cannot be made", "^TestChild$")
	require.Error(t, err)
	assert.Equal(t, 1, strings.Count(out, "no toy shop"), "%s", out)

	out, err = kittest.Child(t, "is not wanted", "^TestChild$")
	require.NoError(t, err)
	assert.Contains(t, out, "--- SKIP: TestChild")
}
