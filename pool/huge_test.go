package pool_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
)

// Workers is how many calls may run at once, and costs nothing: there are as many
// goroutines as there are calls that wait, and a few.
func TestMapHugeWorkers(t *testing.T) {
	var most atomic.Int64
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := pool.Map(t.Context(), make([]int, 1_000_000), func(context.Context, int) (struct{}, error) {
		if n := int64(runtime.NumGoroutine()); n > most.Load() {
			most.Store(n)
		}
		return struct{}{}, nil
	}, &pool.Options{Workers: huge})
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	assert.Less(t, most.Load(), int64(10_000), "goroutines")
	// The memory for the input may have been there before, or not.
	assert.Less(t, after.Sys-before.Sys, uint64(64<<20), "bytes from the operating system")
}

// Map takes no memory for inputs that take none, nor time for those that it does not run.
func TestMapHugeInput(t *testing.T) {
	for name, workers := range map[string]int{"few workers": 2, "many workers": huge} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			var runs atomic.Int64
			values, err := pool.Map(ctx, make([]struct{}, huge), func(context.Context, struct{}) (struct{}, error) {
				if runs.Add(1) == 10_000 {
					cancel(errCause)
				}
				return struct{}{}, nil
			}, &pool.Options{Workers: workers})
			assert.Len(t, values, huge)
			assert.ErrorIs(t, err, pool.ErrNotRun)
			assert.EqualError(t, err, fmt.Sprintf("%d of %d inputs: pool: task not run: cause of the cancel", huge-runs.Load(), huge))
		})
	}
}

// As many calls run at once as Workers says, if they wait for each other.
func TestMapAllMeet(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 100, 20_000, huge} {
		n := min(workers, 20_000)
		if raceEnabled {
			n = min(n, 5000) // the race detector does not take as many goroutines
		}
		var meeting sync.WaitGroup
		meeting.Add(n)
		_, err := pool.Map(t.Context(), numbers(2*n), func(_ context.Context, i int) (int, error) {
			if i%2 == 0 {
				meeting.Done()
				meeting.Wait()
			}
			return i, nil
		}, &pool.Options{Workers: workers})
		assert.NoError(t, err)
	}
}
