package pool_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// Stop, the cancel and the end, beside the rows of the life-cycle table.

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

// ants #330, #333, #356, #358, conc #78: a pool that has ended stays ended, for the same reason, and
// another one on the same store is none the worse.
func TestStoppedPoolStaysStopped(t *testing.T) {
	for want, cancels := range map[error]bool{pool.ErrClosed: false, errCause: true} {
		bubble(t, want.Error(), func(t *testing.T) {
			st := dense.New[int]()
			p := newPool(t, nil, st)
			submit(t, p, value(1))
			synctest.Wait()
			if cancels {
				p.cancel(errCause)
			}
			verdict := p.Stop(t.Context())
			for i := range 100 {
				for _, err := range submitEachWay(p, value(1)) {
					matchesAll(t, err, pool.ErrClosed, want)
				}
				matchesAll(t, p.Resize(i), pool.ErrClosed, want)
				assert.NoError(t, p.Wait(t.Context()))
				assert.Equal(t, verdict, p.Stop(t.Context()))
				time.Sleep(time.Hour)
			}
			assert.Zero(t, countGoroutines())
			second := newPool(t, nil, st)
			submit(t, second, value(2))
			require.NoError(t, second.Stop(t.Context()))
			assert.Equal(t, 2, holds(t, p))
		})
	}
}

// After the cancel only goroutines in a task are left, and those at most. (ants #212, #263, #287, #373, milvus #41893:
// goroutines outlived the pool.)
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
			err := held(t, p, id).Err
			matchesAll(t, err, pool.ErrNotRun, errCause)
			assert.NotErrorIs(t, err, pool.ErrNoWorkers)
		}
	})
}

// When Stop says that the pool has ended, what hears of its cancel is over as well.
func TestEndWaitsForTheCancel(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so a new goroutine runs late
	const rounds = 50
	left := 0
	for range rounds {
		p := newPool(t, nil)
		p.cancel(errCause)
		require.Equal(t, errCause, p.Stop(context.Background()))
		if poolGoroutines() != "" {
			left++
		}
	}
	assert.Less(t, left, rounds/2, "one may be on its way out, but not each time")
}

// The cancel of a context that is not the standard library's is as good as that of any
// other, at once.
func TestCustomParent(t *testing.T) {
	for range 200 {
		ctx := newCustomCtx()
		p := newPoolIn(t, ctx, nil)
		ctx.cancel(errCause)
		_, err := p.Submit(context.Background(), value(1))
		matchesAll(t, err, pool.ErrClosed, errCause)
		require.Equal(t, errCause, p.Stop(context.Background()))
	}
}

// A worker that meets the cancel of such a context, of which the pool hears late, ends a
// pool that is being stopped as the cancel would.
func TestWorkerSeesTheCancelFirst(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that the worker comes first
	for range 20 {
		ctx := newCustomCtx()
		p, gate := fullPool(t, ctx)
		require.Equal(t, context.Canceled, p.Stop(doneContext()))
		ctx.cancel(errCause)
		close(gate)
		<-p.Done() // and not Stop, which would look at the context itself
		assert.Equal(t, errCause, p.Stop(context.Background()))
		assert.ErrorIs(t, held(t, p, 2).Err, errCause)
	}
}
