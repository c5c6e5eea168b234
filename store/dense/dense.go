// Package dense keeps results in an array indexed by ID, in segments that are allocated and freed as the IDs go by.
// It is for dense IDs: those of a pool, which leave no gaps.
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
// A segment is allocated at once: 12 bytes for each Result[int], and 16 more in a segment that has errors; the ID
// takes no room. A segment has 1,024 results, or as many as have 64 KiB of values, whichever is less, but at least
// one. Put and Get cost a few atomic operations on the result's own slot, and take no lock. Growing copies no
// results, so it makes no Put slow (BenchmarkGrowth of package bench). A loop over All takes no lock, except for
// results that were deleted and put again, so a copy does not hold up writers.
//
// The garbage collector does not scan results whose type has no pointers, however many there are.
//
// A segment's memory is freed when all of its results have been put and deleted. Until then the values of its
// deleted results, and what they refer to, stay reachable: one result that is kept for ever keeps up to 1,023
// others from being collected.
//
// # When to use
//
// By default. The IDs of a pool are dense and increasing, and this store is made for that. Any ID can be held, and
// does not slow down others, but each scattered ID costs a segment. So does an ID that is put again after all of
// its segment was deleted.
package dense

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/resultpool/resultpool/internal/directory"
	"github.com/resultpool/resultpool/store"
)

// A Store is a [store.ResultStore] in an array indexed by ID, and reserves IDs as a
// [store.Sequence] does. It ignores the contexts that it is given, since it never waits.
// The zero Store is empty, like one of [New].
type Store[R any] struct {
	dir directory.Directory[segment[R]]
	sequence
}

// sequence keeps the embedded field unexported: what could be reached as st.Sequence could
// be overwritten, and IDs handed out twice.
type sequence = store.Sequence

// New returns an empty store.
func New[R any]() *Store[R] { return new(Store[R]) }

// Put implements [store.ResultStore].
func (s *Store[R]) Put(_ context.Context, res store.Result[R]) error {
	index := indexOf[R](res.ID)
	if index == directory.Max {
		return fmt.Errorf("%w: dense: the ID is 0", store.ErrRejected)
	}
	for {
		seg := s.dir.Find(index)
		if seg == nil {
			seg = s.dir.FindOrAdd(index, newSegment[R])
		}
		switch seg.Body.put(res) {
		case stored:
			return nil
		case exists:
			return store.ErrExists
		case retired:
			s.dir.Remove(seg, nil) // the Delete that retired it may not have got so far
		}
	}
}

// Get implements [store.ResultStore].
func (s *Store[R]) Get(_ context.Context, id store.ID) (store.Result[R], error) {
	if seg := s.dir.Find(indexOf[R](id)); seg != nil {
		if res, ok := seg.Body.get(id); ok {
			return res, nil
		}
	}
	return store.Result[R]{}, store.ErrNotFound
}

// Delete implements [store.ResultStore].
func (s *Store[R]) Delete(_ context.Context, id store.ID) error {
	if seg := s.dir.Find(indexOf[R](id)); seg != nil && seg.Body.delete(id) {
		s.dir.Remove(seg, nil)
	}
	return nil
}

// All implements [store.ResultStore]. Unlike other stores it yields results in the order of their IDs, except for
// those that were deleted and put again.
func (s *Store[R]) All(context.Context) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		segs := s.dir.Segments()
		slices.SortFunc(segs, func(a, b *directory.Segment[segment[R]]) int { return cmp.Compare(a.Index(), b.Index()) })
		for _, seg := range segs {
			if !seg.Body.all(firstOf[R](seg.Index()), func(res store.Result[R]) bool { return yield(res, nil) }) {
				return
			}
		}
	}
}
