package storetest

import (
	"context"
	"math"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

// A reserver wants the ranges that one goroutine reserves to increase.
type reserver struct {
	store.IDReserver
	ctx context.Context
	end store.ID // of the last range: the first ID after it
}

func (s *subject) reserver() *reserver {
	return &reserver{IDReserver: offered[store.IDReserver](s), ctx: s.ctx}
}

func (r *reserver) reserve(n uint64) (first store.ID) {
	first, err := r.ReserveIDs(r.ctx, n)
	switch {
	case err != nil:
		kit.Failf("ReserveIDs of %d IDs returned error %q, want nil", n, err)
	case first == 0:
		kit.Failf("ReserveIDs of %d IDs returned 0, which is no ID", n)
	case first < r.end:
		kit.Failf("ReserveIDs of %d IDs returned %d, want at least %d, where the last range ended", n, first, r.end)
	case first+store.ID(n) < first:
		kit.Failf("ReserveIDs of %d IDs returned %d: the range wraps around", n, first)
	}
	r.end = first + store.ID(n)
	return first
}

func reserveIncreasing(s *subject) {
	r := s.reserver()
	for _, n := range []uint64{1, 1, 2, 1000, 1, 65_536, 65_536, 1 << 33, 1} {
		r.reserve(n)
	}
}

// reserveRunsOut reserves all but a few IDs, then more than are left, and then those.
func reserveRunsOut(s *subject) {
	const most = math.MaxUint64 - 1000
	r := s.reserver()
	first, err := r.ReserveIDs(s.ctx, most)
	if err != nil {
		return // it has fewer to begin with
	}
	left := math.MaxUint64 - (uint64(first) + most - 1)
	if first, err := r.ReserveIDs(s.ctx, left+1); err == nil {
		kit.Failf("ReserveIDs of %d IDs returned %d, want an error: %d are left", left+1, first, left)
	}
	if left == 0 {
		return
	}
	if again, err := r.ReserveIDs(s.ctx, left); err != nil || uint64(again) != uint64(first)+most {
		kit.Failf("ReserveIDs of the last %d IDs returned %d and error %v, want %d", left, again, err, uint64(first)+most)
	}
}

// reserveConcurrent has several goroutines reserve ranges of one ID to ten.
func reserveConcurrent(s *subject) {
	const workers = 8
	st := offered[store.IDReserver](s)
	reserved := make([][]store.ID, workers)
	kit.Parallel(workers, func(worker int) {
		r := &reserver{IDReserver: st, ctx: s.ctx}
		for i := range s.size(300, workers) {
			n := store.ID(i%10 + 1)
			first := r.reserve(uint64(n))
			for i := range n {
				reserved[worker] = append(reserved[worker], first+i)
			}
		}
	})
	seen := make(map[store.ID]bool)
	for _, ids := range reserved {
		for _, id := range ids {
			if seen[id] {
				kit.Failf("two calls of ReserveIDs returned ranges that hold ID %d", id)
			}
			seen[id] = true
		}
	}
}

func reserveDone(s *subject) {
	r := s.reserver()
	kit.WithDone(s.ctx, func(done context.Context) {
		if first, err := r.ReserveIDs(done, 10); worked(done, "ReserveIDs", err) {
			r.end = max(r.end, first+10)
		}
		r.reserve(10)
	})
}
