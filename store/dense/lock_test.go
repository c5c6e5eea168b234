package dense

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
)

// Put, Get and Delete take no lock where a segment is there and no result is put a
// second time: they come through while somebody holds both.
func TestNoLockOnThePath(t *testing.T) {
	st := New[int]()
	assert.NoError(t, st.Put(t.Context(), store.Result[int]{ID: 1}))
	seg := st.dir.find(0)
	st.dir.mu.Lock()
	defer st.dir.mu.Unlock()
	seg.mu.Lock()
	done := make(chan struct{})
	go func() { // hangs if it needs one of them
		defer close(done)
		for id := store.ID(2); id < 1000; id++ {
			assert.NoError(t, st.Put(t.Context(), store.Result[int]{ID: id, Value: int(id)}))
			res, err := st.Get(t.Context(), id)
			assert.NoError(t, err)
			assert.Equal(t, int(id), res.Value)
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
