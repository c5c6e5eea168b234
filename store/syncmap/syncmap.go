// Package syncmap keeps results in a sync.Map.
//
//	p, err := pool.New(ctx, fn, syncmap.New[int](), nil)
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
// Get takes no lock. Put allocates a node of the map's trie, the boxed ID and
// the boxed Result. A loop over All takes no lock either. Deleted results give
// their memory back.
//
// # When to use
//
// When a program is built around sync.Map already, or many processors read
// results that are seldom written and whose IDs are not dense. Under the mixes of
// package bench, on two processors, it is about as fast as the other two maps while
// it is small, and the slowest with a million results held; dense is several times
// faster.
package syncmap

import (
	"context"
	"fmt"
	"iter"
	"math"
	"sync"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

// A Store is a [store.ResultStore] in a sync.Map. It ignores the contexts that
// it is given, since it never waits. The zero Store is empty, as one of [New] is.
type Store[R any] struct {
	m        sync.Map      // of store.ID to store.Result[R]
	reserved atomic.Uint64 // the highest ID that ReserveIDs has handed out
}

// New returns an empty store.
func New[R any]() *Store[R] { return new(Store[R]) }

// Put implements [store.ResultStore].
func (s *Store[R]) Put(_ context.Context, res store.Result[R]) error {
	if _, held := s.m.LoadOrStore(res.ID, res); held {
		return store.ErrExists
	}
	return nil
}

// Get implements [store.ResultStore].
func (s *Store[R]) Get(_ context.Context, id store.ID) (store.Result[R], error) {
	v, held := s.m.Load(id)
	if !held {
		return store.Result[R]{}, store.ErrNotFound
	}
	return v.(store.Result[R]), nil
}

// Delete implements [store.ResultStore].
func (s *Store[R]) Delete(_ context.Context, id store.ID) error {
	s.m.Delete(id)
	return nil
}

// All implements [store.ResultStore].
func (s *Store[R]) All(context.Context) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		for _, v := range s.m.Range {
			if !yield(v.(store.Result[R]), nil) {
				return
			}
		}
	}
}

// ReserveIDs implements [store.IDReserver], so that several pools can share s, at
// once or one after the other. It fails only if fewer than n IDs are left, and
// reserves none then.
func (s *Store[R]) ReserveIDs(_ context.Context, n uint64) (first store.ID, err error) {
	for {
		last := s.reserved.Load()
		if left := math.MaxUint64 - last; n > left { // an Add would begin again at 1
			return 0, fmt.Errorf("syncmap: %d IDs are left, want %d", left, n)
		}
		if s.reserved.CompareAndSwap(last, last+n) {
			return store.ID(last + 1), nil
		}
	}
}
