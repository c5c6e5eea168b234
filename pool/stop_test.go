package pool_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
)

// Stop, the cancel and the end, beside the rows of the life-cycle table.

// After the cancel only goroutines in a task are left, and those at most. (ants #212, #263, #287, #373, milvus #41893:
// goroutines outlived the pool.)
func TestCancelLeavesOnlyTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 5})
		stubborn := make(chan struct{})
		for range 5 {
			submit(t, p, gated(stubborn, 1))
		}
		synctest.Wait()
		for range 4 {
			stubborn <- struct{}{}
		}
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
