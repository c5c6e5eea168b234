package bench_test

import (
	"context"
	"iter"
	"sync"

	"github.com/resultpool/resultpool/store"
)

// naive is the obvious store. All holds the read lock for as long as the loop
// goes on, so a copy holds up every writer until it is complete, and a Put in
// the body of the loop would hang.
type naive struct {
	mu sync.RWMutex
	m  map[store.ID]store.Result[int] // guarded by mu
}

func newNaive() *naive { return &naive{m: make(map[store.ID]store.Result[int])} }

func (s *naive) Put(_ context.Context, res store.Result[int]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, held := s.m[res.ID]; held {
		return store.ErrExists
	}
	s.m[res.ID] = res
	return nil
}

func (s *naive) Get(_ context.Context, id store.ID) (store.Result[int], error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	res, held := s.m[id]
	if !held {
		return store.Result[int]{}, store.ErrNotFound
	}
	return res, nil
}

func (s *naive) Delete(_ context.Context, id store.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, id)
	return nil
}

func (s *naive) All(context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		for _, res := range s.m {
			if !yield(res, nil) {
				return
			}
		}
	}
}
