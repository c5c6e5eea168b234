// Package xsync keeps results in an xsync.MapOf, the concurrent hash map of
// github.com/puzpuzpuz/xsync.
//
//	p, err := pool.New(ctx, fn, xsync.New[int](), nil)
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
// Get takes no lock. Put locks one bucket of a few entries and allocates one
// entry. A loop over All locks one bucket at a time while it copies its entries.
//
// The table doubles inside one Put, which copies all of it while every other writer waits; Gets go on. The pause
// grows with the table: on the way from one million results to four, the longest Put takes about a second, a third
// or more of the time for all of them (BenchmarkGrowth of package bench). The other stores in memory grow in small
// steps.
//
// # When to use
//
// When several goroutines write and read at once, the IDs are not dense (they have gaps, for example because they
// are not a pool's), and a pause of all writers does no harm.
package xsync

import (
	"context"
	"fmt"
	"iter"

	"github.com/puzpuzpuz/xsync/v3"

	"github.com/resultpool/resultpool/store"
)

// A Store is a [store.ResultStore] in an xsync.MapOf. It ignores the contexts
// that it is given, since it waits for nothing but a bucket's lock. Make one
// with [New]: the zero Store is closed.
type Store[R any] struct {
	m *xsync.MapOf[store.ID, entry[R]]

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

// errZero returns the error of all methods of the zero Store. It matches store.ErrClosed,
// so that a pool does not try again.
func errZero() error { return fmt.Errorf("xsync: this Store was not made by New: %w", store.ErrClosed) }

// sequence keeps the embedded field unexported: what could be reached as st.Sequence could
// be overwritten, and IDs handed out twice.
type sequence = store.Sequence

// New returns an empty store.
func New[R any]() *Store[R] {
	return &Store[R]{m: xsync.NewMapOf[store.ID, entry[R]]()}
}

// Put implements [store.ResultStore].
func (s *Store[R]) Put(_ context.Context, res store.Result[R]) error {
	if s.m == nil {
		return errZero()
	}
	// Not LoadOrStore, which hashes the ID and looks for it once more, to spare
	// the lock where the ID is held: a pool's never is.
	var err error
	s.m.Compute(res.ID, func(e entry[R], held bool) (entry[R], bool) {
		if held {
			err = store.ErrExists
			return e, false
		}
		return entry[R]{res.Value, res.Err}, false
	})
	return err
}

// Get implements [store.ResultStore].
func (s *Store[R]) Get(_ context.Context, id store.ID) (store.Result[R], error) {
	if s.m == nil {
		return store.Result[R]{}, errZero()
	}
	e, held := s.m.Load(id)
	if !held {
		return store.Result[R]{}, store.ErrNotFound
	}
	return e.result(id), nil
}

// Delete implements [store.ResultStore].
func (s *Store[R]) Delete(_ context.Context, id store.ID) error {
	if s.m == nil {
		return errZero()
	}
	s.m.Delete(id)
	return nil
}

// All implements [store.ResultStore].
func (s *Store[R]) All(context.Context) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		if s.m == nil {
			yield(store.Result[R]{}, errZero())
			return
		}
		for id, e := range s.m.Range {
			if !yield(e.result(id), nil) {
				return
			}
		}
	}
}

// ReserveIDs implements [store.IDReserver] as a [store.Sequence] does.
func (s *Store[R]) ReserveIDs(ctx context.Context, n uint64) (first store.ID, err error) {
	if s.m == nil {
		return 0, errZero()
	}
	return s.sequence.ReserveIDs(ctx, n)
}
