package pool_test

import (
	"context"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
)

func TestTrySubmitQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, _, _, _ := busyPool(t)
		id, err := p.TrySubmit(value(4))
		require.NoError(t, err)
		assert.EqualValues(t, 4, id)
		id, err = p.TrySubmit(value(5))
		assert.Equal(t, pool.ErrQueueFull, err)
		assert.Zero(t, id)
		close(gate)
		require.NoError(t, p.Wait(t.Context()))
		id, err = p.TrySubmit(value(5))
		assert.NoError(t, err)
		assert.EqualValues(t, 5, id, "the refused task took an ID")
	})
}

// New starts no goroutine, and a pool only as many as there is work for.
func TestWorkersStartWhenNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 100})
		assert.Empty(t, poolGoroutines(), "after New")
		for range 50 {
			submit(t, p, value(1))
			synctest.Wait()
		}
		assert.Equal(t, 1, countGoroutines(), "after tasks one by one")
		gate := make(chan struct{})
		for range 7 {
			submit(t, p, gated(gate, 1))
		}
		synctest.Wait()
		assert.Equal(t, 7, countGoroutines(), "with seven tasks that run")
		close(gate)
		require.NoError(t, p.Stop(t.Context()))
		synctest.Wait()
		assert.Empty(t, poolGoroutines(), "after Stop")
	})
}

// A task that blocks never delays one that waits while a worker is idle.
func TestNoHeadOfLineBlocking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 4})
		gate := make(chan struct{})
		defer close(gate)
		var ids []store.ID
		for i := range 99 {
			if i%33 == 0 {
				submit(t, p, gated(gate, 0))
			}
			ids = append(ids, submit(t, p, value(i)))
		}
		synctest.Wait()
		for i, id := range ids {
			assert.Equal(t, i, held(t, p, id).Value)
		}
		assert.EqualValues(t, 3, p.Stats().Running)
	})
}

// Submitters that wait get room in the order in which they came, and TrySubmit
// does not get past them.
func TestSubmittersAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1, Queue: 1})
		gate := make(chan struct{})
		for range 2 {
			submit(t, p, gated(gate, 0))
			synctest.Wait()
		}
		ids := make([]store.ID, 10)
		for i := range ids {
			go func() { ids[i], _ = p.Submit(context.Background(), gated(gate, i)) }()
			synctest.Wait()
		}
		for i := range ids {
			gate <- struct{}{}
			synctest.Wait()
			_, err := p.TrySubmit(value(0))
			assert.Equal(t, pool.ErrQueueFull, err)
			assert.NotZero(t, ids[i], "submitter %d still waits", i)
			if i+1 < len(ids) {
				assert.Zero(t, ids[i+1], "submitter %d was served too early", i+1)
			}
		}
		close(gate)
		require.NoError(t, p.Stop(t.Context()))
		assert.True(t, slices.IsSorted(ids))
		for i, id := range ids {
			assert.Equal(t, i, held(t, p, id).Value)
		}
	})
}

// A submitter that gives up makes no difference to those before and after it.
func TestSubmitterGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, _, _, _ := busyPool(t)
		submit(t, p, value(4))
		ctx, cancel := context.WithCancelCause(t.Context())
		first := call(func() error { _, err := p.Submit(t.Context(), value(5)); return err })
		synctest.Wait()
		second := call(func() error { _, err := p.Submit(ctx, value(6)); return err })
		synctest.Wait()
		third := call(func() error { _, err := p.Submit(t.Context(), value(7)); return err })
		synctest.Wait()
		cancel(io.EOF)
		synctest.Wait()
		err, returned := second()
		assert.True(t, returned)
		assert.Equal(t, io.EOF, err)
		close(gate)
		synctest.Wait()
		for _, c := range []func() (error, bool){first, third} {
			err, returned := c()
			assert.True(t, returned)
			assert.NoError(t, err)
		}
		assert.Equal(t, pool.Stats{Submitted: 6, Succeeded: 6, Workers: 1}, p.Stats())
	})
}

func TestSubmitAll(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 100, 5000} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 2, Queue: 3})
			in := make([]task, n)
			for i := range in {
				in[i] = value(i)
			}
			ids, err := p.SubmitAll(t.Context(), in)
			require.NoError(t, err)
			require.Len(t, ids, n)
			assert.True(t, slices.IsSorted(ids))
			clear(in) // the caller's again
			require.NoError(t, p.Stop(t.Context()))
			assert.Equal(t, n, holds(t, p))
			for i, id := range ids {
				require.Equal(t, i, held(t, p, id).Value)
			}
		})
	}
}

// SubmitAll that ends early says exactly what was accepted.
func TestSubmitAllPart(t *testing.T) {
	ends := map[string]struct {
		end  func(p taskPool, cancel context.CancelCauseFunc)
		want error
	}{
		"its ctx":   {func(_ taskPool, cancel context.CancelCauseFunc) { cancel(io.EOF) }, io.EOF},
		"Stop":      {func(p taskPool, _ context.CancelCauseFunc) { _ = p.Stop(doneContext()) }, pool.ErrClosed},
		"cancel":    {func(p taskPool, _ context.CancelCauseFunc) { p.cancel(errCause) }, errCause},
		"Resize(0)": {func(p taskPool, _ context.CancelCauseFunc) { _ = p.Resize(0) }, pool.ErrNoWorkers},
	}
	for name, c := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, &pool.Options{Workers: 1, Queue: 3})
				gate := make(chan struct{})
				defer close(gate)
				in := make([]task, 10)
				for i := range in {
					in[i] = gated(gate, i)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				var ids []store.ID
				submitted := call(func() (err error) { ids, err = p.SubmitAll(ctx, in); return err })
				synctest.Wait()
				gate <- struct{}{}
				gate <- struct{}{}
				synctest.Wait()
				_, returned := submitted()
				assert.False(t, returned)
				c.end(p, cancel)
				synctest.Wait()
				err, returned := submitted()
				assert.True(t, returned)
				assert.ErrorIs(t, err, c.want)
				assert.Equal(t, []store.ID{1, 2, 3, 4, 5, 6}, ids)
				assert.EqualValues(t, 6, p.Stats().Submitted)
			})
		})
	}
}

// An id is given at submission: increasing in the order in which a goroutine
// submits, and never twice.
func TestIDsIncrease(t *testing.T) {
	checkGoroutines(t)
	p := newPool(t, &pool.Options{Workers: 2, Queue: 7})
	const submitters, each = 8, 1000
	got := make([][]store.ID, submitters)
	var wg sync.WaitGroup
	for s := range submitters {
		wg.Go(func() {
			for len(got[s]) < each {
				switch len(got[s]) % 3 {
				case 0:
					if id, err := p.TrySubmit(value(1)); err == nil {
						got[s] = append(got[s], id)
						continue
					}
					fallthrough
				case 1:
					id, err := p.Submit(t.Context(), value(1))
					assert.NoError(t, err)
					got[s] = append(got[s], id)
				case 2:
					ids, err := p.SubmitAll(t.Context(), []task{value(1), value(2), value(3)})
					assert.NoError(t, err)
					got[s] = append(got[s], ids...)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, p.Stop(t.Context()))
	var all []store.ID
	for _, ids := range got {
		assert.True(t, slices.IsSorted(ids))
		all = append(all, ids...)
	}
	slices.Sort(all)
	for i, id := range all {
		require.EqualValues(t, i+1, id, "IDs have no gaps and no repeats")
	}
	assert.Equal(t, len(all), holds(t, p))
}

// ants #26, #70, #154, #336, #374: never more tasks at once than workers, also
// while their number changes. Counted inside the tasks.
func TestNeverMoreThanWorkers(t *testing.T) {
	checkGoroutines(t)
	p := newPool(t, &pool.Options{Workers: 1})
	var running, limit atomic.Int64
	limit.Store(1)
	var over atomic.Int64
	busy := func(context.Context) (int, error) {
		if running.Add(1) > limit.Load() {
			over.Add(1)
		}
		runtime.Gosched()
		running.Add(-1)
		return 0, nil
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				_, err := p.Submit(t.Context(), busy)
				assert.NoError(t, err)
			}
		})
	}
	for i := range 50 {
		more := int64(2 + i%7)
		limit.Store(more)
		require.NoError(t, p.Resize(int(more)))
		runtime.Gosched()
		require.NoError(t, p.Resize(1)) // those that run may finish, so limit stays
		for p.Stats().Running > 1 {
			runtime.Gosched()
		}
	}
	wg.Wait()
	require.NoError(t, p.Stop(t.Context()))
	assert.Zero(t, over.Load(), "tasks that found too many running")
}

// pond #543ed3a, #74, #86: many tiny tasks on few workers, none missed.
func TestManyTinyTasks(t *testing.T) {
	for _, workers := range []int{1, 2} {
		checkGoroutines(t)
		st := dense.New[int]()
		p, err := pool.New(t.Context(), func(_ context.Context, i int) (int, error) { return i, nil }, st, &pool.Options{Workers: workers})
		require.NoError(t, err)
		const n = 100_000
		for i := range n {
			_, err := p.Submit(t.Context(), i)
			require.NoError(t, err)
		}
		require.NoError(t, p.Stop(t.Context()))
		next := 0
		for res, err := range st.All(t.Context()) {
			require.NoError(t, err)
			if res.Value != next || res.ID != store.ID(next+1) {
				t.Fatalf("result %d is %+v", next, res)
			}
			next++
		}
		assert.Equal(t, n, next)
	}
}

// pond #43, workerpool #76 and others: N submitters race Stop, many times. No
// panic, every accepted task has its result, and Stop comes first or not at all.
// TestSuite does it too; this one has all ways to submit, and several Stops.
func TestSubmitRacesStop(t *testing.T) {
	checkGoroutines(t)
	rounds := 10_000
	if raceEnabled {
		rounds = 500
	}
	for range rounds {
		st := rwmutex.New[int]()
		p, err := pool.New(context.Background(), pool.Call[int], st, &pool.Options{Workers: 2, Queue: 2})
		require.NoError(t, err)
		var accepted atomic.Int64
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				var err error
				for err == nil || err == pool.ErrQueueFull {
					var ids []store.ID
					switch i {
					case 0:
						_, err = p.Submit(context.Background(), value(1))
					case 1:
						if _, err = p.TrySubmit(value(1)); err == pool.ErrQueueFull {
							runtime.Gosched()
						}
					case 2:
						ids, err = p.SubmitAll(context.Background(), []task{value(1), value(2), value(3)})
						accepted.Add(int64(len(ids)))
						continue
					}
					if err == nil {
						accepted.Add(1)
					}
				}
				assert.Equal(t, pool.ErrClosed, err)
			})
		}
		for range 2 {
			wg.Go(func() {
				runtime.Gosched()
				assert.NoError(t, p.Stop(context.Background()))
			})
		}
		wg.Wait()
		all, err := p.Results(context.Background())
		require.NoError(t, err)
		require.Len(t, all, int(accepted.Load()))
		require.EqualValues(t, accepted.Load(), p.Stats().Submitted)
	}
}

// Submit, run and Put allocate nothing in the steady state, with dense.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	checkGoroutines(t)
	const n = 10_000 // also the queue: a Submit that has to wait does allocate
	st := dense.New[int]()
	p, err := pool.New(t.Context(), func(_ context.Context, i int) (int, error) { return i, nil }, st, &pool.Options{Workers: 1, Queue: n})
	require.NoError(t, err)
	defer func() { assert.NoError(t, p.Stop(context.Background())) }()
	run := func() {
		for i := range n {
			_, err := p.Submit(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run()
	perTask := testing.AllocsPerRun(5, run) / n
	// A segment of dense is one allocation for 1,024 results, each Wait is a few.
	assert.Less(t, perTask, 0.01)
}

// Time passes in a pool only for what waits: nothing polls.
func TestIdlePoolSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 3})
		for range 10 {
			submit(t, p, value(1))
		}
		synctest.Wait()
		// In a bubble, time passes at once while all goroutines are blocked. With a
		// poll each millisecond this would take 360 billion steps, and not end.
		begun := time.Now()
		time.Sleep(100_000 * time.Hour)
		assert.Equal(t, 100_000*time.Hour, time.Since(begun))
		submit(t, p, value(1))
		require.NoError(t, p.Stop(t.Context()))
	})
}
