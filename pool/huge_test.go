package pool_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// huge is more tasks than any memory has IDs for. They take no room themselves.
const huge = min(1<<40, math.MaxInt)

// SubmitAll takes memory for what is accepted, and not for what it is given.
func TestSubmitAllHuge(t *testing.T) {
	for name, st := range map[string]store.ResultStore[int]{
		"counting":   struct{ store.ResultStore[int] }{rwmutex.New[int]()},
		"IDReserver": dense.New[int](),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			var runs atomic.Int64
			p, err := pool.New(t.Context(), func(context.Context, struct{}) (int, error) {
				if runs.Add(1) == 10_000 {
					cancel(errCause)
				}
				return 0, nil
			}, st, &pool.Options{Workers: 2})
			require.NoError(t, err)
			ids, err := p.SubmitAll(ctx, make([]struct{}, huge))
			assert.Equal(t, errCause, err)
			assert.GreaterOrEqual(t, len(ids), 10_000)
			require.NoError(t, p.Stop(t.Context()))
			s := p.Stats()
			assert.EqualValues(t, len(ids), s.Submitted)
			assert.EqualValues(t, len(ids), s.Succeeded)
			for i, id := range ids {
				require.EqualValues(t, i+1, id)
			}
		})
	}
}

// As many tasks as there can be in a slice use up the numbers of a pool that counts, but
// not for others.
func TestSubmitAllLeavesIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		p, err := pool.New(t.Context(), func(context.Context, struct{}) (int, error) { <-gate; return 0, nil },
			struct{ store.ResultStore[int] }{rwmutex.New[int]()}, &pool.Options{Workers: 1, Queue: 2})
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		all := call(func() error { _, err := p.SubmitAll(ctx, make([]struct{}, math.MaxInt)); return err })
		synctest.Wait()
		one := call(func() error { _, err := p.Submit(t.Context(), struct{}{}); return err })
		synctest.Wait()
		cancel(errCause)
		synctest.Wait()
		err, _ = all()
		assert.Equal(t, errCause, err)
		close(gate)
		synctest.Wait()
		err, returned := one()
		assert.NoError(t, err)
		assert.True(t, returned)
		require.NoError(t, p.Stop(t.Context()))
		assert.EqualValues(t, 4, p.Stats().Succeeded)
	})
}

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
