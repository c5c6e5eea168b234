package dense

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

// TestFarIDs: an ID far from all others costs one segment, wherever it is, and
// dense ones are found as fast as without it.
func TestFarIDs(t *testing.T) {
	ctx := t.Context()
	far := []store.ID{1 << 40, 1<<63 - 1, 1 << 63, math.MaxUint64 - segmentSize, math.MaxUint64}
	s := New[int]()
	for i, id := range far {
		require.NoError(t, s.Put(ctx, result(id, i)))
		require.Equal(t, store.ErrExists, s.Put(ctx, result(id, i)))
	}
	for id := store.ID(1); id < 4*segmentSize; id++ {
		require.NoError(t, s.Put(ctx, result(id, int(id))))
	}
	assert.LessOrEqual(t, len(s.dir.table.Load().entries), 8*len(live(s)))

	for i, id := range far {
		res, err := s.Get(ctx, id)
		assert.NoError(t, err)
		assert.Equal(t, result(id, i), res)
		_, err = s.Get(ctx, id-2)
		assert.Equal(t, store.ErrNotFound, err)
	}
	var last store.ID
	n := 0
	for res := range s.All(ctx) {
		require.Greater(t, res.ID, last)
		last = res.ID
		n++
	}
	assert.Equal(t, len(far)+4*segmentSize-1, n)

	for _, id := range far {
		require.NoError(t, s.Delete(ctx, id))
		_, err := s.Get(ctx, id)
		assert.Equal(t, store.ErrNotFound, err)
	}
}

// TestErrorsAreApart: a segment has an array for errors only once it needs it, and
// then each result has its own error, or none.
func TestErrorsAreApart(t *testing.T) {
	ctx := t.Context()
	s := New[int]()
	for id := store.ID(1); id < 3*segmentSize; id++ {
		value := 0 // no error
		if id >= segmentSize && id < 2*segmentSize {
			value = int(id)
		}
		require.NoError(t, s.Put(ctx, result(id, value)))
	}
	assert.Nil(t, s.dir.find(0).errs.Load())
	assert.NotNil(t, s.dir.find(1).errs.Load())
	assert.Nil(t, s.dir.find(2).errs.Load())
	for id := store.ID(segmentSize); id < 2*segmentSize; id++ {
		res, err := s.Get(ctx, id)
		require.NoError(t, err)
		require.Equal(t, result(id, int(id)), res)
	}
	for res := range s.All(ctx) {
		require.Equal(t, result(res.ID, res.Value), res)
	}
}

// TestBytesKept is about what a Result[int] costs in memory, all included.
func TestBytesKept(t *testing.T) {
	const (
		n    = 300_000
		most = 24 // bytes; 16 are the slot
	)
	ctx := t.Context()
	s := New[int]()
	before := heap()
	for id := range store.ID(n) {
		require.NoError(t, s.Put(ctx, store.Result[int]{ID: id + 1, Value: 1}))
	}
	kept := float64(heap()-before) / n
	runtime.KeepAlive(s)
	t.Logf("%.2f bytes a result", kept)
	assert.LessOrEqual(t, kept, float64(most))
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first has found, the second has swept
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestWindowIsConstantMemory runs a window of IDs through a store: neither the
// directory nor anything else may grow with what is gone.
func TestWindowIsConstantMemory(t *testing.T) {
	const window = 2500
	ctx := t.Context()
	s := New[int]()
	id := store.ID(0)
	slide := func(n int) {
		for range n {
			id++
			require.NoError(t, s.Put(ctx, result(id, 0)))
			if id > window {
				require.NoError(t, s.Delete(ctx, id-window))
			}
		}
	}
	slide(10 * segmentSize)
	before := heap()
	slide(500 * segmentSize)
	assert.Less(t, heap()-before, int64(5*segmentSize*16), "bytes more after another 500 segments")
	runtime.KeepAlive(s)
}

// TestAllocations: what is allocated is segments, and a table now and then.
func TestAllocations(t *testing.T) {
	const segments = 50
	ctx := t.Context()
	s := New[int]()
	id := store.ID(0)
	allocs := testing.AllocsPerRun(1, func() {
		for range segments * segmentSize {
			id++
			_ = s.Put(ctx, store.Result[int]{ID: id, Value: 1})
			_, _ = s.Get(ctx, id)
			_ = s.Delete(ctx, id)
		}
	})
	assert.LessOrEqual(t, allocs, float64(4*segments))
}

// TestGivenBackInAnyOrder deletes and puts again at random until all is deleted.
func TestGivenBackInAnyOrder(t *testing.T) {
	const n = 4 * segmentSize
	ctx := t.Context()
	s := New[int]()
	rng := rand.New(rand.NewPCG(1, 1))
	for id := store.ID(1); id < n; id++ {
		require.NoError(t, s.Put(ctx, result(id, int(id))))
	}
	for _, i := range rng.Perm(n) {
		id := store.ID(i)
		require.NoError(t, s.Delete(ctx, id))
		if again := store.ID(rng.IntN(n)); again != 0 && rng.IntN(3) == 0 {
			if err := s.Put(ctx, result(again, -2)); err == nil {
				require.NoError(t, s.Delete(ctx, again))
			} else {
				require.Equal(t, store.ErrExists, err)
			}
		}
	}
	for res := range s.All(ctx) {
		assert.Fail(t, "not deleted", "%v", res)
	}
	for _, seg := range live(s) { // made by a Put after the one before was retired
		first := store.ID(seg.index << segmentBits)
		for id := max(1, first); id < first+segmentSize; id++ {
			require.NoError(t, s.Put(ctx, result(id, 0)))
			require.NoError(t, s.Delete(ctx, id))
		}
	}
	assert.Empty(t, live(s))
}

// TestTraffic has two goroutines put a row of IDs, each of which deletes all but
// every 16th some time later, in its own order; one that gets what is surely there;
// and one that loops over all. Segments come and go under them; errors come in
// some. At last the rest is deleted, and no segment may be left.
func TestTraffic(t *testing.T) {
	const (
		putters = 2
		n       = 64 * segmentSize
		lag     = 700 // how many of its results a putter has deleted less than put
	)
	ctx := t.Context()
	s := New[int]()
	value := func(id store.ID) int {
		if id>>segmentBits%2 == 0 {
			return 2 * int(id)
		}
		return int(id) // odd ones with errors
	}
	kept := func(id store.ID) bool { return id%16 == 0 }
	var next, over atomic.Uint64
	var newest [putters]atomic.Uint64 // the last kept ID that each has put
	var wg, readers sync.WaitGroup
	for i := range putters {
		wg.Go(func() {
			defer over.Add(1)
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			var pending []store.ID
			drop := func() {
				j := rng.IntN(len(pending))
				id := pending[j]
				pending[j] = pending[len(pending)-1]
				pending = pending[:len(pending)-1]
				res, err := s.Get(ctx, id)
				assert.NoError(t, err)
				assert.Equal(t, result(id, value(id)), res)
				assert.NoError(t, s.Delete(ctx, id))
			}
			for id := store.ID(next.Add(1)); id < n; id = store.ID(next.Add(1)) {
				assert.NoError(t, s.Put(ctx, result(id, value(id))))
				if kept(id) {
					newest[i].Store(uint64(id))
					continue
				}
				if pending = append(pending, id); len(pending) > lag {
					drop()
				}
			}
			for len(pending) > 0 {
				drop()
			}
		})
	}
	readers.Go(func() {
		for over.Load() < putters {
			for i := range newest {
				id := store.ID(newest[i].Load())
				if id == 0 {
					continue
				}
				if res, err := s.Get(ctx, id); err != nil || res != result(id, value(id)) {
					assert.Fail(t, "a result is gone", "ID %d: got %v and error %v", id, res, err)
					return
				}
			}
			runtime.Gosched()
		}
	})
	readers.Go(func() {
		for over.Load() < putters {
			first, last := store.ID(newest[0].Load()), store.ID(0)
			seen := false
			for res := range s.All(ctx) {
				if res.ID <= last || res != result(res.ID, value(res.ID)) {
					assert.Fail(t, "what All yields is wrong", "after ID %d: %v", last, res)
					return
				}
				last = res.ID
				seen = seen || res.ID == first
			}
			if first != 0 && !seen {
				assert.Fail(t, "All has missed a result", "ID %d", first)
				return
			}
		}
	})
	wg.Wait()
	readers.Wait()

	left := 0
	for res := range s.All(ctx) {
		require.True(t, kept(res.ID))
		require.NoError(t, s.Delete(ctx, res.ID))
		left++
	}
	assert.Equal(t, n/16-1, left)
	assert.Empty(t, live(s))
}
