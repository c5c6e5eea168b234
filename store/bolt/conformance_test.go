package bolt_test

import (
	"context"
	"io"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
	"github.com/resultpool/resultpool/store/codec"
	"github.com/resultpool/resultpool/store/storetest"
)

// kit is how the kit's stores are opened: package codec has to know the errors that
// it puts. (Those of package context and package store it knows by itself.)
func kit(noSync bool) *bolt.Options {
	return &bolt.Options{
		Codec:  &codec.Options{Errors: map[string]error{"io.EOF": io.EOF, "fs.ErrNotExist": fs.ErrNotExist}},
		NoSync: noSync,
	}
}

func newStore(tb testing.TB) store.ResultStore[int] {
	return open(tb, filepath.Join(tb.TempDir(), "results.db"), kit(false))
}

// open opens a store that is closed when the test ends.
func open(tb testing.TB, path string, opts *bolt.Options) *bolt.Store[int] {
	tb.Helper()
	st, err := bolt.Open[int](path, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { assert.NoError(tb, st.Close()) })
	return st
}

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

func BenchmarkStore(b *testing.B) { storetest.RunBenchmarks(b, newStore) }

// TestConformanceReopening closes the file and opens it again between the calls.
func TestConformanceReopening(t *testing.T) {
	t.Parallel()
	storetest.Run(t, fewer(time.Millisecond, func(tb testing.TB) store.ResultStore[int] {
		r := &reopening{tb: tb, path: filepath.Join(tb.TempDir(), "results.db")}
		r.reopen()
		tb.Cleanup(func() { assert.NoError(tb, r.st.Close()) })
		return r
	}))
}

// TestConformanceOneFile uses the same file for one check after the other: it is emptied
// and closed between them. (A check that wants two stores gets a second file.)
func TestConformanceOneFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var unused []string
	files := 0
	storetest.Run(t, fewer(time.Millisecond, func(tb testing.TB) store.ResultStore[int] {
		var path string
		if n := len(unused); n > 0 {
			path, unused = unused[n-1], unused[:n-1]
		} else {
			files++
			path = filepath.Join(dir, string(rune('a'+files))+".db")
		}
		st, err := bolt.Open[int](path, kit(true))
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			ctx := t.Context()
			for res, err := range st.All(ctx) {
				if res.ID == 0 { // else it is about a result that a check has made unreadable
					assert.NoError(tb, err)
				}
				assert.NoError(tb, st.Delete(ctx, res.ID))
			}
			_, err := st.ReserveIDs(ctx, 1)
			assert.NoError(tb, st.Close())
			if err == nil { // else a check has reserved all IDs that there are
				unused = append(unused, path)
			}
		})
		return st
	}))
	require.NotEmpty(t, unused)
}
