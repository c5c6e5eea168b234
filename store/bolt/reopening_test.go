package bolt_test

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
)

// A reopening is a store that closes its file and opens it again before every 16th call.
type reopening struct {
	tb   testing.TB
	path string
	n    atomic.Uint64 // calls
	mu   sync.RWMutex  // read-locked around a call
	st   *bolt.Store[int]
}

var (
	_ store.RecordPutter[int] = (*reopening)(nil)
	_ store.IDReserver        = (*reopening)(nil)
)

func (r *reopening) reopen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.st != nil {
		if err := r.st.Close(); err != nil {
			r.tb.Error(err)
		}
	}
	st, err := bolt.Open[int](r.path, kit(true))
	if err != nil {
		r.tb.Error(err) // the closed store goes on with errors
		return
	}
	r.st = st
}

// fresh returns the store with mu read-locked, until which nobody closes it.
func (r *reopening) fresh() *bolt.Store[int] {
	if r.n.Add(1)%16 == 0 {
		r.reopen()
	}
	r.mu.RLock()
	return r.st
}

func (r *reopening) Put(ctx context.Context, res store.Result[int]) error {
	st := r.fresh()
	defer r.mu.RUnlock()
	return st.Put(ctx, res)
}

func (r *reopening) PutBatch(ctx context.Context, res []store.Result[int]) error {
	st := r.fresh()
	defer r.mu.RUnlock()
	return st.PutBatch(ctx, res)
}

func (r *reopening) Encode(res store.Result[int]) ([]byte, error) {
	st := r.fresh()
	defer r.mu.RUnlock()
	return st.Encode(res)
}

func (r *reopening) PutRecords(ctx context.Context, recs []store.Record) error {
	st := r.fresh()
	defer r.mu.RUnlock()
	return st.PutRecords(ctx, recs)
}

func (r *reopening) Get(ctx context.Context, id store.ID) (store.Result[int], error) {
	st := r.fresh()
	defer r.mu.RUnlock()
	return st.Get(ctx, id)
}

func (r *reopening) Delete(ctx context.Context, id store.ID) error {
	st := r.fresh()
	defer r.mu.RUnlock()
	return st.Delete(ctx, id)
}

func (r *reopening) ReserveIDs(ctx context.Context, n uint64) (store.ID, error) {
	st := r.fresh()
	defer r.mu.RUnlock()
	return st.ReserveIDs(ctx, n)
}

// All yields what one whole loop has found, since the body may call the other methods.
func (r *reopening) All(ctx context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		st := r.fresh()
		type pair struct {
			res store.Result[int]
			err error
		}
		var all []pair
		for res, err := range st.All(ctx) {
			all = append(all, pair{res, err})
		}
		r.mu.RUnlock()
		for _, p := range all {
			if !yield(p.res, p.err) {
				return
			}
		}
	}
}
