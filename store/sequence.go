package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
)

// A Sequence hands out the IDs 1, 2, 3, and so on. It is an [IDReserver] for stores in memory: a store that embeds
// one can serve several pools, at once or one after the other.
//
//	type Store struct {
//		store.Sequence
//		…
//	}
//
// The zero Sequence is ready to use, and its first ID is 1. It remembers nothing after the process ends, so a store
// on disk needs an IDReserver of its own. A Sequence does not know about results that are put into the store under
// IDs that it has not handed out.
//
// A Sequence must not be copied after its first use (go vet reports it): the copy would hand out the same IDs
// again. Its methods may be called from any number of goroutines at once.
type Sequence struct {
	last atomic.Uint64 // the highest ID that was handed out
}

// ReserveIDs implements [IDReserver]. It never waits and ignores ctx. It returns an error, and reserves nothing,
// only if n is 0 or fewer than n IDs are left.
func (s *Sequence) ReserveIDs(_ context.Context, n uint64) (first ID, err error) {
	if n == 0 {
		return 0, errors.New("store: ReserveIDs of 0 IDs, want 1 or more")
	}
	for {
		last := s.last.Load()
		// Not an Add, which would begin again at 1.
		if left := math.MaxUint64 - last; n > left {
			return 0, fmt.Errorf("store: %d IDs are left, want %d", left, n)
		}
		if s.last.CompareAndSwap(last, last+n) {
			return ID(last + 1), nil
		}
	}
}
