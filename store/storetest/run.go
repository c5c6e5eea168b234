package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resultpool/resultpool/store"
)

const (
	// patience is how long a check may take. The slowest takes a second.
	patience = 30 * time.Second

	// maxHung is how many checks may exhaust patience before the others are
	// skipped: a test binary is stopped after ten minutes.
	maxHung = 3
)

// Run checks that the stores which newStore makes keep the contract of
// [store.ResultStore], and those of [store.BatchPutter], [store.RecordPutter] and
// [store.IDReserver] if they implement these. Each check is a subtest of t. They run one after the
// other, each on stores of its own.
func Run(t *testing.T, newStore func(testing.TB) store.ResultStore[int]) {
	t.Helper()
	runChecks(t, newStore, patience)
}

func runChecks(t *testing.T, newStore func(testing.TB) store.ResultStore[int], limit time.Duration) {
	t.Helper()
	perPut, err := measure(t, newStore, limit)
	if errors.Is(err, errGoexit) && (t.Skipped() || t.Failed()) {
		return // newStore has said why there is no store
	}

	hung := 0
	for _, c := range checks {
		t.Run(c.fullName(), func(t *testing.T) {
			if hung == maxHung {
				t.Skipf("skipped because %d checks have hung", hung)
			}
			err := c.verdict(t, newStore, perPut, limit)
			switch {
			case err == nil || t.Skipped():
			case errors.Is(err, errNotOffered):
				t.Skip(err)
			default:
				if isHung(err) {
					hung++
				}
				t.Errorf("%v\n\n%s", err, c.promise())
			}
		})
	}
}

// verdict runs c and returns what it found. It returns after limit, or a little
// more, whatever the store does.
func (c check) verdict(tb testing.TB, newStore func(testing.TB) store.ResultStore[int], perPut, limit time.Duration) error {
	sc := newScope(tb)
	s := &subject{
		newStore: func() store.ResultStore[int] { return newStore(sc) },
		perPut:   perPut,
	}
	err := watch(sc.Context(), limit, func(ctx context.Context) error { return c.run(ctx, s) })
	closed := func(limit time.Duration) error {
		return watch(context.Background(), limit, func(context.Context) error { sc.end(); return nil })
	}
	if isHung(err) {
		_ = closed(limit / 10) // which is likely to hang, too, and no news
		return err
	}
	if closing := closed(limit); closing != nil {
		err = errors.Join(err, fmt.Errorf("in a Cleanup function: %w", closing))
	}
	return err
}

// measure returns about how long one Put takes. A store that cannot even be
// measured counts as fast: the checks will say what is wrong with it.
func measure(tb testing.TB, newStore func(testing.TB) store.ResultStore[int], limit time.Duration) (time.Duration, error) {
	var perPut atomic.Int64
	c := check{run: func(ctx context.Context, s *subject) error {
		o := s.open(ctx)
		const batches, size = 8, 8
		best := time.Duration(1<<63 - 1)
		for b := range batches {
			start := time.Now()
			for i := range size {
				o.put(result(store.ID(1+b*size+i), 0))
			}
			best = min(best, time.Since(start)/size)
		}
		if o.err == nil {
			perPut.Store(int64(best))
		}
		return o.err
	}}
	err := c.verdict(tb, newStore, 0, limit)
	return time.Duration(perPut.Load()), err
}
