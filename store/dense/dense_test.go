package dense

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/directory"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/storetest"
)

// segmentSize is that of the segments of ints, as the package comment says.
const segmentSize = 1024

func newStore(testing.TB) store.ResultStore[int] { return New[int]() }

func TestConformance(t *testing.T) { storetest.Run(t, newStore) }

func BenchmarkStore(b *testing.B) { storetest.RunBenchmarks(b, newStore) }

// result is what is put under id: an odd value comes with an error.
func result(id store.ID, value int) store.Result[int] {
	res := store.Result[int]{ID: id, Value: value}
	if value%2 != 0 {
		res.Err = fmt.Errorf("error of value %d", value)
	}
	return res
}

func assertHolds(t *testing.T, s *Store[int], id store.ID, value int) {
	t.Helper()
	res, err := s.Get(t.Context(), id)
	assert.NoError(t, err)
	assert.Equal(t, result(id, value), res)
}

// TestAllIsInOrderOfIDs, whatever the order in which they were put, near and far.
func TestAllIsInOrderOfIDs(t *testing.T) {
	ctx := t.Context()
	s := New[int]()
	want := slices.Clone(far)
	for id := store.ID(1); id <= 5*segmentSize; id++ {
		want = append(want, id)
	}
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(want)) {
		require.NoError(t, s.Put(ctx, store.Result[int]{ID: want[i]}))
	}
	var got []store.ID
	for res, err := range s.All(ctx) {
		require.NoError(t, err)
		got = append(got, res.ID)
	}
	slices.Sort(want)
	assert.Equal(t, want, got)
}

// TestAllIsWeaklyConsistent changes the store in the body of a loop. What is
// ahead of the loop in a segment that existed when it began is seen as it is when
// the loop comes there.
func TestAllIsWeaklyConsistent(t *testing.T) {
	ctx := t.Context()
	s := New[int]()
	for id := store.ID(1); id <= 3; id++ {
		require.NoError(t, s.Put(ctx, store.Result[int]{ID: id}))
	}
	var seen []store.ID
	for res, err := range s.All(ctx) {
		require.NoError(t, err)
		seen = append(seen, res.ID)
		if len(seen) > 1 {
			continue
		}
		require.NoError(t, s.Delete(ctx, 1))
		require.NoError(t, s.Delete(ctx, 2))                                      // not seen
		require.NoError(t, s.Put(ctx, store.Result[int]{ID: 4}))                  // seen
		require.NoError(t, s.Put(ctx, store.Result[int]{ID: 4 + segmentSize}))    // not seen
		require.NoError(t, s.Put(ctx, store.Result[int]{ID: 1, Value: 1}))        // seen again, last
		require.ErrorIs(t, s.Put(ctx, store.Result[int]{ID: 3}), store.ErrExists) // seen once
	}
	assert.Equal(t, []store.ID{1, 3, 4, 1}, seen)
}

// A loop over results that were put again is like any other: its body may call the
// store, and leave.
func TestLoopOverResultsPutAgain(t *testing.T) {
	ctx := t.Context()
	for leave := range 6 {
		s := New[int]()
		for range 2 {
			for id := store.ID(1); id <= 5; id++ {
				require.NoError(t, s.Delete(ctx, id))
				require.NoError(t, s.Put(ctx, result(id, int(id))))
			}
		}
		yielded := 0
		for res := range s.All(ctx) {
			if yielded == leave {
				break
			}
			yielded++
			require.NoError(t, s.Delete(ctx, res.ID)) // hangs if a lock is held
			require.NoError(t, s.Put(ctx, res))
		}
		assert.Equal(t, min(leave, 5), yielded)
		for id := store.ID(1); id <= 5; id++ {
			assertHolds(t, s, id, int(id))
		}
	}
}

// Put, Get and Delete take no lock where a segment is there and no result is put a
// second time: they come through while somebody holds both.
func TestNoLockOnThePath(t *testing.T) {
	ctx := t.Context()
	s := New[int]()
	require.NoError(t, s.Put(ctx, result(1, 1))) // makes room for errors, too
	adding, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	go s.dir.FindOrAdd(9, func(uint64) *directory.Segment[segment[int]] { close(adding); <-release; return nil }) // holds the directory's lock
	<-adding
	seg := &s.dir.Find(0).Body
	seg.mu.Lock()
	defer seg.mu.Unlock()
	done := make(chan struct{})
	go func() { // hangs if it needs one of them
		defer close(done)
		for id := store.ID(2); id < 1000; id++ {
			assert.NoError(t, s.Put(ctx, result(id, int(id))))
			assertHolds(t, s, id, int(id))
			_, err := s.Get(ctx, id+segmentSize)
			assert.Equal(t, store.ErrNotFound, err)
			if id%3 == 0 {
				assert.NoError(t, s.Delete(ctx, id))
			}
		}
	}()
	<-done
}

// far are IDs far from all others.
var far = []store.ID{1 << 40, 1<<63 - 1, 1 << 63, math.MaxUint64 - segmentSize, math.MaxUint64}

// TestFarIDs: an ID far from all others costs one segment, wherever it is, and
// dense ones are found as fast as without it.
func TestFarIDs(t *testing.T) {
	ctx := t.Context()
	s := New[int]()
	for i, id := range far {
		require.NoError(t, s.Put(ctx, result(id, i)))
		require.Equal(t, store.ErrExists, s.Put(ctx, result(id, i)))
	}
	for id := store.ID(1); id < 4*segmentSize; id++ {
		require.NoError(t, s.Put(ctx, result(id, int(id))))
	}
	for i, id := range far {
		assertHolds(t, s, id, i)
		_, err := s.Get(ctx, id-2)
		assert.Equal(t, store.ErrNotFound, err)
	}
}

// TestErrorsAreApart: a segment has an array for errors only once it needs it, and
// then each result has its own error, or none.
func TestErrorsAreApart(t *testing.T) {
	s := New[int]()
	for id := store.ID(1); id < 3*segmentSize; id++ {
		require.NoError(t, s.Put(t.Context(), result(id, int(id/segmentSize%2*id)))) // some of the second have errors
	}
	assert.Nil(t, s.dir.Find(0).Body.errs.Load())
	assert.NotNil(t, s.dir.Find(1).Body.errs.Load())
	assert.Nil(t, s.dir.Find(2).Body.errs.Load())
	for res := range s.All(t.Context()) {
		assertHolds(t, s, res.ID, int(res.ID/segmentSize%2*res.ID))
		require.Equal(t, result(res.ID, res.Value), res)
	}
}

// TestBytesKept is about what a Result[int] costs in memory, all included.
func TestBytesKept(t *testing.T) {
	const n = 300_000
	ctx := t.Context()
	s := New[int]()
	before := heap()
	for id := range store.ID(n) {
		require.NoError(t, s.Put(ctx, store.Result[int]{ID: id + 1, Value: 1}))
	}
	kept := float64(heap()-before) / n
	runtime.KeepAlive(s)
	assert.LessOrEqual(t, kept, 16.0, "bytes a result; 12 are the slot")
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first has found, the second has swept
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
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

// TestGivenBackInAnyOrder deletes and puts again at random until all is deleted. The
// first segment must not wait for ID 0, which is never put.
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
	left, _ := store.Snapshot(ctx, s)
	assert.Empty(t, left)
	for _, seg := range live(s) { // made by a Put after the one before was retired
		first := store.ID(seg.Index() * segmentSize)
		for id := max(1, first); id < first+segmentSize; id++ {
			require.NoError(t, s.Put(ctx, result(id, 0)))
			require.NoError(t, s.Delete(ctx, id))
		}
	}
	assert.Empty(t, live(s))
}

// TestSlotsHaveNoPointers: the collector does not look at the slots of results whose
// type has no pointers, and a slot is the value and four bytes.
func TestSlotsHaveNoPointers(t *testing.T) {
	type plain struct {
		A [3]int32
		B struct{ C float64 }
		D store.ID
	}
	for _, slots := range []reflect.Type{
		reflect.TypeFor[slots[int]](), reflect.TypeFor[slots[struct{}]](), reflect.TypeFor[slots[plain]](),
	} {
		for i := range slots.NumField() {
			assert.False(t, hasPointers(slots.Field(i).Type.Elem()), "%v of %v has pointers", slots.Field(i).Name, slots)
		}
	}
	assert.True(t, hasPointers(reflect.TypeFor[string]()), "the check cannot fail")
	assert.True(t, hasPointers(reflect.TypeFor[segment[int]]()), "the check cannot fail")
}

func hasPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if hasPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Array:
		return t.Len() > 0 && hasPointers(t.Elem())
	default:
		return t.Kind() > reflect.Complex128 // and so no number
	}
}
