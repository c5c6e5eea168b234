package dense

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
)

var errTask = errors.New("the task failed")

// The comment of the package says how large a segment is, which is what one result can
// keep from being collected.
func TestSegmentIsAsLargeAsDocumented(t *testing.T) { assert.Equal(t, 1024, segmentSize) }

// A loop over results that were put again is like any other: its body may call the
// store, and leave.
func TestLoopOverResultsPutAgain(t *testing.T) {
	ctx := t.Context()
	for leave := range 6 {
		st := New[int]()
		for range 2 {
			for id := store.ID(1); id <= 5; id++ {
				assert.NoError(t, st.Delete(ctx, id))
				assert.NoError(t, st.Put(ctx, store.Result[int]{ID: id, Value: int(id)}))
			}
		}
		yielded := 0
		for res := range st.All(ctx) {
			if yielded == leave {
				break
			}
			yielded++
			assert.NoError(t, st.Delete(ctx, res.ID)) // hangs if a lock is held
			assert.NoError(t, st.Put(ctx, res))
		}
		assert.Equal(t, min(leave, 5), yielded)
		for id := store.ID(1); id <= 5; id++ {
			res, err := st.Get(ctx, id)
			assert.NoError(t, err)
			assert.Equal(t, int(id), res.Value)
		}
	}
}

// Put, Get and Delete take no lock where a segment is there and no result is put a
// second time: they come through while somebody holds both.
func TestNoLockOnThePath(t *testing.T) {
	st := New[int]()
	assert.NoError(t, st.Put(t.Context(), store.Result[int]{ID: 1, Err: errTask}))
	seg := st.dir.find(0)
	st.dir.mu.Lock()
	defer st.dir.mu.Unlock()
	seg.mu.Lock()
	done := make(chan struct{})
	go func() { // hangs if it needs one of them
		defer close(done)
		for id := store.ID(2); id < 1000; id++ {
			res := store.Result[int]{ID: id, Value: int(id)}
			if id%3 == 0 {
				res.Err = errTask
			}
			assert.NoError(t, st.Put(t.Context(), res))
			res, err := st.Get(t.Context(), id)
			assert.NoError(t, err)
			assert.Equal(t, int(id), res.Value)
			assert.Equal(t, id%3 == 0, res.Err != nil)
			_, err = st.Get(t.Context(), id+segmentSize)
			assert.Equal(t, store.ErrNotFound, err)
			if id%2 == 0 {
				assert.NoError(t, st.Delete(t.Context(), id))
			}
		}
	}()
	<-done
	seg.mu.Unlock()
}
