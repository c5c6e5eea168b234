package rwmutex

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/storetest"
)

func newStore(testing.TB) store.ResultStore[int] { return New[int]() }

func TestConformance(t *testing.T) { storetest.Run(t, newStore) }

func BenchmarkStore(b *testing.B) { storetest.RunBenchmarks(b, newStore) }

// TestAllReadsInChunks has the first body of a loop let another goroutine delete
// everything. What the loop still yields it had copied before, under one read
// lock: that is how many results a writer has to wait for, some thousands, so that
// it does not wait often either.
func TestAllReadsInChunks(t *testing.T) {
	const n = 3 * chunk
	st := New[int]()
	for i := range n {
		assert.NoError(t, st.Put(t.Context(), store.Result[int]{ID: store.ID(i + 1)}))
	}

	yielded := 0
	for _, err := range st.All(t.Context()) {
		assert.NoError(t, err)
		if yielded++; yielded > 1 {
			continue
		}
		deleted := make(chan struct{})
		go func() {
			defer close(deleted)
			for i := range n {
				assert.NoError(t, st.Delete(t.Context(), store.ID(i+1)))
			}
		}()
		<-deleted // hangs if a lock is held while the body runs
	}
	assert.LessOrEqual(t, yielded, chunk)
	assert.LessOrEqual(t, chunk, 10_000, "a few thousand")
	assert.GreaterOrEqual(t, yielded, 1000)
}

// TestLoopIsLeftInAnyChunk leaves loops over All at results of each chunk. Nothing is
// yielded then, and no lock is left behind.
func TestLoopIsLeftInAnyChunk(t *testing.T) {
	const n = 3*chunk + 1
	st := New[int]()
	for i := range n {
		assert.NoError(t, st.Put(t.Context(), store.Result[int]{ID: store.ID(i + 1)}))
	}
	for _, leave := range []int{1, chunk, chunk + 1, 2 * chunk, 3 * chunk, n} {
		yielded := 0
		for range st.All(t.Context()) {
			if yielded++; yielded == leave {
				break
			}
		}
		assert.Equal(t, leave, yielded)
		assert.NoError(t, st.Put(t.Context(), store.Result[int]{ID: store.ID(n + leave)}))
	}
}
