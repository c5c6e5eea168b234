package dense

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

// Large values: segments are bounded by bytes.

// The first result takes the memory of a segment, which is its own or 64 KiB and little more, and each of
// many about its own.
func TestMemoryOfLargeValues(t *testing.T) {
	t.Run("int", func(t *testing.T) { checkMemory[int](t, segmentSize) })
	t.Run("64 B", func(t *testing.T) { checkMemory[[64]byte](t, segmentSize) })
	t.Run("65 B", func(t *testing.T) { checkMemory[[65]byte](t, 1008) })
	t.Run("1 KiB", func(t *testing.T) { checkMemory[[1 << 10]byte](t, 64) })
	t.Run("40 kB", func(t *testing.T) { checkMemory[[40_000]byte](t, 1) })
	t.Run("256 KiB", func(t *testing.T) { checkMemory[[256 << 10]byte](t, 1) })
}

func checkMemory[R any](t *testing.T, size uint64) {
	const little, n = 16 << 10, 40 // the runtime allocates some kilobytes of its own meanwhile
	var value R
	bytes := int64(unsafe.Sizeof(value))
	require.Equal(t, size, sizeFor[R]())
	s := New[R]()
	before := heap()
	require.NoError(t, s.Put(t.Context(), store.Result[R]{ID: 1}))
	assert.Less(t, heap()-before, max(maxBytes, bytes)+little, "bytes for one result")
	before = heap()
	for id := store.ID(2); id <= n; id++ {
		require.NoError(t, s.Put(t.Context(), store.Result[R]{ID: id}))
	}
	assert.LessOrEqual(t, heap()-before, n*(bytes+bytes/4)+little, "bytes for %d more", n-1)
	runtime.KeepAlive(s)
}

// What is true of a store of small values is true of one whose segments are of a few slots, of three, or of
// one.
func TestLargeValues(t *testing.T) {
	t.Run("64", func(t *testing.T) { checkLarge[[1 << 7]int64](t) })
	t.Run("3", func(t *testing.T) { checkLarge[[20_000 / 8]int64](t) })
	t.Run("1", func(t *testing.T) { checkLarge[[1 << 13]int64](t) })
}

func checkLarge[R [1 << 7]int64 | [20_000 / 8]int64 | [1 << 13]int64](t *testing.T) {
	ctx, s := t.Context(), New[R]()
	wide := func(id store.ID, n int) store.Result[R] {
		res := store.Result[R]{ID: id}
		last := &res.Value[len(res.Value)-1]
		if *last = int64(n); n%3 == 0 {
			res.Err = fmt.Errorf("error %d", n)
		}
		return res
	}
	same := func(a, b store.Result[R]) bool {
		return a.ID == b.ID && a.Value == b.Value && fmt.Sprint(a.Err) == fmt.Sprint(b.Err)
	}
	const n = 200
	ids := append([]store.ID{1<<63 + 1, 1<<64 - 1}, make([]store.ID, n)...)
	for i := range n {
		ids[i+2] = store.ID(i + 1)
	}
	for _, id := range ids {
		require.NoError(t, s.Put(ctx, wide(id, int(id))))
		require.ErrorIs(t, s.Put(ctx, wide(id, 0)), store.ErrExists)
	}
	next := 2 // All is in order of IDs, and the far ones are the last
	for res, err := range s.All(ctx) {
		require.NoError(t, err)
		id := ids[next%len(ids)]
		require.True(t, same(wide(id, int(id)), res), "%d in place of %d", res.ID, id)
		next++
	}
	require.Equal(t, len(ids)+2, next)

	for _, id := range ids {
		require.NoError(t, s.Delete(ctx, id))
		for _, id := range []store.ID{id, 0} {
			_, err := s.Get(ctx, id)
			require.ErrorIs(t, err, store.ErrNotFound)
			require.NoError(t, s.Delete(ctx, id))
		}
	}
	if sizeFor[R]() == 1 {
		assert.ErrorIs(t, s.Put(ctx, wide(0, 1)), store.ErrRejected)
		assert.Empty(t, s.dir.Segments())
	} else {
		assert.LessOrEqual(t, len(s.dir.Segments()), 3, "of far IDs, and the last; they were not full")
	}

	var wg sync.WaitGroup
	for id := range store.ID(4) { // neighbours in one segment, or each alone
		wg.Go(func() {
			for value := range 200 {
				want := wide(id+1, value)
				assert.NoError(t, s.Put(ctx, want))
				got, err := s.Get(ctx, id+1)
				assert.NoError(t, err)
				assert.True(t, same(want, got), "%d: value %d", id+1, value)
				assert.NoError(t, s.Delete(ctx, id+1))
				_, err = s.Get(ctx, id+1)
				assert.ErrorIs(t, err, store.ErrNotFound)
			}
		})
	}
	wg.Wait()
}
