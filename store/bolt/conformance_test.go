package bolt

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
	"github.com/resultpool/resultpool/store/storetest"
)

// kit is how the kit's stores are opened: package codec has to know the errors that
// it puts. (Those of package context and package store it knows by itself.)
func kit(noSync bool) *Options {
	return &Options{
		Codec:  &codec.Options{Errors: map[string]error{"io.EOF": io.EOF, "fs.ErrNotExist": fs.ErrNotExist}},
		NoSync: noSync,
	}
}

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
		return slow{st, perPut}
	}
}

type slow struct {
	store.ResultStore[int]
	perPut time.Duration
}

func (s slow) Put(ctx context.Context, res store.Result[int]) error {
	time.Sleep(s.perPut)
	return s.ResultStore.Put(ctx, res)
}

// TestConformanceReopening closes the file and opens it again between the calls, and uses
// the same file for one check after the other: it is emptied between them. (A check that
// wants two stores gets a second file.)
func TestConformanceReopening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var unused []string
	files := 0
	storetest.Run(t, fewer(time.Millisecond, func(tb testing.TB) store.ResultStore[int] {
		if len(unused) == 0 {
			files++
			unused = append(unused, filepath.Join(dir, fmt.Sprintf("%d.db", files)))
		}
		r := &reopening{tb: tb, path: unused[len(unused)-1]}
		unused = unused[:len(unused)-1]
		r.reopen()
		tb.Cleanup(func() {
			ctx := t.Context()
			for res, err := range r.st.All(ctx) {
				if res.ID == 0 { // else it is about a result that a check has made unreadable
					assert.NoError(tb, err)
				}
				assert.NoError(tb, r.st.Delete(ctx, res.ID))
			}
			_, err := r.st.ReserveIDs(ctx, 1)
			assert.NoError(tb, r.st.Close())
			if err == nil { // else a check has reserved all IDs that there are
				unused = append(unused, r.path)
			}
		})
		return r
	}))
	require.NotEmpty(t, unused)
}

// A reopening is a store that closes its file and opens it again before every 16th call.
type reopening struct {
	tb   testing.TB
	path string
	n    atomic.Uint64 // calls
	junk atomic.Bool   // the kit has put what Encode has not made
	mu   sync.RWMutex  // read-locked around a call
	st   *Store[int]
}

var (
	_ store.RecordPutter[int] = (*reopening)(nil)
	_ store.IDReserver        = (*reopening)(nil)
)

func (r *reopening) reopen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.st != nil {
		assert.NoError(r.tb, r.st.Close())
	}
	opts := kit(true)
	// What a store has written is in order, whatever that was. To read all of it each time
	// takes long.
	opts.Check = !r.junk.Load() && r.n.Load()%256 == 0
	if st, err := Open[int](r.path, opts); assert.NoError(r.tb, err) {
		r.st = st // else the closed store goes on with errors
	}
}

// fresh returns the store, and done: nobody closes the store until that is called.
func (r *reopening) fresh() (st *Store[int], done func()) {
	if r.n.Add(1)%16 == 0 {
		r.reopen()
	}
	r.mu.RLock()
	return r.st, r.mu.RUnlock
}

func (r *reopening) Put(ctx context.Context, res store.Result[int]) error {
	st, done := r.fresh()
	defer done()
	return st.Put(ctx, res)
}

func (r *reopening) PutBatch(ctx context.Context, res []store.Result[int]) error {
	st, done := r.fresh()
	defer done()
	return st.PutBatch(ctx, res)
}

func (r *reopening) Encode(res store.Result[int]) ([]byte, error) {
	st, done := r.fresh()
	defer done()
	return st.Encode(res)
}

func (r *reopening) PutRecords(ctx context.Context, recs []store.Record) error {
	for _, rec := range recs {
		if rec.Data[0] == 0 { // which is no version of package codec
			r.junk.Store(true)
		}
	}
	st, done := r.fresh()
	defer done()
	return st.PutRecords(ctx, recs)
}

func (r *reopening) Get(ctx context.Context, id store.ID) (store.Result[int], error) {
	st, done := r.fresh()
	defer done()
	return st.Get(ctx, id)
}

func (r *reopening) Delete(ctx context.Context, id store.ID) error {
	st, done := r.fresh()
	defer done()
	return st.Delete(ctx, id)
}

func (r *reopening) ReserveIDs(ctx context.Context, n uint64) (store.ID, error) {
	st, done := r.fresh()
	defer done()
	return st.ReserveIDs(ctx, n)
}

// All yields what one whole loop has found, since the body may call the other methods.
func (r *reopening) All(ctx context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		st, done := r.fresh()
		var all []store.Result[int]
		var errs []error
		for res, err := range st.All(ctx) {
			all, errs = append(all, res), append(errs, err)
		}
		done()
		for i, res := range all {
			if !yield(res, errs[i]) {
				return
			}
		}
	}
}
