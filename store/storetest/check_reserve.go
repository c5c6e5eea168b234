package storetest

import (
	"context"
	"fmt"
	"math"

	"github.com/resultpool/resultpool/store"
)

var reserveChecks = []check{
	{offer: "IDReserver", name: "increasing", run: withReserver(reserveIncreasing)},
	{offer: "IDReserver", name: "concurrent", run: withReserver(reserveConcurrent)},
	{offer: "IDReserver", name: "done-context", run: withReserver(reserveDone)},
	{offer: "IDReserver", name: "runs-out", run: withReserver(reserveRunsOut)},
}

func withReserver(run func(context.Context, *subject, store.IDReserver) error) func(context.Context, *subject) error {
	return func(ctx context.Context, s *subject) error {
		r, ok := s.newStore().(store.IDReserver)
		if !ok {
			return errNotOffered
		}
		return run(ctx, s, r)
	}
}

// A reserver sees to it that the ranges which one goroutine reserves increase.
type reserver struct {
	store.IDReserver
	end store.ID // of the last range: the first ID after it
}

func (r *reserver) reserve(ctx context.Context, n uint64) (first store.ID, err error) {
	first, err = r.ReserveIDs(ctx, n)
	switch {
	case err != nil:
		return 0, fmt.Errorf("ReserveIDs of %d IDs returned error %q, want nil", n, err)
	case first == 0:
		return 0, fmt.Errorf("ReserveIDs of %d IDs returned 0, which is no ID", n)
	case first < r.end:
		return 0, fmt.Errorf("ReserveIDs of %d IDs returned %d, want at least %d, where the last range ended", n, first, r.end)
	case first+store.ID(n) < first:
		return 0, fmt.Errorf("ReserveIDs of %d IDs returned %d: the range wraps around", n, first)
	}
	r.end = first + store.ID(n)
	return first, nil
}

func reserveIncreasing(ctx context.Context, _ *subject, st store.IDReserver) error {
	r := &reserver{IDReserver: st}
	for _, n := range []uint64{1, 1, 2, 1000, 1, 65_536, 65_536, 1 << 33, 1} {
		if _, err := r.reserve(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// reserveRunsOut reserves all but a few IDs, then more than are left, and then those.
func reserveRunsOut(ctx context.Context, _ *subject, st store.IDReserver) error {
	const most = math.MaxUint64 - 1000
	first, err := st.ReserveIDs(ctx, most)
	if err != nil {
		return nil // it has fewer to begin with
	}
	left := math.MaxUint64 - (uint64(first) + most - 1)
	if first, err := st.ReserveIDs(ctx, left+1); err == nil {
		return fmt.Errorf("ReserveIDs of %d IDs returned %d, want an error: %d are left", left+1, first, left)
	}
	if left == 0 {
		return nil
	}
	if again, err := st.ReserveIDs(ctx, left); err != nil || uint64(again) != uint64(first)+most {
		return fmt.Errorf("ReserveIDs of the last %d IDs returned %d and error %v, want %d", left, again, err, uint64(first)+most)
	}
	return nil
}

// reserveConcurrent has several goroutines reserve ranges of one ID to ten.
func reserveConcurrent(ctx context.Context, s *subject, st store.IDReserver) error {
	const workers = 8
	rounds := s.size(300, workers)
	firsts := make([]map[store.ID]uint64, workers)
	err := parallel(workers, func(worker int) error {
		r := &reserver{IDReserver: st}
		firsts[worker] = make(map[store.ID]uint64)
		for i := range rounds {
			n := uint64(i%10 + 1)
			first, err := r.reserve(ctx, n)
			if err != nil {
				return err
			}
			firsts[worker][first] = n
		}
		return nil
	})
	if err != nil {
		return err
	}
	reserved := make(map[store.ID]bool)
	for _, ranges := range firsts {
		for first, n := range ranges {
			for i := range store.ID(n) {
				if reserved[first+i] {
					return fmt.Errorf("two calls of ReserveIDs returned ranges that hold ID %d", first+i)
				}
				reserved[first+i] = true
			}
		}
	}
	return nil
}

func reserveDone(ctx context.Context, _ *subject, st store.IDReserver) error {
	r := &reserver{IDReserver: st}
	return withDone(ctx, func(done context.Context) error {
		if first, err := st.ReserveIDs(done, 10); err == nil {
			r.end = max(r.end, first+10)
		} else if !refused(done, err) {
			return fmt.Errorf("ReserveIDs returned error %q, want nil or one matching the context's", err)
		}
		_, err := r.reserve(ctx, 10)
		return err
	})
}
