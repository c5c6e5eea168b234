package storetest_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"testing"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/storetest"
)

// A Store keeps results in a sync.Map, which may be changed in the body of a loop
// over it, as clause 6 wants. With a map under a mutex, All would have to copy
// what it holds before it yields the first.
type Store[R any] struct{ m sync.Map }

func New[R any]() *Store[R] { return new(Store[R]) }

func (s *Store[R]) Put(_ context.Context, res store.Result[R]) error {
	if _, held := s.m.LoadOrStore(res.ID, res); held {
		return store.ErrExists
	}
	return nil
}

func (s *Store[R]) Get(_ context.Context, id store.ID) (store.Result[R], error) {
	if res, held := s.m.Load(id); held {
		return res.(store.Result[R]), nil
	}
	return store.Result[R]{}, store.ErrNotFound
}

func (s *Store[R]) Delete(_ context.Context, id store.ID) error {
	s.m.Delete(id)
	return nil
}

func (s *Store[R]) All(context.Context) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		s.m.Range(func(_, res any) bool { return yield(res.(store.Result[R]), nil) })
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
