package enginetest

import (
	"errors"
	"testing"
	"time"

	"github.com/resultpool/resultpool/internal/kit"
)

const (
	// patience is how long a check may take. The slowest takes about ten seconds.
	patience = 60 * time.Second

	// remembering is for how long the checks want a key to be known.
	remembering = 9500 * time.Millisecond

	// Leases that Run takes: a shorter one ends while a check looks out for what must not
	// happen, and many checks wait for its end.
	minLease = 500 * time.Millisecond
	maxLease = 5 * time.Second
)

// Run checks that the engines opened by newSubject's Subject keep the contract of [engine.Engine], and those of the
// optional interfaces that they implement. Each check is a subtest, and calls newSubject for a queue of its own.
// Checks that wait for leases to end, or for keys to be remembered, run concurrently with the others.
//
// Interfaces that the engine does not implement are skipped.
func Run(t *testing.T, newSubject func(testing.TB) Subject) {
	t.Helper()
	run(t, newRun(newSubject, patience, remembering))
}

// newRun returns a Run that closes what the checks leave open.
func newRun(newSubject func(testing.TB) Subject, patience, remember time.Duration) *kit.Run[*subject] {
	return &kit.Run[*subject]{
		Contract: contract(),
		Patience: patience,
		Subject: func(tb testing.TB) *subject {
			s := &subject{
				Subject:  newSubject(tb),
				ctx:      tb.Context(),
				remember: remember,
				tasks:    make(map[uint64]*taskSeen),
			}
			tb.Cleanup(s.close)
			return s
		},
	}
}

func run(t *testing.T, r *kit.Run[*subject]) {
	t.Helper()
	err := verdict(r, t, check{Try: probe})
	if kit.Unmade(t, err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	// Subtests that are parallel are over when the subtest around them is. t.Parallel limits
	// how many of them run at a time, which must not hold for those that wait: they begin
	// before they call it.
	t.Run("engine", func(t *testing.T) {
		for _, c := range checks {
			if !c.Waits {
				continue
			}
			t.Run(c.FullName(), func(t *testing.T) {
				found := make(chan error, 1)
				go func() { found <- verdict(r, t, c) }()
				t.Parallel()
				r.Report(t, c, <-found)
			})
		}
		for _, c := range checks {
			if c.Waits {
				continue
			}
			t.Run(c.FullName(), func(t *testing.T) {
				r.SkipIfHung(t)
				r.Report(t, c, verdict(r, t, c))
			})
		}
	})
}

// verdict has c try a subject. A check that was too slow is run again, and so is one whose
// fault may be that of the machine: an engine's own comes again.
func verdict(r *kit.Run[*subject], tb testing.TB, c check) error {
	try := c.Try
	c.Try = func(s *subject) {
		if c.Offer != "" && s.open().lacks(c.Offer) {
			notOffered("THE ENGINE IS NO engine." + c.Offer)
		}
		try(s)
		s.allKnown()
	}
	for tries := 1; ; tries++ {
		err := r.Verdict(tb, c)
		if again := errors.Is(err, errSlow) || errors.As(err, new(inDoubt)); !again || tries == 3 {
			return err
		}
	}
}

// probe opens an engine, and looks at what Run needs to know of it.
func probe(s *subject) {
	if s.Open == nil || s.QueueBound < 256 || s.TooLarge < 0 {
		kit.Failf("enginetest: Subject has Open %v, QueueBound %d and TooLarge %d, want not nil, 256 or more, 0 or more",
			s.Open != nil, s.QueueBound, s.TooLarge)
	}
	if lease := s.open().Lease(); lease < minLease || lease > maxLease {
		kit.Failf("enginetest: Lease is %v, want %v to %v", lease, minLease, maxLease)
	}
}
