package storetest_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/storetest"
)

// A Store keeps results in a map under a mutex.
type Store[R any] struct {
	mu sync.Mutex
	m  map[store.ID]store.Result[R] // guarded by mu
}

func New[R any]() *Store[R] { return &Store[R]{m: make(map[store.ID]store.Result[R])} }

func (s *Store[R]) Put(_ context.Context, res store.Result[R]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, held := s.m[res.ID]; held {
		return store.ErrExists
	}
	s.m[res.ID] = res
	return nil
}

func (s *Store[R]) Get(_ context.Context, id store.ID) (store.Result[R], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	res, held := s.m[id]
	if !held {
		return store.Result[R]{}, store.ErrNotFound
	}
	return res, nil
}

func (s *Store[R]) Delete(_ context.Context, id store.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, id)
	return nil
}

// All copies what is held, so that no lock is held while the body runs: clause 6.
func (s *Store[R]) All(context.Context) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		s.mu.Lock()
		all := slices.Collect(maps.Values(s.m))
		s.mu.Unlock()
		for _, res := range all {
			if !yield(res, nil) {
				return
			}
		}
	}
}

// What follows is all of the store's own test file. There the functions are
// called TestConformance and BenchmarkStore.

func newStore(testing.TB) store.ResultStore[int] { return New[int]() }

func testConformance(t *testing.T) { storetest.Run(t, newStore) }

func benchmarkStore(b *testing.B) { storetest.RunBenchmarks(b, newStore) }

// A store of one's own, and all that it takes to prove and to measure it.
func Example() {
	ctx := context.Background()
	st := New[string]()
	fmt.Println(st.Put(ctx, store.Result[string]{ID: 1, Value: "first"}))
	fmt.Println(st.Put(ctx, store.Result[string]{ID: 1, Value: "second"}))
	res, err := st.Get(ctx, 1)
	fmt.Println(res.Value, err)
	// Output:
	// <nil>
	// store: result already exists
	// first <nil>
}
