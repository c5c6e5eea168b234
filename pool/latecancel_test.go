package pool_test

import (
	"context"
	"io"
	"math/rand/v2"
	"runtime"
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
	for name, outcome := range map[string]error{"success": nil, "failure": io.EOF} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := newCustomCtx()
				st := rwmutex.New[int]()
				p, err := pool.New(ctx, pool.Call[int], st, &pool.Options{Workers: 1, Queue: 1})
				require.NoError(t, err)
				gate := make(chan struct{})
				_, err = p.Submit(t.Context(), func(context.Context) (int, error) { <-gate; return 1, outcome })
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
		})
	}
}

// The cancel comes from outside, at any moment, while submitters that wait get in
// one by one. Once it has returned, no more do.
func TestCancelRacesRoom(t *testing.T) {
	checkGoroutines(t)
	const submitters = 300
	rounds := 300
	if raceEnabled {
		rounds = 50
	}
	for range rounds {
		ctx, cancel := context.WithCancel(context.Background())
		p, err := pool.New(ctx, pool.Call[int], rwmutex.New[int](), &pool.Options{Workers: 1, Queue: 1})
		require.NoError(t, err)
		gate := make(chan struct{})
		for accepted := 0; accepted < 2; { // one runs, and one waits
			if _, err := p.TrySubmit(gated(gate, 1)); err == nil {
				accepted++
			}
			runtime.Gosched()
		}
		var wg sync.WaitGroup
		for range submitters {
			wg.Go(func() { _, _ = p.Submit(context.Background(), value(1)) })
		}
		for p.Waiting() < submitters {
			runtime.Gosched()
		}
		close(gate)
		for range rand.IntN(submitters) {
			runtime.Gosched()
		}
		cancel()
		accepted := p.Stats().Submitted
		<-p.Done()
		wg.Wait()
		require.Equal(t, accepted, p.Stats().Submitted, "tasks accepted after the cancel")
	}
}

// A submitter comes back from the store with IDs, in that moment.
func TestReservedTooLateAcceptsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := newCustomCtx()
		st := newReservingStore(1)
		p, err := pool.New(ctx, pool.Call[int], st, &pool.Options{Workers: 1, Queue: 1 << 17})
		require.NoError(t, err)
		const reserved = 1 << 16
		_, err = p.SubmitAll(t.Context(), slices.Repeat([]task{value(1)}, reserved))
		require.NoError(t, err)
		gate, good := make(chan struct{}), st.reserve
		st.reserve = func(ctx context.Context, n uint64) (store.ID, error) {
			<-gate
			return good(ctx, n)
		}
		submits := []func() (error, bool){
			call(func() error { _, err := p.Submit(context.Background(), value(2)); return err }),
			call(func() error { _, err := p.TrySubmit(value(3)); return err }),
			call(func() error { _, err := p.SubmitAll(context.Background(), []task{value(4)}); return err }),
		}
		synctest.Wait()

		ctx.err.Store(&errCause)
		close(gate)
		synctest.Wait()
		for i, submit := range submits {
			err, returned := submit()
			assert.True(t, returned, "submit %d", i)
			assert.ErrorIs(t, err, pool.ErrClosed, "submit %d", i)
			assert.ErrorIs(t, err, errCause, "submit %d", i)
		}
		assert.EqualValues(t, reserved, p.Stats().Submitted)
		close(ctx.done)
		assert.Equal(t, errCause, p.Stop(t.Context()))
	})
}

// A batch waits for half of the queue, so the first room calls nobody; whoever takes the
// pool's lock next must not give it away, even if only a worker has seen the cancel.
func TestLateCancelAcceptsNoBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := newCustomCtx()
		hold := make(chan struct{})
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		st.put = func(ctx context.Context, res store.Result[int]) error {
			if res.Err != nil {
				<-hold
			}
			return st.ResultStore.Put(ctx, res)
		}
		p, err := pool.New(ctx, pool.Call[int], st, &pool.Options{Workers: 1, Queue: 4})
		require.NoError(t, err)
		gate := make(chan struct{})
		_, err = p.SubmitAll(t.Context(), append([]task{gated(gate, 1)}, slices.Repeat([]task{value(1)}, 3)...))
		require.NoError(t, err)
		synctest.Wait()
		_, err = p.Submit(t.Context(), value(1))
		require.NoError(t, err)
		var ids []store.ID
		batch := call(func() (err error) {
			ids, err = p.SubmitAll(t.Context(), slices.Repeat([]task{value(2)}, 4))
			return err
		})
		synctest.Wait()

		ctx.err.Store(&errCause)
		close(gate)
		synctest.Wait() // the next task is not run, and the store holds up its result
		assert.EqualValues(t, 5, p.Stats().Submitted)
		close(ctx.done)
		close(hold)
		assert.Equal(t, errCause, p.Stop(context.Background()))
		synctest.Wait()
		err, returned := batch()
		assert.True(t, returned)
		assert.ErrorIs(t, err, pool.ErrClosed)
		assert.Empty(t, ids)
		assert.EqualValues(t, 5, p.Stats().Submitted)
	})
}
