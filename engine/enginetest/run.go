package enginetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// limits are how long things take. Run's are always the same.
type limits struct {
	patience time.Duration // of a check; the slowest takes about ten seconds
	remember time.Duration // for how long a key is tried to be known
}

var runLimits = limits{patience: 60 * time.Second, remember: 9500 * time.Millisecond}

// maxHung is how many checks may exhaust patience before the others are skipped: a test
// binary is stopped after ten minutes.
const maxHung = 3

// Leases that Run takes: a shorter one ends while a check looks out for what must not
// happen, and many checks wait for its end.
const (
	minLease = 500 * time.Millisecond
	maxLease = 5 * time.Second
)

// Run checks that the engines which newSubject's Subject opens keep the contract of
// [engine.Engine], and those of the optional interfaces that they implement. Each check
// is a subtest, and calls newSubject for a queue of its own. Those that wait for leases
// to end, or for keys to be remembered, run at once and beside the others.
//
// What the engine does not offer is skipped, and a log says it at the beginning.
func Run(t *testing.T, newSubject func(testing.TB) Subject) {
	t.Helper()
	runChecks(t, newSubject, runLimits)
}

func runChecks(t *testing.T, newSubject func(testing.TB) Subject, l limits) {
	t.Helper()
	missing, err := probe(t, newSubject, l)
	switch {
	case t.Skipped() || errors.Is(err, errGoexit) && t.Failed():
		return // newSubject has said why there is no engine
	case err != nil:
		t.Fatal(err)
	case len(missing) > 0:
		t.Logf("NOT CHECKED, since it is not offered: %s", strings.Join(missing, ", "))
	}

	var hung atomic.Int32
	report := func(t *testing.T, c check, err error) {
		switch {
		case err == nil || t.Skipped():
		case errors.Is(err, errNotOffered):
			t.Skip(err)
		default:
			if isHung(err) {
				hung.Add(1)
			}
			t.Errorf("%v\n\n%s", err, c.promise())
		}
	}
	// Subtests that are parallel are over when the subtest around them is. How many of
	// them run at a time is for t.Parallel to say, and here it is of no use: those that
	// wait begin before they call it.
	t.Run("engine", func(t *testing.T) {
		for _, c := range checks {
			if !c.waits {
				continue
			}
			t.Run(c.fullName(), func(t *testing.T) {
				verdict := make(chan error, 1)
				go func() { verdict <- c.verdict(t, newSubject, l) }()
				t.Parallel()
				report(t, c, <-verdict)
			})
		}
		for _, c := range checks {
			if c.waits {
				continue
			}
			t.Run(c.fullName(), func(t *testing.T) {
				if hung.Load() >= maxHung {
					t.Skipf("skipped because %d checks have hung", maxHung)
				}
				report(t, c, c.verdict(t, newSubject, l))
			})
		}
	})
}

// verdict runs c and returns what it found. It returns after the patience of l, or a
// little more, whatever the engine does. A check that was too slow is run again, and so is
// one whose fault may be that of the machine: an engine's own comes again.
func (c check) verdict(tb testing.TB, newSubject func(testing.TB) Subject, l limits) error {
	for tries := 1; ; tries++ {
		err := c.once(tb, newSubject, l)
		if again := errors.Is(err, errSlow) || errors.As(err, new(inDoubt)); !again || tries == 3 {
			return err
		}
	}
}

func (c check) once(tb testing.TB, newSubject func(testing.TB) Subject, l limits) error {
	sc := newScope(tb)
	err := watch(sc.Context(), l.patience, func(ctx context.Context) error {
		s := newSubjectOf(ctx, newSubject(sc), l)
		sc.Cleanup(func() {
			if err := s.close(); err != nil {
				panic(failure{err})
			}
		})
		return c.run(s)
	})
	ended := func(limit time.Duration) error {
		return watch(context.Background(), limit, func(context.Context) error { sc.end(); return nil })
	}
	if isHung(err) {
		_ = ended(l.patience / 10) // which is likely to hang, too, and no news
		return err
	}
	if ending := ended(l.patience); ending != nil {
		err = errors.Join(err, fmt.Errorf("at the end of the check: %w", ending))
	}
	return err
}

// probe opens an engine and says what is not offered.
func probe(tb testing.TB, newSubject func(testing.TB) Subject, l limits) (missing []string, err error) {
	c := check{try: func(s *subject) {
		if s.Open == nil || s.QueueBound < 256 || s.TooLarge < 0 {
			fail("enginetest: Subject has Open %v, QueueBound %d and TooLarge %d, want not nil, 256 or more, 0 or more",
				s.Open != nil, s.QueueBound, s.TooLarge)
		}
		h := s.open()
		if lease := h.Lease(); lease < minLease || lease > maxLease {
			fail("enginetest: Lease is %v, want %v to %v", lease, minLease, maxLease)
		}
		missing = h.missing()
	}}
	return missing, c.verdict(tb, newSubject, l)
}

// missing returns the names of what the engine and its Subject do not offer.
func (h *handle) missing() (names []string) {
	lacks := func(name string, offered bool) {
		if !offered {
			names = append(names, name)
		}
	}
	_, ok := h.Engine.(engine.Waiter)
	lacks("engine.Waiter", ok)
	_, ok = h.Engine.(engine.StartMarker)
	lacks("engine.StartMarker", ok)
	_, ok = h.Engine.(engine.Sizer)
	lacks("engine.Sizer", ok)
	_, ok = h.Engine.(engine.Describer)
	lacks("engine.Describer", ok)
	_, ok = h.Engine.(engine.Retryabler)
	lacks("engine.Retryabler", ok)
	lacks("Subject.TooLarge", h.s.TooLarge > 0)
	lacks("Subject.Remake", h.s.Remake != nil)
	return names
}
