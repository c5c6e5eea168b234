package dense

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

func TestSegmentsAreGivenBack(t *testing.T) {
	const (
		segments = 1000
		window   = 3000 // results held at once, over at most 4 segments
	)
	ctx := t.Context()
	s := New[int]()
	last := store.ID(segments*segmentSize - 1) // of the last segment; IDs begin at 1
	for id := store.ID(1); id <= last+window; id++ {
		var err error
		if id <= last {
			err = s.Put(ctx, store.Result[int]{ID: id})
		}
		if err == nil && id > window {
			err = s.Delete(ctx, id-window)
		}
		if err != nil || len(live(s)) > 5 {
			require.NoError(t, err)
			require.LessOrEqual(t, len(live(s)), 5, "after ID %d", id)
		}
	}
	assert.Empty(t, live(s))
	assert.LessOrEqual(t, len(s.dir.table.Load().entries), 2*smallest, "the directory has grown with what is gone")
}

// TestFirstSegmentIsGivenBack is about ID 0, which is never put: the first
// segment must not wait for it to be deleted.
func TestFirstSegmentIsGivenBack(t *testing.T) {
	ctx := t.Context()
	s := New[int]()
	for id := store.ID(1); id < segmentSize; id++ {
		require.NoError(t, s.Put(ctx, store.Result[int]{ID: id}))
	}
	for id := store.ID(1); id < segmentSize; id++ {
		assert.Len(t, live(s), 1)
		require.NoError(t, s.Delete(ctx, id))
	}
	assert.Empty(t, live(s))
}

// TestSegmentIsKeptForResultPutAgain: a segment whose slots are all deleted is
// given back only when what was put again is deleted, too.
func TestSegmentIsKeptForResultPutAgain(t *testing.T) {
	ctx := t.Context()
	s := New[int]()
	first := nearlyRetired(s, 7, 1)
	require.NoError(t, s.Put(ctx, store.Result[int]{ID: first + 5, Value: 1}))
	require.NoError(t, s.Put(ctx, store.Result[int]{ID: first, Value: 2}))
	require.NoError(t, s.Delete(ctx, first))
	assert.Len(t, live(s), 1)
	res, err := s.Get(ctx, first+5)
	assert.NoError(t, err)
	assert.Equal(t, 1, res.Value)

	require.NoError(t, s.Delete(ctx, first+5))
	assert.Empty(t, live(s))
	require.NoError(t, s.Put(ctx, store.Result[int]{ID: first + 5, Value: 3}))
	res, err = s.Get(ctx, first+5)
	assert.NoError(t, err)
	assert.Equal(t, 3, res.Value)
}

func live(s *Store[int]) []*segment[int] { return s.dir.table.Load().segments() }

// nearlyRetired adds a segment to s of whose slots all but the first n are
// deleted, and returns the ID of the first slot.
func nearlyRetired(s *Store[int], index uint64, n int) store.ID {
	seg := s.dir.findOrAdd(index)
	for i := n; i < segmentSize; i++ {
		seg.slots[i].state.Store(deleted)
	}
	seg.deleted.Store(int32(segmentSize - n))
	return store.ID(index << segmentBits)
}

// TestPutMeetsRetiredSegment is about a Put that comes between the retirement of
// a segment and its removal from the store.
func TestPutMeetsRetiredSegment(t *testing.T) {
	ctx := t.Context()
	s := New[int]()
	id := nearlyRetired(s, 7, 0)
	old := s.dir.find(7)
	old.retired = true

	require.NoError(t, s.Put(ctx, store.Result[int]{ID: id, Value: 1}))
	added := s.dir.find(7)
	assert.NotSame(t, old, added)
	s.dir.remove(old) // by whoever retired it, at last
	assert.Same(t, added, s.dir.find(7))
	res, err := s.Get(ctx, id)
	assert.NoError(t, err)
	assert.Equal(t, 1, res.Value)
}

// TestPutMeetsLastDelete stops the last Delete of a segment between its two steps
// and puts the ID again: that result is not the one to delete, and the segment
// has to stay.
func TestPutMeetsLastDelete(t *testing.T) {
	ctx := t.Context()
	s := New[int]()
	id := nearlyRetired(s, 7, 1)
	require.NoError(t, s.Put(ctx, store.Result[int]{ID: id, Value: 1}))
	seg := s.dir.find(7)

	seg.mu.Lock()
	var wg sync.WaitGroup
	wg.Go(func() { assert.NoError(t, s.Delete(ctx, id)) })
	for seg.deleted.Load() < segmentSize {
		runtime.Gosched()
	}
	seg.again = map[store.ID]store.Result[int]{id: {ID: id, Value: 2}} // a Put that had the lock first
	seg.mu.Unlock()
	wg.Wait()

	res, err := s.Get(ctx, id)
	assert.NoError(t, err)
	assert.Equal(t, 2, res.Value)
	assert.Same(t, seg, s.dir.find(7))
}

// TestRivalsOfUnfinishedPut stops a Put between its two steps.
func TestRivalsOfUnfinishedPut(t *testing.T) {
	const id = 7
	ctx := t.Context()
	s := New[int]()
	slot := s.dir.findOrAdd(0).slot(id)
	slot.state.Store(writing)

	_, err := s.Get(ctx, id)
	assert.Equal(t, store.ErrNotFound, err)
	assert.NoError(t, s.Delete(ctx, id), "an ID that is not held yet")
	for res := range s.All(ctx) {
		assert.Fail(t, "All yielded a result that is not held yet", "%v", res)
	}
	var returned atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		assert.Equal(t, store.ErrExists, s.Put(ctx, store.Result[int]{ID: id, Value: 2}))
		returned.Store(true)
		res, err := s.Get(ctx, id)
		assert.NoError(t, err)
		assert.Equal(t, 1, res.Value)
	})
	for range 1000 {
		runtime.Gosched()
	}
	assert.False(t, returned.Load(), "Put said that a result exists which no Get finds")

	slot.value = 1
	slot.state.Store(held)
	wg.Wait()
}

// TestRetirementLosesNothing has goroutines put, get and delete the last slots of
// a segment, and IDs of it that were deleted before, while it is retired and
// another takes its place. An ID is a lock here: whose Put returned nil owns it
// until it deletes it, so that everybody knows what has to be held.
func TestRetirementLosesNothing(t *testing.T) {
	const (
		workers = 4
		open    = 2 // slots that are not deleted yet
		ids     = open + 1
		rounds  = 1000
	)
	ctx := t.Context()
	s := New[int]()
	retirements := 0
	for round := range uint64(rounds) {
		first := nearlyRetired(s, round+1, open)
		old := s.dir.find(round + 1)
		var owners [ids]atomic.Int64
		var wg sync.WaitGroup
		for worker := range workers {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(round, uint64(worker)))
				for op := range 8 {
					slot := rng.IntN(ids)
					id := first + store.ID(slot)
					value := 1 + worker + workers*op
					err := s.Put(ctx, result(id, value))
					if errors.Is(err, store.ErrExists) {
						runtime.Gosched()
						continue
					}
					assert.NoError(t, err)
					assert.Zero(t, owners[slot].Swap(int64(value)), "ID %d was put twice", id)
					res, err := s.Get(ctx, id)
					assert.NoError(t, err)
					assert.Equal(t, result(id, value), res)
					assert.Equal(t, store.ErrExists, s.Put(ctx, store.Result[int]{ID: id, Value: -1}))
					if op == 7 {
						return // keeps it
					}
					owners[slot].Store(0)
					assert.NoError(t, s.Delete(ctx, id))
				}
			})
		}
		wg.Wait()
		if old.retired {
			retirements++
			require.NotSame(t, old, s.dir.find(round+1), "a retired segment is still in use")
		}

		for slot := range owners {
			id := first + store.ID(slot)
			res, err := s.Get(ctx, id)
			if kept := int(owners[slot].Load()); kept != 0 {
				require.NoError(t, err, "ID %d", id)
				require.Equal(t, result(id, kept), res)
			} else {
				require.Equal(t, store.ErrNotFound, err, "ID %d", id)
			}
			require.NoError(t, s.Delete(ctx, id))
		}
		s.dir.table.Store(newTable[int](smallest))
	}
	t.Logf("%d of %d segments were retired", retirements, rounds)
	assert.NotZero(t, retirements)
}

// result is what is put under id: an odd value comes with an error.
func result(id store.ID, value int) store.Result[int] {
	res := store.Result[int]{ID: id, Value: value}
	if value%2 != 0 {
		res.Err = valueError(value)
	}
	return res
}

type valueError int

func (e valueError) Error() string { return fmt.Sprintf("error of value %d", int(e)) }

func TestAllIsInOrderOfIDs(t *testing.T) {
	ctx := t.Context()
	s := New[int]()
	const n = 5 * segmentSize
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		require.NoError(t, s.Put(ctx, store.Result[int]{ID: store.ID(i + 1)}))
	}
	next := store.ID(1)
	for res, err := range s.All(ctx) {
		require.NoError(t, err)
		require.Equal(t, next, res.ID)
		next++
	}
	assert.EqualValues(t, n+1, next)
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
