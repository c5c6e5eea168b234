package pool_test

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/storetest"
)

// Results on their way to a store when the pool is cancelled, and those of tasks that are
// not run.

// What could not be saved when the pool was cancelled is handed back by Stop, also what
// the tasks that still ran returned, and what was not run.
func TestPutFailsUntilCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 2, Queue: 2}, newTestStore(storetest.Fail(errDown)))
		gate := make(chan struct{})
		running := submit(t, p, gated(gate, 1))
		retried := submit(t, p, func(context.Context) (int, error) { return 2, io.EOF })
		synctest.Wait()
		queued := submit(t, p, value(3))
		stopped := p.stopping()
		time.Sleep(time.Minute)

		p.cancel(errCause)
		synctest.Wait()
		close(gate)
		verdict := stopped.returns(t)
		assert.ErrorIs(t, verdict, errCause)
		assert.ErrorIs(t, verdict, errDown)
		got := make(map[store.ID]store.Result[int])
		for _, res := range handedBack(t, verdict, 3) {
			got[res.ID] = res
		}
		assert.Equal(t, store.Result[int]{ID: running, Value: 1}, got[running])
		assert.Equal(t, store.Result[int]{ID: retried, Value: 2, Err: io.EOF}, got[retried])
		assert.ErrorIs(t, got[queued].Err, pool.ErrNotRun)
		assert.Zero(t, holds(t, p))
		assert.Equal(t, pool.Stats{Submitted: 3, Succeeded: 1, Failed: 1, NotRun: 1, Unsaved: 3, Workers: 2}, p.Stats())

		v, err := p.Get(t.Context(), running)
		assert.Equal(t, 1, v)
		handedBack(t, err, 1)
		assert.Equal(t, verdict, p.Stop(t.Context()))
		assert.EqualError(t, verdict, "pool: 3 results could not be saved: the store is down: cause of the cancel")
	})
}

// A pool that is cancelled while the store is down takes one more attempt, which
// may well succeed.
func TestPutWorksAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down breakdown
		down.Store(true)
		p := newPool(t, &pool.Options{Workers: 1}, newTestStore(down.fault))
		submit(t, p, value(1))
		time.Sleep(time.Minute)
		down.Store(false)
		p.cancel(errCause)
		assert.Equal(t, errCause, p.Stop(t.Context()))
		assert.Equal(t, 1, holds(t, p))
	})
}

// The store's context is not cancelled with the task's. It ends five seconds
// after the cancel, so that a store that waits does not wait for ever.
func TestPutContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
		var entered atomic.Int64
		p := newPoolIn(t, ctx, &pool.Options{Workers: 2}, newTestStore(func(ctx context.Context, _ []store.ID, _ func(context.Context) error) error {
			entered.Add(1)
			assert.Equal(t, "value", ctx.Value(key{}))
			assert.NoError(t, ctx.Err())
			<-ctx.Done()
			return context.Cause(ctx)
		}))
		gate := make(chan struct{})
		for range 2 {
			submit(t, p, gated(gate, 1))
		}
		synctest.Wait()
		gate <- struct{}{}
		time.Sleep(time.Hour)
		assert.EqualValues(t, 1, entered.Load(), "the Put goes on")

		cancel(errCause)
		cancelled := time.Now()
		time.Sleep(3 * time.Second)
		close(gate) // the second Put begins three seconds after the cancel
		err := p.Stop(t.Context())
		assert.Equal(t, 8*time.Second, time.Since(cancelled))
		assert.ErrorIs(t, err, errCause)
		handedBack(t, err, 2)
	})
}

// After a cancel each call of the store has five seconds. A store that hangs costs that
// once, and not for each result; one that takes its time to fail does not cost much more;
// and one that is slow, or quick after one that has hung, is asked all the same.
func TestHangingStore(t *testing.T) {
	hang := storetest.Block()
	failSlowly := storetest.Chain(storetest.Slow(3*time.Second), storetest.Fail(errDown))
	heedless := func(context.Context, []store.ID, func(context.Context) error) error {
		time.Sleep(3 * time.Second)
		return errDown
	}
	outlasting := func(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
		<-ctx.Done()
		return do(ctx)
	}
	for name, c := range map[string]struct {
		put            storetest.Fault
		batch          bool
		tasks, unsaved int
		least, most    time.Duration
	}{
		"each result":      {hang, false, 1000, 1000, 5 * time.Second, 10 * time.Second},
		"each batch":       {hang, true, 300, 300, 5 * time.Second, 5 * time.Second},
		"one recovers":     {storetest.Only(hang, 1), false, 100, 1, 5 * time.Second, 10 * time.Second},
		"slow":             {storetest.Slow(time.Second), false, 10, 0, 0, time.Minute},
		"slow batches":     {storetest.Slow(time.Second), true, 5000, 0, 0, time.Minute},
		"fails slowly":     {failSlowly, true, 1000, 1000, 0, 15 * time.Second},
		"heeds no context": {heedless, true, 1000, 1000, 0, time.Minute},
		"one outlasts":     {storetest.Chain(storetest.Only(outlasting, 1), storetest.Only(storetest.Slow(3*time.Second), idsFromTo(2, 20)...)), false, 20, 17, 0, 8 * time.Second},
	} {
		bubble(t, name, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 1, Queue: c.tasks}, newTestStore(c.put).as(c.batch))
			submitN(t, p, c.tasks)
			synctest.Wait()
			begun := time.Now()
			p.cancel(errCause)
			err := p.Stop(t.Context())
			assert.ErrorIs(t, err, errCause)
			assert.GreaterOrEqual(t, time.Since(begun), c.least)
			assert.LessOrEqual(t, time.Since(begun), c.most)
			assert.Equal(t, c.tasks-c.unsaved, holds(t, p))
			if c.unsaved > 0 {
				handedBack(t, err, c.unsaved)
			}
		})
	}
}

// A batch of unrun tasks that hangs costs its five seconds, and none for the results in it.
func TestHangingBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1, Queue: 20}, batches{newTestStore(storetest.Block())})
		block := make(chan struct{})
		submit(t, p, gated(block, 1))
		synctest.Wait()
		for i := range 10 {
			submit(t, p, value(i))
		}
		p.cancel(errCause)
		time.Sleep(5*time.Second + 1)
		synctest.Wait()
		assert.EqualValues(t, 10, p.Stats().NotRun)
		close(block)
		<-p.Done()
	})
}

// A BatchPutter gets the results of the tasks that were not run in batches; if a
// batch fails, in smaller ones, and one by one in the end.
func TestPutBatch(t *testing.T) {
	for name, fault := range map[string]storetest.Fault{
		"stored": nil,
		"fails":  storetest.Fail(errDown),
		"panics": storetest.Panic("boom"),
		"Goexit": goexit,
	} {
		bubble(t, name, func(t *testing.T) {
			st := newTestStore(inBatches(fault))
			p := newPool(t, &pool.Options{Workers: 1, Queue: 5000}, batches{st})
			gate := make(chan struct{})
			submit(t, p, gated(gate, 1))
			synctest.Wait()
			_, err := p.SubmitAll(t.Context(), repeat(3000, value(2)))
			require.NoError(t, err)
			p.cancel(errCause)
			synctest.Wait()
			assert.EqualValues(t, 3000, p.Stats().NotRun)
			close(gate)
			assert.Equal(t, errCause, p.Stop(t.Context()))
			assert.Equal(t, 3001, holds(t, p))
			puts := 0
			for _, size := range st.sizes() {
				if size == 1 {
					puts++
				}
			}
			if name == "stored" {
				assert.LessOrEqual(t, len(st.sizes()), 5)
				assert.Equal(t, 1, puts)
			} else {
				assert.Less(t, len(st.sizes())-puts, 3000, "what was not stored was tried again in the same batch")
				assert.Equal(t, 3001, puts)
			}
		})
	}
}

// An ID of an unrun task that somebody else holds is not taken for the pool's own: the
// result is handed back, whatever became of a batch that did not have it. A result that was
// stored before the store went wrong is not handed back.
func TestPutBatchHeld(t *testing.T) {
	const tasks = 1100 // more than are put in one batch
	for name, c := range map[string]struct {
		held  store.ID // 0: none
		fault storetest.Fault
		batch bool
	}{
		"no batches":                  {3, nil, false},
		"batch rejected":              {3, inBatches(storetest.Fail(store.ErrRejected)), true},
		"batch refused, first":        {1, inBatches(storetest.Fail(store.ErrExists)), true},
		"not in the batch that fails": {1090, inBatches(storetest.Only(storetest.Fail(errDown), 5)), true},
		"Goexit after storing":        {0, inBatches(loses(goexit)), true},
		"panic after storing":         {0, inBatches(loses(storetest.Panic("boom"))), true},
		"error after storing":         {0, inBatches(loses(storetest.Fail(errDown))), true},
	} {
		bubble(t, name, func(t *testing.T) {
			st := newTestStore(c.fault)
			if c.held != 0 {
				require.NoError(t, st.ResultStore.Put(t.Context(), store.Result[int]{ID: c.held, Value: 42}))
			}
			p := newPool(t, &pool.Options{Workers: 1, Queue: 2000}, st.as(c.batch))
			_, err := p.SubmitAll(t.Context(), repeat(tasks, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, nil }))
			require.NoError(t, err)
			p.cancel(errCause) // perhaps before the first has started
			err = p.Stop(t.Context())
			assert.ErrorIs(t, err, errCause)
			assert.Equal(t, tasks, holds(t, p))
			if c.held != 0 {
				assert.Equal(t, c.held, handedBack(t, err, 1)[0].ID)
				assert.Equal(t, 42, held(t, p, c.held).Value)
			} else {
				var unsaved *pool.UnsavedError[int]
				assert.NotErrorAs(t, err, &unsaved)
			}
		})
	}
}

// The result of an unrun task that the store refuses is replaced, as one is that was run;
// and if the store calls Goexit in every Put, all are handed back.
func TestPutGoexitsAfterCancel(t *testing.T) {
	for name, c := range map[string]struct {
		put     storetest.Fault
		unsaved int
	}{
		"rejects": {script(storetest.Fail(store.ErrRejected)), 0},
		"Goexit":  {goexit, 10},
	} {
		bubble(t, name, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 1, Queue: 11}, newTestStore(storetest.Only(c.put, idsFromTo(2, 11)...)))
			gate := make(chan struct{})
			submit(t, p, gated(gate, 1))
			synctest.Wait()
			for range 10 {
				submit(t, p, value(2))
			}
			p.cancel(errCause)
			close(gate)
			err := p.Stop(t.Context())
			assert.ErrorIs(t, err, errCause)
			assert.Equal(t, 11-c.unsaved, holds(t, p))
			if c.unsaved > 0 {
				assert.ErrorIs(t, err, pool.ErrGoexit)
				handedBack(t, err, c.unsaved)
				return
			}
			err = held(t, p, 2).Err
			assert.ErrorIs(t, err, store.ErrRejected)
			assert.ErrorContains(t, err, "task not run")
		})
	}
}
