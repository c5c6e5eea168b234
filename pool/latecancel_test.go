package pool_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// A pool hears of its cancel from a goroutine, a moment later. Nothing may get in
// meanwhile: a submitter that waited for room was accepted when a worker had made
// some in that moment, for a task that was never to run.

// The cancel comes from a task, whose worker makes room as soon as it returns.
func TestCancelInTaskAcceptsNothing(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 1, Queue: 1})
			gate := make(chan struct{})
			submit(t, p, func(context.Context) (int, error) {
				<-gate
				p.cancel(errCause)
				return 1, nil
			})
			synctest.Wait()
			queued := submit(t, p, value(2))
			blocked := call(func() error { _, err := p.Submit(context.Background(), value(3)); return err })
			synctest.Wait()
			close(gate)
			<-p.Done()
			synctest.Wait()
			err, returned := blocked()
			assert.True(t, returned)
			require.ErrorIs(t, err, pool.ErrClosed)
			assert.ErrorIs(t, err, errCause)
			assert.EqualValues(t, 2, p.Stats().Submitted)
			assert.ErrorIs(t, held(t, p, queued).Err, pool.ErrNotRun)
		})
	}
}

// The context is not the standard library's, and takes its time to close its channel.
func TestLateCancelAcceptsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := newCustomCtx()
		st := rwmutex.New[int]()
		p, err := pool.New(ctx, pool.Call[int], st, &pool.Options{Workers: 1, Queue: 1})
		require.NoError(t, err)
		gate := make(chan struct{})
		_, err = p.Submit(t.Context(), gated(gate, 1))
		require.NoError(t, err)
		synctest.Wait()
		queued, err := p.Submit(t.Context(), value(2))
		require.NoError(t, err)
		blocked := call(func() error { _, err := p.Submit(t.Context(), value(3)); return err })
		synctest.Wait()

		ctx.err.Store(&errCause)
		close(gate)
		synctest.Wait()
		err, returned := blocked()
		assert.True(t, returned)
		assert.ErrorIs(t, err, pool.ErrClosed)
		assert.ErrorIs(t, err, errCause)
		assert.EqualValues(t, 2, p.Stats().Submitted)
		res, err := st.Get(t.Context(), queued)
		assert.NoError(t, err)
		assert.ErrorIs(t, res.Err, pool.ErrNotRun)
		close(ctx.done)
		assert.Equal(t, errCause, p.Stop(t.Context()))
	})
}
