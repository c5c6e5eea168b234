package kit

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// maxHung is how many checks may exhaust a run's patience before the others are skipped: a
// test binary is stopped after ten minutes.
const maxHung = 3

// A Run is one run of a kit's checks.
type Run[S any] struct {
	Contract *Contract
	Patience time.Duration // how long a check may take

	// Subject makes what one check tries. Functions given to tb.Cleanup are called when the
	// check has ended, and tb.Context is done by then: see [Run.Verdict].
	Subject func(tb testing.TB) S

	hung atomic.Int32
}

// Verdict has c try a subject and returns what it found: nil if the promise is kept. It
// returns after the run's patience, or a little more, whatever the subject does.
func (r *Run[S]) Verdict(tb testing.TB, c Check[S]) error {
	sc := newScope(tb)
	err := watch(r.Patience, func() { c.Try(r.Subject(sc)) })
	if IsHung(err) {
		_ = watch(r.Patience/10, sc.end) // likely to hang too, which is no news
		return err
	}
	if ending := watch(r.Patience, sc.end); ending != nil {
		err = errors.Join(err, fmt.Errorf("at the end of the check: %w", ending))
	}
	return err
}

// Unmade reports whether verdict is that there is no subject, and t was told why.
func Unmade(t *testing.T, verdict error) bool {
	return errors.Is(verdict, ErrGoexit) && (t.Skipped() || t.Failed())
}

// SkipIfHung ends the subtest t if so many checks have hung that the others are skipped.
func (r *Run[S]) SkipIfHung(t *testing.T) {
	t.Helper()
	if r.hung.Load() >= maxHung {
		t.Skipf("skipped because %d checks have hung", maxHung)
	}
}

// Report tells t, the subtest of c, what c has found.
func (r *Run[S]) Report(t *testing.T, c Check[S], verdict error) {
	t.Helper()
	switch {
	case verdict == nil || t.Skipped():
	case errors.Is(verdict, ErrNotOffered):
		t.Skip(verdict)
	default:
		if IsHung(verdict) {
			r.hung.Add(1)
		}
		t.Errorf("%v\n\n%s", verdict, c.promise(r.Contract))
	}
}
