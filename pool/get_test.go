package pool_test

import (
	"context"
	"io"
	"iter"
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
	"github.com/resultpool/resultpool/store/rwmutex"
)

// Get waits for a task that waits or runs, and then for nothing more.
func TestGetWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, running, queued, queued2 := busyPool(t)
		var gets []func() (error, bool)
		for range 3 { // several for each
			for i, id := range []store.ID{running, queued, queued2} {
				gets = append(gets, call(func() error {
					v, err := p.Get(t.Context(), id)
					assert.Equal(t, i+1, v)
					return err
				}))
			}
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		impatient := call(func() error { _, err := p.Get(ctx, queued); return err })
		synctest.Wait()
		cancel(io.EOF)
		synctest.Wait()
		err, returned := impatient()
		assert.True(t, returned)
		assert.Equal(t, io.EOF, err)
		for _, get := range gets {
			_, returned := get()
			assert.False(t, returned, "Get returned before the task had ended")
		}
		close(gate)
		synctest.Wait()
		for _, get := range gets {
			err, returned := get()
			assert.True(t, returned)
			assert.NoError(t, err)
		}
		v, err := p.Get(ctx, queued)
		assert.NoError(t, err, "Get of what is stored, with a ctx that is done")
		assert.Equal(t, 2, v)
	})
}

// A result is written before anything that waits for it wakes, and it is found by
// every Get that begins after its Submit, at whatever moment.
func TestGetRacesTask(t *testing.T) {
	checkGoroutines(t)
	p := newPool(t, &pool.Options{Workers: 4, Queue: 4})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 3000 {
				want := g*10_000 + i
				id, err := p.Submit(t.Context(), value(want))
				assert.NoError(t, err)
				if i%3 == 0 {
					runtime.Gosched()
				}
				v, err := p.Get(t.Context(), id)
				if err != nil || v != want {
					t.Errorf("Get(%d) = %d, %v, want %d", id, v, err, want)
				}
				assert.NoError(t, p.st.Delete(t.Context(), id))
			}
		})
	}
	wg.Wait()
	assert.NoError(t, p.Stop(t.Context()))
	assert.Zero(t, holds(t, p))
}

// What the store says when it cannot be read reaches the caller.
func TestGetStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		st.get = func(context.Context, store.ID) (store.Result[int], error) { return store.Result[int]{}, errDown }
		st.all = func(context.Context) iter.Seq2[store.Result[int], error] {
			return func(yield func(store.Result[int], error) bool) { yield(store.Result[int]{}, errDown) }
		}
		p := newPool(t, nil, st)
		id := submit(t, p, value(1))
		_, err := p.Get(t.Context(), id)
		assert.Equal(t, errDown, err)
		all, err := p.Results(t.Context())
		assert.Equal(t, errDown, err)
		assert.Nil(t, all)
		assert.NoError(t, p.Stop(t.Context()))
	})
}

// Results is a copy that the caller owns.
func TestResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, running, queued, _ := busyPool(t)
		all, err := p.Results(t.Context())
		require.NoError(t, err)
		assert.Empty(t, all, "Results does not wait")
		close(gate)
		require.NoError(t, p.Wait(t.Context()))
		all, err = p.Results(t.Context())
		require.NoError(t, err)
		assert.Len(t, all, 3)
		assert.Equal(t, store.Result[int]{ID: running, Value: 1}, all[running])
		delete(all, queued)
		all[running] = store.Result[int]{}
		assert.Equal(t, 1, held(t, p, running).Value)
		assert.Equal(t, 2, held(t, p, queued).Value)
	})
}

// Wait waits for what waits and runs; intake stays open. conc #107: Submit while
// others Wait is legal.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, _, _, _ := busyPool(t)
		waits := []func() (error, bool){
			call(func() error { return p.Wait(t.Context()) }),
			call(func() error { return p.Wait(context.Background()) }),
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, io.EOF)
		defer cancel()
		assert.Equal(t, io.EOF, p.Wait(ctx))
		for _, wait := range waits {
			_, returned := wait()
			assert.False(t, returned)
		}
		late := submit(t, p, value(4)) // waited for as well
		close(gate)
		synctest.Wait()
		for _, wait := range waits {
			err, returned := wait()
			assert.True(t, returned)
			assert.NoError(t, err)
		}
		assert.Equal(t, 4, held(t, p, late).Value)
		assert.NoError(t, p.Wait(ctx), "of a quiet pool, with a ctx that is done")
		submit(t, p, value(5))
		assert.NoError(t, p.Wait(t.Context()))
		assert.Equal(t, 5, holds(t, p))
	})
}

// pond #79: nothing to do is no special case.
func TestNoTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, nil)
		assert.NoError(t, p.Wait(t.Context()))
		all, err := p.Results(t.Context())
		assert.NoError(t, err)
		assert.Empty(t, all)
		ids, err := p.SubmitAll(t.Context(), nil)
		assert.NoError(t, err)
		assert.Empty(t, ids)
		assert.NoError(t, p.Stop(t.Context()))
		assert.NoError(t, p.Wait(t.Context()))
		all, err = p.Results(t.Context())
		assert.NoError(t, err)
		assert.Empty(t, all)
	})
}

// A cancelled Wait: all that waited and ran has its result by then.
func TestWaitAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, _, _, _ := busyPool(t)
		waited := call(func() error { return p.Wait(t.Context()) })
		p.cancel(errCause)
		synctest.Wait()
		_, returned := waited()
		assert.False(t, returned)
		close(gate)
		synctest.Wait()
		err, returned := waited()
		assert.True(t, returned)
		assert.NoError(t, err)
		assert.Equal(t, 3, holds(t, p))
	})
}

// pond #14, #84, #97, #100: the numbers add up in every snapshot, and none of
// the counters of what has been done ever goes down.
func TestStatsAddUp(t *testing.T) {
	success := value(1)
	for name, c := range map[string]struct {
		tasks []task
		n     int
	}{
		"success": {[]task{success}, 50_000}, // most of these pass without the pool's lock
		"all": {[]task{
			success,
			func(context.Context) (int, error) { return 0, io.EOF },
			func(context.Context) (int, error) { panic("boom") },
			func(context.Context) (int, error) { runtime.Goexit(); return 0, nil },
		}, 4000},
	} {
		t.Run(name, func(t *testing.T) { statsAddUp(t, c.tasks, c.n) })
	}
}

func statsAddUp(t *testing.T, tasks []task, n int) {
	checkGoroutines(t)
	p := newPool(t, &pool.Options{Workers: 3, Queue: 10})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			var last pool.Stats
			for !isClosed(stop) {
				s := p.Stats()
				checkStats(t, s)
				for _, c := range [][2]uint64{
					{last.Submitted, s.Submitted}, {last.Succeeded, s.Succeeded},
					{last.Failed, s.Failed}, {last.Panicked, s.Panicked}, {last.NotRun, s.NotRun},
				} {
					assert.LessOrEqual(t, c[0], c[1])
				}
				assert.LessOrEqual(t, s.Running, uint64(3))
				assert.LessOrEqual(t, s.Queued, uint64(10))
				last = s
			}
		})
	}
	for range n {
		submit(t, p, tasks[rand.N(len(tasks))])
	}
	p.cancel(errCause)
	<-p.Done()
	close(stop)
	wg.Wait()
	s := p.Stats()
	checkStats(t, s)
	assert.EqualValues(t, n, s.Submitted)
	assert.Zero(t, s.Queued+s.Running)
	assert.Equal(t, n, holds(t, p))
}
