package bolt

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bounded"
	"github.com/resultpool/resultpool/store/storetest"
)

// kit is how the kit's stores are opened. The errors that it puts are known without being registered.
func kit(noSync bool) *Options { return &Options{NoSync: noSync} }

func newStore(tb testing.TB) store.ResultStore[int] { return openAt[int](tb, newPath(tb), kit(false)) }

func BenchmarkStore(b *testing.B) { storetest.RunBenchmarks(b, newStore) }

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, fewer(10*time.Millisecond, newStore))
}

// fewer has the kit try fewer results than it would: as many as fit into a second if each
// Put took that long, which is how it measures the first store that is made. A disk that is
// fast at that moment may be slow, or busy, later.
func fewer(perPut time.Duration, newStore func(testing.TB) store.ResultStore[int]) func(testing.TB) store.ResultStore[int] {
	var measured atomic.Bool
	return func(tb testing.TB) store.ResultStore[int] {
		st := newStore(tb)
		if measured.Swap(true) {
			return st
		}
		return storetest.WithFaults(st, storetest.Faults{Put: storetest.Slow(perPut)})
	}
}

// TestConformanceReopening closes the file and opens it again between the calls, and uses
// the same file for one check after the other: it is emptied between them. (A check that
// wants two stores gets a second file.)
func TestConformanceReopening(t *testing.T) {
	t.Parallel()
	var unused []string
	storetest.Run(t, fewer(5*time.Millisecond, func(tb testing.TB) store.ResultStore[int] {
		if len(unused) == 0 {
			unused = append(unused, newPath(t))
		}
		r := &reopening{tb: tb, path: unused[len(unused)-1]}
		unused = unused[:len(unused)-1]
		r.reopen()
		tb.Cleanup(func() {
			ctx := t.Context()
			var ids []store.ID
			for res, err := range r.Store.All(ctx) {
				if res.ID == 0 { // else it is about a result that a check has made unreadable
					assert.NoError(tb, err)
				}
				ids = append(ids, res.ID)
			}
			assert.NoError(tb, r.DeleteBatch(ctx, ids))
			_, err := r.ReserveIDs(ctx, 1)
			assert.NoError(tb, r.Close())
			if err == nil { // else a check has reserved all IDs that there are
				unused = append(unused, r.path)
			}
		})
		return storetest.WithFaults(r, storetest.Faults{Put: r.fresh, Get: r.fresh, Delete: r.fresh, ReserveIDs: r.fresh})
	}))
	require.NotEmpty(t, unused)
}

// TestConformanceBounded lays limits over bolt that are far away.
func TestConformanceBounded(t *testing.T) {
	t.Parallel()
	storetest.Run(t, fewer(10*time.Millisecond, func(tb testing.TB) store.ResultStore[int] {
		st, err := bounded.New[int](openAt[int](tb, newPath(tb), kit(true)), bounded.Options{MaxResults: 1 << 30, MaxAge: time.Hour})
		require.NoError(tb, err)
		return st
	}))
}

// A reopening is a store that closes its file and opens it again before every 16th call.
type reopening struct {
	*Store[int] // whose file changes
	tb          testing.TB
	path        string
	n           atomic.Uint64 // calls
	junk        atomic.Bool   // the kit has put what Encode has not made
	mu          sync.RWMutex  // read-locked around a call
}

var _ store.RecordPutter[int] = (*reopening)(nil)

func (r *reopening) reopen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Store != nil {
		assert.NoError(r.tb, r.Close())
	}
	opts := kit(true)
	// What a store has written is in order, whatever that was. To read all of it each time
	// takes long.
	opts.Check = !r.junk.Load() && r.n.Load()%256 == 0
	st, err := Open[int](r.path, opts)
	switch {
	case !assert.NoError(r.tb, err): // the closed file goes on with errors
	case r.Store == nil:
		r.Store = st
	default:
		r.file = st.file
	}
}

// fresh is a storetest.Fault: nobody closes the file until do has returned.
func (r *reopening) fresh(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
	if r.n.Add(1)%16 == 0 {
		r.reopen()
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return do(ctx)
}

func (r *reopening) PutRecords(ctx context.Context, recs []store.Record) error {
	for _, rec := range recs {
		if rec.Data[0] == 0 { // which is no version of package codec
			r.junk.Store(true)
		}
	}
	return r.Store.PutRecords(ctx, recs)
}

// All yields what one whole loop has found, since the body may call the other methods.
func (r *reopening) All(ctx context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		var all []store.Result[int]
		var errs []error
		_ = r.fresh(ctx, nil, func(ctx context.Context) error {
			for res, err := range r.Store.All(ctx) {
				all, errs = append(all, res), append(errs, err)
			}
			return nil
		})
		for i, res := range all {
			if !yield(res, errs[i]) {
				return
			}
		}
	}
}
