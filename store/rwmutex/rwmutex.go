// Package rwmutex keeps results in a map under a sync.RWMutex.
//
//	p, err := pool.New(ctx, fn, rwmutex.New[int](), nil)
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
// A Put locks the whole map, and Gets wait for it. A loop over All takes the read lock for a few thousand results
// at a time. So while a million results are copied, a writer waits less than a millisecond, not until the copy is
// complete (BenchmarkStall of package bench). The map does not shrink when results are deleted, but reuses the
// room.
//
// A Put hashes its ID once if the ID is new, as a pool's are, and twice if it may
// have been put before.
//
// # When to use
//
// When you want a plain map that is easy to debug. Package dense is several times faster and smaller
// for the IDs that a pool gives out.
package rwmutex

import (
	"context"
	"iter"
	"sync"

	"github.com/resultpool/resultpool/store"
)

// A Store is a [store.ResultStore] in a map under a sync.RWMutex, and reserves IDs as a
// [store.Sequence] does. It ignores the contexts that it is given, since it never waits
// for anything but its lock. The zero Store is empty, like one of [New].
type Store[R any] struct {
	mu     sync.RWMutex
	m      map[store.ID]entry[R] // nil before the first Put; guarded by mu
	recent recent                // guarded by mu

	sequence
}

// An entry is a Result without its ID, which is the key.
type entry[R any] struct {
	value R
	err   error
}

func (e entry[R]) result(id store.ID) store.Result[R] {
	return store.Result[R]{ID: id, Value: e.value, Err: e.err}
}

// sequence keeps the embedded field unexported: what could be reached as st.Sequence could
// be overwritten, and IDs handed out twice.
type sequence = store.Sequence

// New returns an empty store.
func New[R any]() *Store[R] { return new(Store[R]) }

// Put implements [store.ResultStore].
func (s *Store[R]) Put(_ context.Context, res store.Result[R]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.recent.first(res.ID) {
		if _, held := s.m[res.ID]; held {
			return store.ErrExists
		}
	}
	if s.m == nil {
		s.m = make(map[store.ID]entry[R])
	}
	s.m[res.ID] = entry[R]{res.Value, res.Err}
	return nil
}

// Get implements [store.ResultStore].
func (s *Store[R]) Get(_ context.Context, id store.ID) (store.Result[R], error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, held := s.m[id]
	if !held {
		return store.Result[R]{}, store.ErrNotFound
	}
	return e.result(id), nil
}

// Delete implements [store.ResultStore].
func (s *Store[R]) Delete(_ context.Context, id store.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, id)
	return nil
}

// chunk is how many results All copies under one read lock. A writer may have to
// wait for all of them, which takes some tenths of a millisecond; but it should
// not wait often. To wait is to sleep, and of a few hundred wake-ups one comes
// milliseconds late, since the operating system has put another thread first. With
// a chunk of 256 such a one is in nearly every copy of a million results.
const chunk = 8192

// All implements [store.ResultStore].
//
// One range over the map goes on across many short read locks: Go lets a map
// change during a range, as long as no change is concurrent with a step of it,
// and yields each entry that stays exactly once.
func (s *Store[R]) All(context.Context) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		var buf []store.Result[R]
		flush := func() bool { // called without the lock
			for _, res := range buf {
				if !yield(res, nil) {
					return false
				}
			}
			buf = buf[:0]
			return true
		}

		s.mu.RLock()
		for id, e := range s.m {
			buf = append(buf, e.result(id))
			if len(buf) < chunk {
				continue
			}
			s.mu.RUnlock()
			if !flush() {
				return
			}
			s.mu.RLock()
		}
		s.mu.RUnlock()
		flush()
	}
}
