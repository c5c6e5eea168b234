package dense

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/directory"
	"github.com/resultpool/resultpool/store"
)

// TestSegmentsAreGivenBack runs a window of IDs through a store: there are never more
// segments than it needs, and neither the directory nor anything else grows with what is
// gone.
func TestSegmentsAreGivenBack(t *testing.T) {
	const window = 3000 // results held at once, over at most 4 segments
	ctx := t.Context()
	s := New[int]()
	id := store.ID(0)
	slide := func(segments int) {
		for range segments * segmentSize {
			id++
			require.NoError(t, s.Put(ctx, result(id, 0)))
			if id > window {
				require.NoError(t, s.Delete(ctx, id-window))
			}
			if id%100 == 0 {
				require.LessOrEqual(t, len(live(s)), 5, "after ID %d", id)
			}
		}
	}
	slide(10)
	before := heap()
	slide(1000)
	assert.Less(t, heap()-before, int64(5*segmentSize*16), "bytes more after another 1000 segments")
	runtime.KeepAlive(s)
}

// TestSegmentIsKeptForResultPutAgain: a segment whose slots are all deleted is
// given back only when what was put again is deleted, too.
func TestSegmentIsKeptForResultPutAgain(t *testing.T) {
	ctx := t.Context()
	s := New[int]()
	first := nearlyRetired(s, 7, 1)
	require.NoError(t, s.Put(ctx, result(first+5, 1)))
	require.NoError(t, s.Put(ctx, result(first, 2)))
	require.NoError(t, s.Delete(ctx, first))
	assert.Len(t, live(s), 1)
	assertHolds(t, s, first+5, 1)

	require.NoError(t, s.Delete(ctx, first+5))
	assert.Empty(t, live(s))
	require.NoError(t, s.Put(ctx, result(first+5, 3)))
	assertHolds(t, s, first+5, 3)
}

func live(s *Store[int]) []*directory.Segment[segment[int]] { return s.dir.Segments() }

// add makes a segment of s.
func add(s *Store[int], index uint64) *segment[int] {
	return &s.dir.FindOrAdd(index, newSegment[int]).Body
}

// nearlyRetired adds a segment to s of whose slots all but the first n are
// deleted, and returns the ID of the first slot.
func nearlyRetired(s *Store[int], index uint64, n int) store.ID {
	seg := add(s, index)
	for i := n; i < segmentSize; i++ {
		seg.slots.states[i].Store(deleted)
	}
	seg.deleted.Store(int32(segmentSize - n))
	return store.ID(index * segmentSize)
}

// TestPutMeetsRetiredSegment is about a Put that comes between the retirement of
// a segment and its removal from the store.
func TestPutMeetsRetiredSegment(t *testing.T) {
	ctx := t.Context()
	s := New[int]()
	id := nearlyRetired(s, 7, 0)
	old := s.dir.Find(7)
	old.Body.retired = true

	require.NoError(t, s.Put(ctx, result(id, 1)))
	added := s.dir.Find(7)
	assert.NotSame(t, old, added)
	s.dir.Remove(old, nil) // by whoever retired it, at last
	assert.Same(t, added, s.dir.Find(7))
	assertHolds(t, s, id, 1)
}

// TestPutMeetsLastDelete stops the last Delete of a segment between its two steps
// and puts the ID again: that result is not the one to delete, and the segment
// has to stay.
func TestPutMeetsLastDelete(t *testing.T) {
	ctx := t.Context()
	s := New[int]()
	id := nearlyRetired(s, 7, 1)
	require.NoError(t, s.Put(ctx, result(id, 1)))
	found := s.dir.Find(7)
	seg := &found.Body

	seg.mu.Lock()
	var wg sync.WaitGroup
	wg.Go(func() { assert.NoError(t, s.Delete(ctx, id)) })
	for seg.deleted.Load() < segmentSize {
		runtime.Gosched()
	}
	seg.again = map[store.ID]store.Result[int]{id: result(id, 2)} // a Put that had the lock first
	seg.mu.Unlock()
	wg.Wait()

	assertHolds(t, s, id, 2)
	assert.Same(t, found, s.dir.Find(7))
}

// TestRetirementRaces has each ID of a segment that is about to be retired put and
// deleted by an owner of its own, who knows what the store must say, while others delete
// the same. What several see of one ID is for the check histories of the conformance kit.
func TestRetirementRaces(t *testing.T) {
	const owners = 3
	ctx := t.Context()
	s := New[int]()
	retirements := 0
	for index := uint64(1); index <= 500 && !t.Failed(); index++ {
		first := nearlyRetired(s, index, owners)
		old := s.dir.Find(index)
		var wg sync.WaitGroup
		for id := first; id < first+owners; id++ {
			wg.Go(func() {
				for value := range 3 {
					assert.NoError(t, s.Put(ctx, result(id, value)))
					assertHolds(t, s, id, value)
					assert.Equal(t, store.ErrExists, s.Put(ctx, result(id, 9)))
					var rival sync.WaitGroup
					rival.Go(func() { assert.NoError(t, s.Delete(ctx, id)) })
					assert.NoError(t, s.Delete(ctx, id))
					rival.Wait()
					_, err := s.Get(ctx, id)
					assert.Equal(t, store.ErrNotFound, err)
				}
			})
		}
		wg.Wait()
		if old.Body.retired {
			retirements++
			require.NotSame(t, old, s.dir.Find(index), "a retired segment is still in use")
		}
		s = New[int]()
	}
	require.NotZero(t, retirements)
}

// TestRivalsOfUnfinishedPut stops a Put between its two steps.
func TestRivalsOfUnfinishedPut(t *testing.T) {
	const id = 7
	ctx := t.Context()
	s := New[int]()
	state, value := add(s, 0).slot(id)
	state.Store(writing)

	_, err := s.Get(ctx, id)
	assert.Equal(t, store.ErrNotFound, err)
	assert.NoError(t, s.Delete(ctx, id), "an ID that is not held yet")
	all, _ := store.Snapshot(ctx, s)
	assert.Empty(t, all, "All yielded a result that is not held yet")
	var returned atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		assert.Equal(t, store.ErrExists, s.Put(ctx, result(id, 2)))
		returned.Store(true)
		assertHolds(t, s, id, 4)
	})
	for range 1000 {
		runtime.Gosched()
	}
	assert.False(t, returned.Load(), "Put said that a result exists which no Get finds")

	*value = 4
	state.Store(held)
	wg.Wait()
}
