package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/metrics"
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

// Promises that a mutation run has found no test for.

// ---- Get and Wait -----------------------------------------------------------

// A nil context is an error before anything is asked.
func TestGetNilContextAsksNothing(t *testing.T) {
	st := &hookStore{ResultStore: rwmutex.New[int]()}
	st.get = func(context.Context, store.ID) (store.Result[int], error) { panic("the store was asked") }
	p := newPool(t, nil, st)
	_, err := p.Get(nil, 1) //nolint:staticcheck // that is what is tested
	assert.Error(t, err)
}

// Only an ID that is not found is waited for: an error of the store is returned at
// once, also while the task runs.
func TestGetReturnsStoreErrorAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		p, _, running, _, _ := busyPool(t, st)
		asked := 0
		st.get = func(context.Context, store.ID) (store.Result[int], error) {
			asked++
			return store.Result[int]{}, errDown
		}
		got := call(func() error { _, err := p.Get(t.Context(), running); return err })
		synctest.Wait()
		err, returned := got()
		assert.True(t, returned)
		assert.Equal(t, errDown, err)
		assert.Equal(t, 1, asked)
	})
}

// A Get that was there before the store refused the result has it all the same.
func TestGetWaitsForWhatIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		st.put = func(context.Context, store.Result[int]) error { return store.ErrRejected }
		p, gate, running, _, _ := busyPool(t, st)
		v := 0
		got := call(func() (err error) { v, err = p.Get(t.Context(), running); return err })
		synctest.Wait()
		close(gate)
		synctest.Wait()
		err, returned := got()
		assert.True(t, returned)
		var unsaved *pool.UnsavedError[int]
		assert.ErrorAs(t, err, &unsaved)
		assert.ErrorIs(t, err, store.ErrRejected)
		assert.Equal(t, 1, v)
	})
}

// Who waits for tasks that a cancel keeps from running is told of each, and Wait of
// the last, whether they are settled one by one or in batches.
func TestUnrunTasksWakeThoseWhoWait(t *testing.T) {
	for name, batch := range map[string]bool{"one by one": false, "batches": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hooks := &hookStore{ResultStore: rwmutex.New[int]()}
				var st store.ResultStore[int] = hooks
				if batch {
					st = &batchStore{hookStore: hooks, putBatch: func(_ context.Context, res []store.Result[int]) error {
						putAll(hooks.ResultStore, res)
						return nil
					}}
				}
				p := newPool(t, &pool.Options{Workers: 1, Queue: 10}, st)
				gate := make(chan struct{})
				submit(t, p, gated(gate, 1))
				synctest.Wait()
				var gets []func() (error, bool)
				for i := range 6 {
					id := submit(t, p, value(i))
					gets = append(gets, call(func() error { _, err := p.Get(context.Background(), id); return err }))
				}
				synctest.Wait()
				wait := call(func() error { return p.Wait(context.Background()) })
				synctest.Wait()
				close(gate)
				p.cancel(errCause) // before the worker comes, or after
				synctest.Wait()
				for i, get := range gets {
					err, returned := get()
					assert.True(t, returned, "Get %d", i)
					if err != nil {
						assert.ErrorIs(t, err, pool.ErrNotRun)
						assert.ErrorIs(t, err, errCause)
					}
				}
				err, returned := wait()
				assert.True(t, returned)
				assert.NoError(t, err)
			})
		})
	}
}

// The same with a worker that stays busy: Wait is told when the worker is done as well.
func TestWaitIsToldByTheReaper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1, Queue: 10})
		require.NoError(t, p.Resize(0))
		require.NoError(t, p.Resize(1))
		started := make(chan struct{})
		submit(t, p, func(ctx context.Context) (int, error) { close(started); <-ctx.Done(); return 1, nil })
		<-started
		for i := range 3 {
			submit(t, p, value(i))
		}
		wait := call(func() error { return p.Wait(context.Background()) })
		synctest.Wait()
		p.cancel(errCause)
		synctest.Wait()
		err, returned := wait()
		assert.True(t, returned)
		assert.NoError(t, err)
	})
}

// An idle worker holds no task: one that it has run, and whose result was deleted, is
// not found.
func TestIdleWorkerHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 2})
		for _, in := range []task{value(1), func(context.Context) (int, error) { return 0, errTask }} {
			id := submit(t, p, in)
			synctest.Wait()
			require.NoError(t, p.st.Delete(t.Context(), id))
			got := call(func() error { _, err := p.Get(context.Background(), id); return err })
			synctest.Wait()
			err, returned := got()
			assert.True(t, returned)
			assert.Equal(t, store.ErrNotFound, err)
		}
	})
}

// Wait waits for all that run, not for the next to end.
func TestWaitWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 2, Queue: 5})
		gates := []chan struct{}{make(chan struct{}), make(chan struct{}), make(chan struct{})}
		for i, gate := range gates {
			submit(t, p, gated(gate, i))
		}
		synctest.Wait()
		wait := call(func() error { return p.Wait(context.Background()) })
		for _, gate := range gates {
			synctest.Wait()
			_, returned := wait()
			assert.False(t, returned)
			close(gate)
		}
		synctest.Wait()
		err, returned := wait()
		assert.True(t, returned)
		assert.NoError(t, err)
	})
}

// Results that are given up can be had while others are. (For the race detector.)
func TestGetRacesGivenUp(t *testing.T) {
	st := &hookStore{ResultStore: rwmutex.New[int]()}
	st.put = func(context.Context, store.Result[int]) error { return store.ErrRejected }
	p := newPool(t, &pool.Options{Workers: 2, Queue: 10}, st)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := range 300 {
				id, err := p.Submit(context.Background(), value(i))
				assert.NoError(t, err)
				v, err := p.Get(context.Background(), id)
				assert.Equal(t, i, v)
				assert.ErrorIs(t, err, store.ErrRejected)
			}
		})
	}
	wg.Wait()
	var unsaved *pool.UnsavedError[int]
	require.ErrorAs(t, p.Stop(t.Context()), &unsaved)
	assert.Len(t, unsaved.Results, 900)
}

// Inside a task there is room, or there is none, while others wait for it. (For the race
// detector.)
func TestSubmitInTaskRaces(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 3, Queue: 3})
	inTask := func(ctx context.Context) (int, error) {
		for range 50 {
			if ids, err := p.SubmitAll(ctx, []task{value(1), value(2)}); err != nil {
				assert.Equal(t, pool.ErrQueueFull, err)
				assert.Less(t, len(ids), 2)
			}
			if _, err := p.TrySubmit(value(3)); err != nil {
				assert.Equal(t, pool.ErrQueueFull, err)
			}
		}
		return 0, nil
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 10 {
				_, err := p.SubmitAll(context.Background(), []task{inTask, value(1), value(1), value(1), value(1)})
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	assert.NoError(t, p.Wait(t.Context()))
	assert.NoError(t, p.Stop(t.Context()))
}

// ---- workers and submitters -------------------------------------------------

// A batch that is larger than the queue employs all workers, though only a part of it
// is in the queue when the first one comes.
func TestBatchLargerThanQueueUsesAllWorkers(t *testing.T) {
	for _, queue := range []int{1, 2, 3} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 4, Queue: queue})
			gate := make(chan struct{})
			submitted := call(func() error {
				_, err := p.SubmitAll(context.Background(), slices.Repeat([]task{gated(gate, 1)}, 20))
				return err
			})
			synctest.Wait()
			s := p.Stats()
			assert.EqualValues(t, 4, s.Running, "queue %d", queue)
			assert.EqualValues(t, queue, s.Queued)
			close(gate)
			synctest.Wait()
			err, returned := submitted()
			assert.True(t, returned)
			assert.NoError(t, err)
		})
	}
}

// The defaults are read, not set.
func TestDefaultsLeaveGOMAXPROCS(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	p := newPool(t, nil)
	assert.Equal(t, 3, p.Stats().Workers)
	assert.Equal(t, 3, runtime.GOMAXPROCS(0))
	_, err := pool.Map(t.Context(), []int{1}, func(context.Context, int) (int, error) { return 0, nil }, nil)
	assert.NoError(t, err)
	assert.Equal(t, 3, runtime.GOMAXPROCS(0))
}

// Stop after a cancel does not take away the reason that Submit gives.
func TestCauseIsKeptAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, nil)
		p.cancel(errCause)
		for range 2 {
			assert.Equal(t, errCause, p.Stop(t.Context()))
			_, err := p.Submit(t.Context(), value(1))
			assert.ErrorIs(t, err, pool.ErrClosed)
			assert.ErrorIs(t, err, errCause)
			assert.ErrorIs(t, p.Resize(3), errCause)
		}
	})
}

// Tasks that are left without workers and then cancelled were not run because of the
// cancel, the later and more important reason.
func TestCancelWithoutWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, _, queued, queued2 := busyPool(t)
		require.NoError(t, p.Resize(0))
		p.cancel(errCause)
		close(gate)
		assert.Equal(t, errCause, p.Stop(t.Context()))
		for _, id := range []store.ID{queued, queued2} {
			res := held(t, p, id)
			assert.ErrorIs(t, res.Err, pool.ErrNotRun)
			assert.ErrorIs(t, res.Err, errCause)
			assert.NotErrorIs(t, res.Err, pool.ErrNoWorkers)
		}
	})
}

// The context of a task may outlive the task, and its pool. Then Stop has nothing to
// wait for and says how it ended.
func TestStopWithTaskContextAfterEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, nil)
		var inTask context.Context
		submit(t, p, func(ctx context.Context) (int, error) { inTask = ctx; return 1, nil })
		require.NoError(t, p.Stop(t.Context()))
		assert.NoError(t, p.Stop(inTask))
	})
}

// When Stop says that the pool has ended, what hears of its cancel is over as well.
func TestEndWaitsForTheCancel(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so a new goroutine runs late
	const rounds = 50
	left := 0
	for range rounds {
		ctx, cancel := context.WithCancelCause(context.Background())
		p, err := pool.New(ctx, pool.Call[int], rwmutex.New[int](), nil)
		require.NoError(t, err)
		cancel(errCause)
		require.Equal(t, errCause, p.Stop(context.Background()))
		if poolGoroutines() != "" {
			left++
		}
	}
	assert.Less(t, left, rounds/2, "one may be on its way out, but not each time")
	checkGoroutines(t)
}

// A task that was not accepted has no ID.
func TestNoIDWithAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, _, _, _ := busyPool(t)
		submit(t, p, value(4)) // the queue is full
		none := func(id store.ID, err error) {
			t.Helper()
			assert.Error(t, err)
			assert.Zero(t, id)
		}
		none(p.Submit(nil, value(1))) //nolint:staticcheck // that is what is tested
		none(p.Submit(t.Context(), nil))
		none(p.Submit(doneContext(), value(1)))
		none(p.TrySubmit(value(1)))
		p.cancel(errCause)
		none(p.Submit(t.Context(), value(1)))
	})
}

// Inside a task there is room for as many as the queue takes, also for more than it has
// memory for yet.
func TestSubmitAllInTaskFillsTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1, Queue: 100})
		var ids []store.ID
		var err, full error
		submit(t, p, func(ctx context.Context) (int, error) {
			ids, err = p.SubmitAll(ctx, slices.Repeat([]task{value(1)}, 100))
			_, full = p.SubmitAll(ctx, []task{value(1)})
			return 0, nil
		})
		synctest.Wait()
		assert.NoError(t, err)
		assert.Len(t, ids, 100)
		assert.Equal(t, pool.ErrQueueFull, full)
		assert.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 101, holds(t, p))
	})
}

// SubmitAll has an error exactly if it has not accepted all, whoever closes the pool
// meanwhile.
func TestSubmitAllErrsOnlyIfCutShort(t *testing.T) {
	for range 300 {
		p := newPool(t, &pool.Options{Workers: 2, Queue: 4})
		cancelling := func(context.Context) (int, error) { p.cancel(errCause); return 0, nil }
		ids, err := p.SubmitAll(context.Background(), []task{cancelling, value(1), value(2)})
		if err == nil {
			assert.Len(t, ids, 3)
		} else {
			assert.Less(t, len(ids), 3)
		}
		<-p.Done()
		assert.Equal(t, len(ids), holds(t, p))
	}
}

// Who waits for a task is told of its end also while others wait for room.
func TestGetIsToldWhileSubmittersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1, Queue: 100})
		tokens := make(chan struct{})
		take := func(context.Context) (int, error) { <-tokens; return 1, nil }
		ids, err := p.SubmitAll(t.Context(), slices.Repeat([]task{take}, 100))
		require.NoError(t, err)
		synctest.Wait()
		batch := call(func() error {
			_, err := p.SubmitAll(context.Background(), slices.Repeat([]task{take}, 200))
			return err
		})
		synctest.Wait()
		for i := range 20 {
			got := call(func() error { _, err := p.Get(context.Background(), ids[i]); return err })
			synctest.Wait()
			tokens <- struct{}{}
			synctest.Wait()
			err, returned := got()
			assert.True(t, returned, "task %d", i)
			assert.NoError(t, err)
		}
		_, returned := batch()
		assert.False(t, returned)
		close(tokens)
		synctest.Wait()
		err, returned = batch()
		assert.True(t, returned)
		assert.NoError(t, err)
	})
}

// A submitter that waits with the context of the pool hears that the pool is closed,
// which says more than that its context is done.
func TestSubmitWithThePoolsContext(t *testing.T) {
	for range 50 { // who hears of the cancel first is left to chance
		synctest.Test(t, submitWithThePoolsContext)
	}
}

func submitWithThePoolsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	p, err := pool.New(ctx, pool.Call[int], rwmutex.New[int](), &pool.Options{Workers: 1, Queue: 1})
	require.NoError(t, err)
	gate := make(chan struct{})
	for range 2 {
		_, err = p.Submit(ctx, gated(gate, 1))
		require.NoError(t, err)
		synctest.Wait()
	}
	submitted := call(func() error { _, err := p.Submit(ctx, value(1)); return err })
	synctest.Wait()
	cancel(errCause)
	synctest.Wait()
	err, returned := submitted()
	assert.True(t, returned)
	assert.ErrorIs(t, err, pool.ErrClosed)
	assert.ErrorIs(t, err, errCause)
	close(gate)
	<-p.Done()
}

// A worker that meets the cancel of a context that is not the standard library's, of
// which the pool hears late, ends a pool that is being stopped as the cancel would.
func TestWorkerSeesTheCancelFirst(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that the worker comes first
	for range 20 {
		ctx := newCustomCtx()
		st := rwmutex.New[int]()
		p, err := pool.New(ctx, pool.Call[int], st, &pool.Options{Workers: 1})
		require.NoError(t, err)
		gate, started := make(chan struct{}), make(chan struct{})
		_, err = p.Submit(t.Context(), func(context.Context) (int, error) { close(started); <-gate; return 1, nil })
		require.NoError(t, err)
		<-started
		_, err = p.Submit(t.Context(), value(2))
		require.NoError(t, err)
		require.Equal(t, context.Canceled, p.Stop(doneContext()))
		ctx.cancel(errCause)
		close(gate)
		<-p.Done() // and not Stop, which would look at the context itself
		assert.Equal(t, errCause, p.Stop(context.Background()))
		res, err := st.Get(t.Context(), 2)
		assert.NoError(t, err)
		assert.ErrorIs(t, res.Err, errCause)
	}
	checkGoroutines(t)
}

// The only goroutines of a pool are its workers, one that settles what a cancel has left,
// and one that hears of the cancel. What wakes others is done by those who have the news:
// a goroutine for it could be left when Done is closed.
func TestPoolStartsOnlyWorkers(t *testing.T) {
	created := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	if metrics.Read(created); created[0].Value.Kind() != metrics.KindUint64 {
		t.Skip("this version of Go does not count goroutines")
	}
	const rounds = 100
	count := func(round func()) float64 {
		round()
		metrics.Read(created)
		before := created[0].Value.Uint64()
		for range rounds {
			round()
		}
		metrics.Read(created)
		return float64(created[0].Value.Uint64()-before) / rounds
	}
	// Two calls that wait, and two workers, one after the other.
	stopped := count(func() {
		p, err := pool.New(context.Background(), pool.Call[int], rwmutex.New[int](), &pool.Options{Workers: 1, Queue: 1})
		require.NoError(t, err)
		gate, started := make(chan struct{}), make(chan struct{})
		id, err := p.Submit(context.Background(), func(context.Context) (int, error) { close(started); <-gate; return 1, nil })
		require.NoError(t, err)
		<-started
		var wg sync.WaitGroup
		wg.Go(func() { _, err := p.Get(context.Background(), id); assert.NoError(t, err) })
		wg.Go(func() {
			_, err := p.SubmitAll(context.Background(), []task{value(1), value(2), value(3)})
			assert.NoError(t, err)
		})
		for p.Stats().Submitted < 2 {
			runtime.Gosched()
		}
		close(gate)
		wg.Wait()
		require.NoError(t, p.Wait(context.Background()))
		require.NoError(t, p.Resize(0))
		for workerCount() > 0 { // it is about to leave
			runtime.Gosched()
		}
		require.NoError(t, p.Resize(1))
		for range 5 {
			_, err = p.Submit(context.Background(), value(1))
			require.NoError(t, err)
			require.NoError(t, p.Wait(context.Background()))
			for range 5 {
				runtime.Gosched() // the worker goes to sleep
			}
		}
		require.NoError(t, p.Stop(context.Background()))
	})
	assert.InDelta(t, 4, stopped, 0.5, "in a pool that is stopped")

	// One worker, and the two of the cancel; then one that has nothing to settle.
	cancelled := count(func() {
		for n := range 2 {
			ctx, cancel := context.WithCancelCause(context.Background())
			st := &hookStore{ResultStore: rwmutex.New[int]()}
			p, err := pool.New(ctx, pool.Call[int], st, &pool.Options{Workers: 1, Queue: 10})
			require.NoError(t, err)
			gate, started := make(chan struct{}), make(chan struct{})
			_, err = p.Submit(ctx, func(context.Context) (int, error) { close(started); <-gate; return 1, nil })
			require.NoError(t, err)
			<-started
			for range 3 * n {
				_, err = p.Submit(ctx, value(1))
				require.NoError(t, err)
			}
			ended := make(chan struct{})
			putting := make(chan struct{}, 10)
			st.put = func(_ context.Context, res store.Result[int]) error {
				if res.ID == 1 {
					putting <- struct{}{}
					<-ended
				}
				return errDown
			}
			if n == 0 { // a Put is under way at the cancel
				close(gate)
				<-putting
			}
			cancel(errCause)
			for p.Stats().NotRun < uint64(3*n) || p.Resize(1) == nil {
				runtime.Gosched()
			}
			if n != 0 {
				close(gate)
			}
			close(ended)
			<-p.Done()
		}
	})
	assert.InDelta(t, 5, cancelled, 0.5, "in pools that are cancelled")
}

// ---- reserved IDs -----------------------------------------------------------

// The contexts that reserving has made are over with the call: nothing of them stays
// with the pool or with the submitter's own context.
func TestReservingLeavesNothing(t *testing.T) {
	checkGoroutines(t)
	type key struct{}
	type thing struct{ _ [64]byte }
	st := newReservingStore(1)
	p := newPool(t, &pool.Options{Workers: 1, Queue: 1 << 17}, st)
	_, err := p.SubmitAll(t.Context(), slices.Repeat([]task{value(1)}, 1<<16))
	require.NoError(t, err)
	good := st.reserve
	submitWith := func() weak.Pointer[thing] {
		v := new(thing)
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, v))
		defer cancel()
		var given context.Context
		st.reserve = func(ctx context.Context, n uint64) (store.ID, error) { given = ctx; return good(ctx, n) }
		_, err := p.Submit(ctx, value(1))
		require.NoError(t, err)
		assert.Error(t, given.Err(), "the context that ReserveIDs was given")
		return weak.Make(v)
	}
	v := submitWith()
	st.reserve = nil
	assert.Eventually(t, func() bool { runtime.GC(); return v.Value() == nil }, 3*time.Second, time.Millisecond,
		"the submitter's context is still reachable")
	runtime.KeepAlive(p)
}

// Resize to another number of workers does not make Stop miss those who reserve.
func TestStopWakesReserverAfterResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newReservingStore(1)
		p := newPool(t, &pool.Options{Workers: 1, Queue: 1 << 17}, st)
		gate := make(chan struct{})
		defer close(gate)
		_, err := p.SubmitAll(t.Context(), slices.Repeat([]task{gated(gate, 1)}, 1<<16))
		require.NoError(t, err)
		st.reserve = func(ctx context.Context, _ uint64) (store.ID, error) { <-ctx.Done(); return 0, ctx.Err() }
		submitted := call(func() error { _, err := p.Submit(context.Background(), value(1)); return err })
		synctest.Wait()
		require.NoError(t, p.Resize(2))
		_ = p.Stop(doneContext())
		synctest.Wait()
		err, returned := submitted()
		assert.True(t, returned)
		assert.Equal(t, pool.ErrClosed, err)
	})
}

// Stop wakes a submitter that waits for the store to reserve IDs at once, also while
// Stop itself waits for a task.
func TestStopWakesReserverWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newReservingStore(1)
		p := newPool(t, &pool.Options{Workers: 1, Queue: 1 << 17}, st)
		gate := make(chan struct{})
		tasks := slices.Repeat([]task{gated(gate, 1)}, 1<<16)
		_, err := p.SubmitAll(t.Context(), tasks)
		require.NoError(t, err)
		st.reserve = func(ctx context.Context, _ uint64) (store.ID, error) { <-ctx.Done(); return 0, ctx.Err() }
		submitted := call(func() error { _, err := p.Submit(context.Background(), value(1)); return err })
		synctest.Wait()
		stopped := call(func() error { return p.Stop(context.Background()) })
		synctest.Wait()
		err, returned := submitted()
		assert.True(t, returned)
		assert.Equal(t, pool.ErrClosed, err)
		_, returned = stopped()
		assert.False(t, returned)
		close(gate)
		synctest.Wait()
		err, _ = stopped()
		assert.NoError(t, err)
	})
}

// A store may go on reserving after the cancel, while the tasks that were not run are
// settled: what it reserves is not needed, and disturbs nobody.
func TestReserveEndsAfterCancel(t *testing.T) {
	for range 2 {
		st := newReservingStore(1)
		p := newPool(t, &pool.Options{Workers: 1, Queue: 1 << 17}, st)
		gate := make(chan struct{})
		const n = 1 << 16
		_, err := p.SubmitAll(t.Context(), append([]task{gated(gate, 1)}, slices.Repeat([]task{value(1)}, n-1)...))
		require.NoError(t, err)
		good, asked := st.reserve, make(chan struct{})
		st.reserve = func(ctx context.Context, n uint64) (store.ID, error) {
			close(asked)
			<-ctx.Done()
			return good(ctx, n)
		}
		submitted := call(func() error { _, err := p.Submit(context.Background(), value(1)); return err })
		<-asked
		p.cancel(errCause)
		close(gate)
		assert.Equal(t, errCause, p.Stop(t.Context()))
		require.Equal(t, n, holds(t, p))
		for {
			if err, returned := submitted(); returned {
				assert.ErrorIs(t, err, pool.ErrClosed)
				break
			}
			runtime.Gosched()
		}
	}
}

// ---- stores that fail -------------------------------------------------------

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
		batch func([]store.Result[int]) error // nil: the store has no batches
	}{
		"no batches":                  {3, nil},
		"batch rejected":              {3, func([]store.Result[int]) error { return store.ErrRejected }},
		"batch refused, first":        {1, func([]store.Result[int]) error { return store.ErrExists }},
		"not in the batch that fails": {1090, func([]store.Result[int]) error { return errDown }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hooks := &hookStore{ResultStore: rwmutex.New[int]()}
				var st store.ResultStore[int] = hooks
				if c.batch != nil {
					st = &batchStore{hookStore: hooks, putBatch: func(_ context.Context, res []store.Result[int]) error { return c.batch(res) }}
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

// ---- Map --------------------------------------------------------------------

// An input that is left in another's block is mapped like any other: a panic in it is
// an error, a Goexit too.
func TestMapPanicsInAnothersBlock(t *testing.T) {
	for name, end := range map[string]struct {
		end  func()
		want error
	}{
		"panic":  {func() { panic(io.ErrNoProgress) }, io.ErrNoProgress},
		"Goexit": {runtime.Goexit, pool.ErrGoexit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 64 // four inputs to a block
				in := make([]int, n)
				for i := range in {
					in[i] = i
				}
				var others sync.WaitGroup
				others.Add(n - 1)
				_, err := pool.Map(t.Context(), in, func(_ context.Context, i int) (int, error) {
					if i == 0 {
						others.Wait()
						return 0, nil
					}
					others.Done()
					if i <= 3 {
						end.end()
					}
					return 0, nil
				}, &pool.Options{Workers: 2})
				require.ErrorIs(t, err, end.want)
				assert.Len(t, err.(interface{ Unwrap() []error }).Unwrap(), 3)
				for i := 1; i <= 3; i++ {
					assert.ErrorContains(t, err, fmt.Sprintf("input %d:", i))
				}
			})
		})
	}
}

// Errors are in the order of the inputs, whichever came first, and that of the inputs
// that were not run is behind them.
func TestMapErrorsAreInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var meeting sync.WaitGroup
		meeting.Add(3)
		_, err := pool.Map(ctx, []int{0, 1, 2, 3, 4}, func(_ context.Context, i int) (int, error) {
			meeting.Done()
			meeting.Wait()
			cancel(errCause)
			time.Sleep(time.Duration(3-i) * time.Second) // the last comes first
			return 0, fmt.Errorf("error of %d", i)
		}, &pool.Options{Workers: 3})
		assert.EqualError(t, err, "pool: input 0: error of 0\npool: input 1: error of 1\npool: input 2: error of 2\n"+
			"2 of 5 inputs: pool: task not run: cause of the cancel")
	})
}
