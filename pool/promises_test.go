package pool_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/pool"
)

// Promises of docs/guarantees.md that no other file tests.

// SubmitAll and Map say which of many tasks is nil, and do nothing.
func TestNilTaskIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, nil)
		in := []task{value(1), value(2), nil, value(3), nil}
		ids, err := p.SubmitAll(t.Context(), in)
		assert.EqualError(t, err, "pool: nil task at index 2")
		assert.ErrorIs(t, err, pool.ErrNilTask)
		assert.Empty(t, ids)
		assert.Zero(t, p.Stats().Submitted)
		called := false
		values, err := pool.Map(t.Context(), in, func(context.Context, task) (int, error) { called = true; return 0, nil }, nil)
		assert.EqualError(t, err, "pool: nil task at index 2")
		assert.ErrorIs(t, err, pool.ErrNilTask)
		assert.Nil(t, values)
		assert.False(t, called)
	})
}

// Map has as many calls under way as it has workers, never more, and none is left
// when it returns.
func TestMapNeverMoreThanWorkers(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 16} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			running, most := 0, 0 // guarded by mu
			count := func(n int) {
				mu.Lock()
				defer mu.Unlock()
				running += n
				most = max(most, running)
			}
			_, err := pool.Map(t.Context(), make([]int, 200), func(context.Context, int) (int, error) {
				count(1)
				defer count(-1)
				time.Sleep(time.Millisecond) // for the others to come
				return 0, nil
			}, &pool.Options{Workers: workers})
			assert.NoError(t, err)
			assert.Equal(t, workers, most, "calls at once")
			assert.Zero(t, running)
			synctest.Wait() // for the last steps of goroutines that have nothing to do
			assert.Empty(t, poolGoroutines())
		})
	}
}
