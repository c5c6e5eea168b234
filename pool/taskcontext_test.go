package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// A task's context, and what comes from it, says which task it is; no other context does.
func TestTaskFromContext(t *testing.T) {
	type key struct{}
	p := newPool(t, &pool.Options{Workers: 2}, newReserver(1<<40, 0))
	for range 100 {
		var got, derived pool.Task
		id := submit(t, p, func(ctx context.Context) (int, error) {
			var ok, isTask bool
			got, ok = pool.TaskFromContext(ctx)
			ctx, cancel := context.WithTimeout(context.WithValue(ctx, key{}, 1), time.Hour)
			defer cancel()
			derived, isTask = pool.TaskFromContext(context.WithoutCancel(ctx))
			assert.True(t, ok && isTask)
			return 1, nil
		})
		_, err := p.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, pool.Task{ID: id, Attempt: 1}, got)
		assert.Equal(t, got, derived)
	}
	_, err := pool.Map(t.Context(), []int{1}, func(ctx context.Context, _ int) (int, error) {
		_, ok := pool.TaskFromContext(ctx)
		assert.False(t, ok, "in Map")
		return 0, nil
	}, nil)
	require.NoError(t, err)
	for _, ctx := range []context.Context{nil, t.Context(), p.ctx} {
		task, ok := pool.TaskFromContext(ctx)
		assert.False(t, ok)
		assert.Zero(t, task)
	}
}

// A goroutine that a task has left behind, and that has used its context, or before which the task
// has, sees its own task for good, also while its worker runs others. It is not inside a task any more: it may
// wait. Its context ends with the pool, and not before.
func TestLeftBehind(t *testing.T) {
	for name, use := range map[string]func(ctx context.Context){
		"Err":      func(ctx context.Context) { _ = ctx.Err() },
		"Value":    func(ctx context.Context) { ctx.Value(1) },
		"Deadline": func(ctx context.Context) { ctx.Deadline() },
		"Done":     func(ctx context.Context) { ctx.Done() },
		"derived":  func(ctx context.Context) { context.AfterFunc(ctx, func() {}) },
	} {
		bubble(t, name, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 1, Queue: 1})
			var ctx context.Context
			first := submit(t, p, func(c context.Context) (int, error) { ctx = c; use(c); return 1, nil })
			synctest.Wait()
			gate := make(chan struct{})
			running := submit(t, p, func(c context.Context) (int, error) {
				_ = c.Err()
				<-gate
				return 2, nil
			})
			synctest.Wait()
			submit(t, p, value(3))
			task, ok := pool.TaskFromContext(ctx)
			assert.True(t, ok)
			assert.Equal(t, first, task.ID)

			calls := []*pending{
				begin(func() error { _, err := p.Submit(ctx, value(4)); return err }),
				begin(func() error { _, err := p.Get(ctx, running); return err }),
				begin(func() error { return p.Wait(ctx) }),
			}
			for _, c := range calls {
				c.waits(t)
			}
			assert.True(t, p.Cancel(running, errCause))
			assert.NoError(t, ctx.Err(), "another task was cancelled")
			runtime.GC()
			assert.False(t, isClosed(ctx.Done()))
			close(gate)
			for _, c := range calls {
				assert.NoError(t, c.returns(t))
			}
			stop := begin(func() error { return p.Stop(ctx) })
			assert.NoError(t, stop.returns(t))
			assert.Equal(t, pool.ErrClosed, context.Cause(ctx))
			assert.True(t, isClosed(ctx.Done()))
		})
	}
}

// What a context holds in the pool's is freed when nobody has the context any more, and not before: also in
// a bubble, whose channels the collector's goroutine may not close.
func TestUsedContextsAreFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1})
		var kept context.Context
		submit(t, p, func(ctx context.Context) (int, error) { kept = ctx; ctx.Done(); return 0, nil })
		run := func(n int) {
			var last store.ID
			for range n {
				last = submit(t, p, func(ctx context.Context) (int, error) {
					_, cancel := context.WithCancel(ctx)
					defer cancel()
					return 0, nil
				})
			}
			require.NoError(t, p.Wait(t.Context()))
			for i := range n {
				require.NoError(t, p.st.Delete(t.Context(), last-store.ID(i)))
			}
		}
		heap := func() uint64 {
			for range 3 { // the collector finds them, a later task frees them
				runtime.GC()
				runtime.Gosched()
				run(10)
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		run(1000)
		before := heap()
		for range 20 {
			run(1000)
		}
		assert.Less(t, int64(heap())-int64(before), int64(1<<20), "50 bytes for each task")
		assert.NoError(t, kept.Err())
		p.cancel(errCause)
		<-kept.Done()
		assert.Equal(t, errCause, context.Cause(kept))
	})
}

// Whatever it races with, a goroutine that was left behind, and whose task has used the context, sees no
// other task's ID, and no Cancel but that of its own task ends its context.
func TestContextsAreNotMixedUp(t *testing.T) {
	const n = 3000
	p, err := pool.New(context.Background(), func(ctx context.Context, f func(ctx context.Context)) (int, error) {
		f(ctx)
		return 0, nil
	}, dense.New[int](), &pool.Options{Workers: 4})
	require.NoError(t, err)
	var left sync.WaitGroup
	var mu sync.Mutex
	cancelled := make(map[store.ID]bool)
	for range n {
		_, err := p.Submit(t.Context(), func(ctx context.Context) {
			if rand.IntN(2) == 0 {
				return
			}
			own, _ := pool.TaskFromContext(ctx)
			if rand.IntN(2) == 0 {
				ctx.Done()
			}
			left.Go(func() {
				for range 20 {
					task, _ := pool.TaskFromContext(ctx)
					assert.Equal(t, own, task)
					if ctx.Err() != nil {
						assert.Equal(t, context.Cause(ctx), error(causeOf{own.ID}))
						assert.True(t, isClosed(ctx.Done()))
					}
					runtime.Gosched()
				}
			})
			if rand.IntN(2) == 0 {
				id := own.ID + store.ID(rand.IntN(3)) - 1
				if p.Cancel(id, causeOf{id}) {
					mu.Lock()
					cancelled[id] = true
					mu.Unlock()
				}
			}
		})
		require.NoError(t, err)
	}
	require.NoError(t, p.Wait(t.Context()))
	left.Wait()
	assert.NotEmpty(t, cancelled)
	assert.NoError(t, p.Stop(t.Context()))
}

// causeOf is the cause of the Cancel of one task.
type causeOf struct{ id store.ID }

func (causeOf) Error() string { return "cancelled" }

// A task in a pool that was made with another's task's context is its own pool's.
func TestTaskOfTwoPools(t *testing.T) {
	outer := newPool(t, nil)
	id := submit(t, outer, func(ctx context.Context) (int, error) {
		inner, err := pool.New(ctx, pool.Call[int], dense.New[int](), nil)
		if err != nil {
			return 0, err
		}
		own, _ := pool.TaskFromContext(ctx)
		var of pool.Task
		for range 5 {
			_, err = inner.Submit(ctx, func(ctx context.Context) (int, error) { of, _ = pool.TaskFromContext(ctx); return 0, nil })
			err = errors.Join(err, inner.Wait(ctx))
		}
		assert.EqualValues(t, 5, of.ID)
		assert.EqualValues(t, 1, own.ID)
		return 0, errors.Join(err, inner.Stop(ctx))
	})
	_, err := outer.Get(t.Context(), id)
	assert.NoError(t, err)
}
