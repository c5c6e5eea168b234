// Package dense keeps results in an array indexed by ID, in segments that are
// made and given back as the IDs go by.
//
//	p, err := pool.New(ctx, fn, dense.New[int](), nil)
//
// # Durability
//
// None: results live in this process's memory until they are deleted.
//
// # Visibility
//
// A result is visible to every goroutine as soon as Put has returned.
//
// # Cost
//
// A segment of 1,024 results is allocated at once: 40 bytes for each Result[int],
// all included; the ID takes no room. Put and Get cost a few atomic operations
// on the result's own slot, without hashing. Growing copies no results. A loop
// over All takes no lock that a Put of a new ID needs for long.
//
// A segment's memory is given back when all of its 1,024 results have been put
// and deleted. Until then the values of its deleted results stay reachable: one
// result that is kept for ever keeps up to 1,023 others from being collected.
//
// # When to use
//
// By default. The IDs of a pool are dense and increasing, and this store is made
// for that. Any ID can be held, but scattered ones cost a segment each.
package dense

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

// A Store is a [store.ResultStore] in an array indexed by ID. It ignores the
// contexts that it is given, since it never waits. Make one with [New].
type Store[R any] struct {
	// newest is a short cut past mu to the segment that nearly every Put wants:
	// that with the highest index since it was last nil.
	newest atomic.Pointer[segment[R]]

	mu       sync.RWMutex
	segments map[uint64]*segment[R] // by segment.index; guarded by mu

	reserved atomic.Uint64 // the highest ID that ReserveIDs has handed out
}

// New returns an empty store.
func New[R any]() *Store[R] {
	return &Store[R]{segments: make(map[uint64]*segment[R])}
}

// Put implements [store.ResultStore].
func (s *Store[R]) Put(_ context.Context, res store.Result[R]) error {
	for {
		seg := s.findOrAdd(res.ID)
		switch seg.put(res) {
		case stored:
			return nil
		case exists:
			return store.ErrExists
		case retired:
			s.remove(seg) // whoever retired it may not have got so far
		}
	}
}

// Get implements [store.ResultStore].
func (s *Store[R]) Get(_ context.Context, id store.ID) (store.Result[R], error) {
	if seg := s.find(id); seg != nil {
		if res, held := seg.get(id); held {
			return res, nil
		}
	}
	return store.Result[R]{}, store.ErrNotFound
}

// Delete implements [store.ResultStore].
func (s *Store[R]) Delete(_ context.Context, id store.ID) error {
	if seg := s.find(id); seg != nil && seg.delete(id) {
		s.remove(seg)
	}
	return nil
}

// All implements [store.ResultStore]. Unlike other stores it yields results in
// the order of their IDs, but for those that were deleted and put again.
func (s *Store[R]) All(context.Context) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		for _, seg := range s.sorted() {
			for res := range seg.all {
				if !yield(res, nil) {
					return
				}
			}
		}
	}
}

// ReserveIDs implements [store.IDReserver], so that several pools can share s, at
// once or one after the other. It never fails.
func (s *Store[R]) ReserveIDs(_ context.Context, n uint64) (first store.ID, err error) {
	return store.ID(s.reserved.Add(n) - n + 1), nil
}

// find returns the segment for id, or nil. It may be retired by the time that
// the caller looks into it.
func (s *Store[R]) find(id store.ID) *segment[R] {
	index := uint64(id) >> segmentBits
	if seg := s.newest.Load(); seg != nil && seg.index == index {
		return seg
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.segments[index]
}

// findOrAdd returns the segment for id, likewise, and makes it if need be.
func (s *Store[R]) findOrAdd(id store.ID) *segment[R] {
	if seg := s.find(id); seg != nil {
		return seg
	}
	added := newSegment[R](uint64(id) >> segmentBits)
	s.mu.Lock()
	defer s.mu.Unlock()
	if seg := s.segments[added.index]; seg != nil {
		return seg
	}
	s.segments[added.index] = added
	if newest := s.newest.Load(); newest == nil || newest.index < added.index {
		s.newest.Store(added)
	}
	return added
}

// remove forgets a retired segment. It may be called more than once.
func (s *Store[R]) remove(seg *segment[R]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.segments[seg.index] == seg {
		delete(s.segments, seg.index)
	}
	s.newest.CompareAndSwap(seg, nil)
}

func (s *Store[R]) sorted() []*segment[R] {
	s.mu.RLock()
	segs := make([]*segment[R], 0, len(s.segments))
	for _, seg := range s.segments {
		segs = append(segs, seg)
	}
	s.mu.RUnlock()
	slices.SortFunc(segs, func(a, b *segment[R]) int { return cmp.Compare(a.index, b.index) })
	return segs
}
