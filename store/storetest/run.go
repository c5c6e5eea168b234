package storetest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

// patience is how long a check may take. The slowest takes a second.
const patience = 30 * time.Second

// Run checks that the stores which newStore makes keep the contract of
// [store.ResultStore], and those of [store.BatchPutter], [store.RecordPutter],
// [store.BatchDeleter] and [store.IDReserver] if they implement these. Each check is a subtest
// of t. They run one after the other, each on stores of its own.
func Run(t *testing.T, newStore func(testing.TB) store.ResultStore[int]) {
	t.Helper()
	perPut, err := measure(t, newStore)
	if kit.Unmade(t, err) {
		return
	}
	r := newRun(newStore, perPut)
	for _, c := range checks {
		t.Run(c.FullName(), func(t *testing.T) {
			r.SkipIfHung(t)
			r.Report(t, c, r.Verdict(t, c))
		})
	}
}

// newRun returns a run on stores whose Put takes about perPut, or 0 if that is not known.
func newRun(newStore func(testing.TB) store.ResultStore[int], perPut time.Duration) *kit.Run[*subject] {
	return &kit.Run[*subject]{
		Contract: contract(),
		Patience: patience,
		Subject: func(tb testing.TB) *subject {
			return &subject{
				ctx:      tb.Context(),
				newStore: func() store.ResultStore[int] { return newStore(tb) },
				perPut:   perPut,
			}
		},
	}
}

// measure returns about how long one Put takes. A store that cannot even be
// measured counts as fast: the checks will say what is wrong with it.
func measure(tb testing.TB, newStore func(testing.TB) store.ResultStore[int]) (time.Duration, error) {
	var perPut atomic.Int64
	err := newRun(newStore, 0).Verdict(tb, check{Try: func(s *subject) {
		o := s.open()
		const batches, size = 8, 8
		best := time.Duration(1<<63 - 1)
		for b := range batches {
			start := time.Now()
			o.put(batch(store.ID(1+b*size), size)...)
			best = min(best, time.Since(start)/size)
		}
		perPut.Store(int64(best))
	}})
	return time.Duration(perPut.Load()), err
}
