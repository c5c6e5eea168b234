package pool_test

import (
	"context"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

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
		for countGoroutines() > 0 { // it is about to leave
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
