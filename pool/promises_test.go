package pool_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// Promises of docs/guarantees.md that no other file tests.

// Workers take tasks in the order of their IDs, whichever way these came in.
func TestTasksStartInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1, Queue: 3})
		var started []store.ID // by the only worker
		next := store.ID(0)
		note := func() task {
			next++
			id := next
			return func(context.Context) (int, error) { started = append(started, id); return 0, nil }
		}
		for range 300 {
			submit(t, p, note())
			_, err := p.SubmitAll(t.Context(), []task{note(), note(), note(), note(), note(), note(), note()})
			require.NoError(t, err)
			require.NoError(t, p.Wait(t.Context()))
			_, err = p.TrySubmit(note())
			require.NoError(t, err)
		}
		require.NoError(t, p.Stop(t.Context()))
		require.Len(t, started, int(next))
		for i, id := range started {
			require.EqualValues(t, i+1, id)
		}
	})
}

// A task runs under the pool's context: it sees the values of New's, and its
// submitter's ends the wait for room and nothing else.
func TestTaskContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key string
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key("of"), "New"))
		defer cancel()
		p, err := pool.New(ctx, pool.Call[string], rwmutex.New[string](), &pool.Options{Workers: 1})
		require.NoError(t, err)
		submitter, leave := context.WithTimeout(context.WithValue(t.Context(), key("by"), "Submit"), time.Second)
		gate := make(chan struct{})
		id, err := p.Submit(submitter, func(ctx context.Context) (string, error) {
			<-gate
			assert.Nil(t, ctx.Value(key("by")))
			_, bounded := ctx.Deadline()
			assert.False(t, bounded)
			return ctx.Value(key("of")).(string), ctx.Err()
		})
		require.NoError(t, err)
		leave()
		close(gate)
		v, err := p.Get(t.Context(), id)
		assert.NoError(t, err)
		assert.Equal(t, "New", v)
		assert.NoError(t, p.Stop(t.Context()))
	})
}

// Nil options, and zeros, mean GOMAXPROCS workers and room for 1024.
func TestDefaults(t *testing.T) {
	zero := &pool.Options{}
	for _, opts := range []*pool.Options{nil, zero} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, opts)
			gate := make(chan struct{})
			defer close(gate)
			workers := runtime.GOMAXPROCS(0)
			for range workers {
				submit(t, p, gated(gate, 1))
			}
			synctest.Wait()
			assert.Equal(t, workers, p.Stats().Workers)
			assert.EqualValues(t, workers, p.Stats().Running)
			for range 1024 {
				_, err := p.TrySubmit(value(1))
				require.NoError(t, err)
			}
			_, err := p.TrySubmit(value(1))
			assert.Equal(t, pool.ErrQueueFull, err)
		})
	}
	assert.Equal(t, pool.Options{}, *zero, "the caller's options were changed")
}

// After the cancel only goroutines in a task are left, and those at most.
func TestCancelLeavesOnlyTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 5})
		gate, stubborn := make(chan struct{}), make(chan struct{})
		submit(t, p, gated(stubborn, 1))
		for range 4 {
			submit(t, p, gated(gate, 1))
		}
		synctest.Wait()
		close(gate)
		synctest.Wait() // four are idle
		require.Equal(t, 5, countGoroutines())
		p.cancel(errCause)
		synctest.Wait()
		assert.Equal(t, 1, countGoroutines(), "goroutines while one task ignores its context")
		assert.False(t, isClosed(p.Done()))
		close(stubborn)
		<-p.Done()
	})
}

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

// Done stays open until Stop is called or the pool is cancelled, whatever else is done.
func TestDoneStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 2})
		still := func(when string) {
			synctest.Wait()
			assert.False(t, isClosed(p.Done()), "Done is closed %s", when)
		}
		still("after New")
		submit(t, p, value(1))
		require.NoError(t, p.Wait(t.Context()))
		still("when all is done")
		require.NoError(t, p.Resize(0))
		still("without workers")
		require.NoError(t, p.Resize(1))
		submit(t, p, value(1))
		still("after Resize")
		require.NoError(t, p.Stop(t.Context()))
		assert.True(t, isClosed(p.Done()), "Done is open after Stop has returned")
	})
}
