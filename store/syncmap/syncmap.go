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
// When a program uses sync.Map everywhere already, or many processors read results that are seldom written and
// whose IDs are not dense (have gaps). On two processors it is the slowest of the stores in memory under most mixes
// (docs/choosing-a-store.md); package dense is several times faster.
package syncmap

import (
	"context"
	"iter"
	"sync"

	"github.com/resultpool/resultpool/store"
)

// A Store is a [store.ResultStore] in a sync.Map, and reserves IDs as a [store.Sequence]
// does. It ignores the contexts that it is given, since it never waits. The zero Store is
// empty, like one of [New].
type Store[R any] struct {
	m sync.Map // of store.ID to store.Result[R]
	sequence
}

// sequence keeps the embedded field unexported: what could be reached as st.Sequence could
// be overwritten, and IDs handed out twice.
type sequence = store.Sequence

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
