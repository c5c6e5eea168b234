package pool_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// putScript is a store whose first Puts of a result go as scripted.
func putScript(script ...func(ctx context.Context, st store.ResultStore[int], res store.Result[int]) error) *hookStore {
	st := &hookStore{ResultStore: rwmutex.New[int]()}
	n := 0
	st.put = func(ctx context.Context, res store.Result[int]) error {
		if n++; n <= len(script) {
			return script[n-1](ctx, st.ResultStore, res)
		}
		return st.ResultStore.Put(ctx, res)
	}
	return st
}

// What is stored in place of a refused result is saved as any other is: it is tried
// again, one that was stored after all is there, and one whose ID somebody else holds
// is handed back.
func TestStoredInsteadIsSavedAsAnyOther(t *testing.T) {
	type step = func(context.Context, store.ResultStore[int], store.Result[int]) error
	fails := func(err error) step {
		return func(context.Context, store.ResultStore[int], store.Result[int]) error { return err }
	}
	storesAndFails := func(ctx context.Context, st store.ResultStore[int], res store.Result[int]) error {
		_ = st.Put(ctx, res)
		return errDown
	}
	for name, c := range map[string]struct {
		script  []step
		unsaved bool
	}{
		"held by another": {[]step{fails(store.ErrRejected), fails(store.ErrExists)}, true},
		"fails once":      {[]step{fails(store.ErrRejected), fails(errDown)}, false},
		"stored and said not to be": {
			[]step{fails(store.ErrRejected), storesAndFails}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, nil, putScript(c.script...))
				id := submit(t, p, value(7))
				err := p.Stop(t.Context())
				if c.unsaved {
					var unsaved *pool.UnsavedError[int]
					require.ErrorAs(t, err, &unsaved)
					assert.ErrorIs(t, unsaved.Err, store.ErrRejected)
					assert.NotContains(t, err.Error(), "nil")
					assert.Equal(t, 7, unsaved.Results[0].Value)
					return
				}
				assert.NoError(t, err)
				assert.ErrorIs(t, held(t, p, id).Err, store.ErrRejected)
			})
		})
	}
}

// A panic in a later Put of a result is treated as one in the first.
func TestPutPanicsInARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, nil, putScript(
			func(context.Context, store.ResultStore[int], store.Result[int]) error { return errDown },
			func(ctx context.Context, _ store.ResultStore[int], _ store.Result[int]) error {
				_, ends := ctx.Deadline()
				assert.False(t, ends, "before a cancel the context of a Put does not end")
				panic(io.ErrNoProgress)
			},
		))
		id := submit(t, p, value(7))
		require.NoError(t, p.Stop(t.Context()))
		res := held(t, p, id)
		assert.ErrorIs(t, res.Err, store.ErrRejected)
		var panicked *pool.PanicError
		require.ErrorAs(t, res.Err, &panicked)
		assert.Equal(t, io.ErrNoProgress, panicked.Value)
		assert.Contains(t, string(panicked.Stack), "TestPutPanicsInARetry")
	})
}

// What a Put has done to a result is done once: one that panicked is not tried again as
// it was, and one that called Goexit is handed back once, in the first try or a later.
func TestPutEndsOnce(t *testing.T) {
	type step = func(context.Context, store.ResultStore[int], store.Result[int]) error
	var (
		fails  = func(context.Context, store.ResultStore[int], store.Result[int]) error { return errDown }
		panics = func(context.Context, store.ResultStore[int], store.Result[int]) error { panic(io.ErrNoProgress) }
		exits  = func(context.Context, store.ResultStore[int], store.Result[int]) error { runtime.Goexit(); return nil }
	)
	for name, c := range map[string]struct {
		script  []step
		unsaved error
	}{
		"panics":            {[]step{panics}, nil},
		"fails and panics":  {[]step{fails, panics}, nil},
		"Goexit":            {[]step{exits}, pool.ErrGoexit},
		"fails and Goexits": {[]step{fails, exits}, pool.ErrGoexit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, &pool.Options{Workers: 1}, putScript(c.script...))
				id := submit(t, p, value(7))
				next := submit(t, p, value(8))
				err := p.Stop(t.Context())
				assert.Equal(t, 8, held(t, p, next).Value)
				if c.unsaved == nil {
					assert.NoError(t, err)
					assert.ErrorIs(t, held(t, p, id).Err, io.ErrNoProgress)
					assert.Equal(t, 2, holds(t, p))
					return
				}
				var unsaved *pool.UnsavedError[int]
				require.ErrorAs(t, err, &unsaved)
				assert.ErrorIs(t, err, c.unsaved)
				assert.Equal(t, []store.Result[int]{{ID: id, Value: 7}}, unsaved.Results)
				assert.Equal(t, 1, holds(t, p))
			})
		})
	}
}

// Each try comes after a pause, and a short outage is over soon for the pool too.
func TestOutageIsOverSoon(t *testing.T) {
	const outage = 550 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		var tries []time.Duration
		st.put = func(ctx context.Context, res store.Result[int]) error {
			tries = append(tries, time.Since(begun))
			if time.Since(begun) < outage {
				return errDown
			}
			return st.ResultStore.Put(ctx, res)
		}
		p := newPool(t, nil, st)
		submit(t, p, value(1))
		require.NoError(t, p.Wait(t.Context()))
		assert.Less(t, time.Since(begun), 2*outage)
		for i := 1; i < len(tries); i++ {
			assert.Greater(t, tries[i], tries[i-1], "two tries at one moment")
		}
	})
}

// A result that was not run and is refused is replaced, as one is that was.
func TestUnrunResultIsRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		st.put = func(ctx context.Context, res store.Result[int]) error {
			if errors.Is(res.Err, pool.ErrNotRun) {
				return store.ErrRejected
			}
			return st.ResultStore.Put(ctx, res)
		}
		p, gate, _, queued, queued2 := busyPool(t, st)
		p.cancel(errCause)
		close(gate)
		assert.Equal(t, errCause, p.Stop(t.Context()))
		for _, id := range []store.ID{queued, queued2} {
			err := held(t, p, id).Err
			assert.ErrorIs(t, err, store.ErrRejected)
			assert.ErrorContains(t, err, "task not run")
		}
	})
}

// An ID of an unrun task that somebody else holds is not taken for the pool's own: the
// result is handed back, whatever became of a batch that did not have it.
func TestHeldIDOfUnrunTask(t *testing.T) {
	const tasks = 1100 // more than are put in one batch
	for name, c := range map[string]struct {
		held  store.ID
		batch func(store.ResultStore[int], []store.Result[int]) error // nil: the store has no batches
	}{
		"no batches":           {3, nil},
		"batch rejected":       {3, func(store.ResultStore[int], []store.Result[int]) error { return store.ErrRejected }},
		"batch refused, first": {1, func(store.ResultStore[int], []store.Result[int]) error { return store.ErrExists }},
		"not in the batch that fails": {1090, func(st store.ResultStore[int], res []store.Result[int]) error {
			if slices.ContainsFunc(res, func(r store.Result[int]) bool { return r.ID == 5 }) {
				return errDown
			}
			return putAllOrNone(st, res)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hooks := &hookStore{ResultStore: rwmutex.New[int]()}
				var st store.ResultStore[int] = hooks
				if c.batch != nil {
					st = &batchStore{hookStore: hooks, putBatch: func(_ context.Context, res []store.Result[int]) error { return c.batch(hooks.ResultStore, res) }}
				}
				require.NoError(t, hooks.ResultStore.Put(t.Context(), store.Result[int]{ID: c.held, Value: 42}))
				p := newPool(t, &pool.Options{Workers: 1, Queue: 2000}, st)
				_, err := p.SubmitAll(t.Context(), slices.Repeat([]task{
					func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, nil },
				}, tasks))
				require.NoError(t, err)
				p.cancel(errCause) // perhaps before the first has started
				var unsaved *pool.UnsavedError[int]
				require.ErrorAs(t, p.Stop(t.Context()), &unsaved)
				require.Len(t, unsaved.Results, 1)
				assert.Equal(t, c.held, unsaved.Results[0].ID)
				assert.Equal(t, tasks, holds(t, p))
				assert.Equal(t, 42, held(t, p, c.held).Value)
			})
		})
	}
}

// Tasks left without workers go to a BatchPutter as well, in a pool that is not
// cancelled.
func TestPutBatchWithoutCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hooks := &hookStore{ResultStore: rwmutex.New[int]()}
		batches := 0
		st := &batchStore{hookStore: hooks, putBatch: func(ctx context.Context, res []store.Result[int]) error {
			batches++
			_, ends := ctx.Deadline()
			assert.False(t, ends)
			putAll(hooks.ResultStore, res)
			return nil
		}}
		p, gate, _, _, _ := busyPool(t, st)
		require.NoError(t, p.Resize(0))
		close(gate)
		err := p.Stop(t.Context())
		assert.ErrorIs(t, err, pool.ErrNoWorkers)
		assert.Equal(t, 1, batches)
		assert.Equal(t, 3, holds(t, p))
	})
}

// After a cancel each call of the store has its five seconds: one that takes a second
// does not cost the next ones theirs.
func TestEachCallHasItsGrace(t *testing.T) {
	slow := func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
			return nil
		}
	}
	for name, batch := range map[string]bool{"one by one": false, "batches": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hooks := &hookStore{ResultStore: rwmutex.New[int]()}
				hooks.put = func(ctx context.Context, res store.Result[int]) error {
					if err := slow(ctx); err != nil {
						return err
					}
					return hooks.ResultStore.Put(ctx, res)
				}
				var st store.ResultStore[int] = hooks
				n := 10
				if batch {
					n = 5000
					st = &batchStore{hookStore: hooks, putBatch: func(ctx context.Context, res []store.Result[int]) error {
						if err := slow(ctx); err != nil {
							return err
						}
						putAll(hooks.ResultStore, res)
						return nil
					}}
				}
				p := newPool(t, &pool.Options{Workers: 1, Queue: n}, st)
				gate := make(chan struct{})
				submit(t, p, gated(gate, 1))
				synctest.Wait()
				for range n {
					submit(t, p, value(1))
				}
				p.cancel(errCause)
				close(gate)
				assert.Equal(t, errCause, p.Stop(t.Context()))
				assert.Equal(t, n+1, holds(t, p))
			})
		})
	}
}

// A call that was under way at the cancel and outlasts its five seconds is one that has
// hung, also if it succeeds in the end: the others get no time then.
func TestCallUnderWayHasHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		st.put = func(ctx context.Context, res store.Result[int]) error {
			if res.ID == 1 {
				<-ctx.Done()
				return st.ResultStore.Put(ctx, res)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(3 * time.Second):
				return st.ResultStore.Put(ctx, res)
			}
		}
		p := newPool(t, &pool.Options{Workers: 1, Queue: 20}, st)
		for i := range 20 {
			submit(t, p, value(i))
		}
		synctest.Wait()
		begun := time.Now()
		p.cancel(errCause)
		<-p.Done()
		assert.LessOrEqual(t, time.Since(begun), 8*time.Second)
		assert.Equal(t, 1, held(t, p, 1).Value+1)
	})
}

// A batch that hangs costs its five seconds, and none for the results in it.
func TestHangingBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		hooks := &hookStore{ResultStore: rwmutex.New[int]()}
		st := &batchStore{hookStore: hooks, putBatch: func(ctx context.Context, _ []store.Result[int]) error { return hang(ctx) }}
		p := newPool(t, &pool.Options{Workers: 1, Queue: 20}, st)
		gate := make(chan struct{})
		submit(t, p, gated(gate, 1))
		synctest.Wait()
		close(gate)
		synctest.Wait()
		hooks.put = func(ctx context.Context, _ store.Result[int]) error { return hang(ctx) }
		block := make(chan struct{})
		submit(t, p, gated(block, 1))
		synctest.Wait()
		for i := range 10 {
			submit(t, p, value(i))
		}
		begun := time.Now()
		p.cancel(errCause)
		synctest.Wait()
		time.Sleep(5*time.Second + 1)
		synctest.Wait()
		assert.EqualValues(t, 10, p.Stats().NotRun)
		assert.LessOrEqual(t, time.Since(begun), 6*time.Second)
		close(block)
		<-p.Done()
	})
}

// The contexts that the store was given end with the pool, and hold nothing after it.
func TestPutContextsEndWithThePool(t *testing.T) {
	for name, end := range map[string]func(p taskPool){
		"Stop":   func(p taskPool) { assert.NoError(t, p.Stop(context.Background())) },
		"cancel": func(p taskPool) { p.cancel(errCause); <-p.Done() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var given []context.Context // guarded by mu
				keep := func(ctx context.Context) {
					mu.Lock()
					defer mu.Unlock()
					given = append(given, ctx)
				}
				hooks := &hookStore{ResultStore: rwmutex.New[int]()}
				hooks.put = func(ctx context.Context, _ store.Result[int]) error { keep(ctx); return nil }
				st := &batchStore{hookStore: hooks, putBatch: func(ctx context.Context, _ []store.Result[int]) error {
					keep(ctx)
					return errDown
				}}
				p, gate, _, _, _ := busyPool(t, st) // those of the reaper
				p.cancel(errCause)
				close(gate)
				<-p.Done()
				p = newPool(t, nil, st) // those of a worker
				submit(t, p, value(1))
				synctest.Wait()
				end(p)
				assert.GreaterOrEqual(t, len(given), 4)
				for i, ctx := range given {
					assert.Error(t, ctx.Err(), "context %d", i)
				}
			})
		})
	}
}

// A pool that was cancelled and has ended keeps nothing reachable, from that moment on.
func TestCancelledPoolIsCollected(t *testing.T) {
	checkGoroutines(t)
	used := func() weak.Pointer[rwmutex.Store[int]] {
		st := rwmutex.New[int]()
		ctx, cancel := context.WithCancelCause(context.Background())
		p, err := pool.New(ctx, pool.Call[int], st, nil)
		require.NoError(t, err)
		_, err = p.Submit(ctx, value(1))
		require.NoError(t, err)
		cancel(errCause)
		<-p.Done()
		return weak.Make(st)
	}
	st := used()
	assert.Eventually(t, func() bool { runtime.GC(); return st.Value() == nil }, 3*time.Second, time.Millisecond,
		"the store is still reachable")
}

// Neither do tasks that call Goexit.
func TestTaskGoexitsDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1})
		var depths []int
		for range 20 {
			submit(t, p, func(context.Context) (int, error) {
				depths = append(depths, runtime.Callers(0, make([]uintptr, 1000)))
				runtime.Goexit()
				return 0, nil
			})
		}
		require.NoError(t, p.Stop(t.Context()))
		require.Len(t, depths, 20)
		assert.Equal(t, depths[2], depths[19])
	})
}

// A store that calls Goexit in each Put does not pile up what comes after.
func TestGoexitsDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		var depths []int
		st.put = func(context.Context, store.Result[int]) error {
			depths = append(depths, runtime.Callers(0, make([]uintptr, 1000)))
			runtime.Goexit()
			return nil
		}
		p := newPool(t, &pool.Options{Workers: 1, Queue: 30}, st)
		require.NoError(t, p.Resize(0))
		require.NoError(t, p.Resize(1))
		started := make(chan struct{})
		block := make(chan struct{})
		submit(t, p, func(context.Context) (int, error) { close(started); <-block; return 1, nil })
		<-started
		for range 20 {
			submit(t, p, value(1))
		}
		p.cancel(errCause)
		synctest.Wait()
		require.Len(t, depths, 20)
		assert.Equal(t, depths[2], depths[19])
		close(block)
		<-p.Done()
	})
}
