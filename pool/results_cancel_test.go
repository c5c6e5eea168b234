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
		assert.Equal(t, pool.Stats{Submitted: 3, Succeeded: 1, Failed: 1, NotRun: 1, Unsaved: 3, Workers: 2}, counts(p.Stats()))

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

// The results of tasks that are not run are saved in batches, if the store takes them; if a batch
// fails, in smaller ones, and one by one in the end. One that is refused is replaced, as one is
// that was run. An ID that somebody else holds is not taken for the pool's own: the result is handed
// back, whatever became of a batch that did not have it. One that was stored before the store went
// wrong is not handed back.
func TestPutBatch(t *testing.T) {
	const tasks = 3000 // the first runs
	fails, rejects, exists := storetest.Fail(errDown), storetest.Fail(store.ErrRejected), storetest.Fail(store.ErrExists)
	for name, c := range map[string]struct {
		fault   storetest.Fault
		batch   bool
		held    store.ID // 0: none
		unsaved int
	}{
		"stored":                   {nil, true, 0, 0},
		"batches fail":             {inBatches(fails), true, 0, 0},
		"batches panic":            {inBatches(storetest.Panic("boom")), true, 0, 0},
		"batches Goexit":           {inBatches(goexit), true, 0, 0},
		"Goexit after storing":     {inBatches(loses(goexit)), true, 0, 0},
		"panic after storing":      {inBatches(loses(storetest.Panic("boom"))), true, 0, 0},
		"error after storing":      {inBatches(loses(fails)), true, 0, 0},
		"held":                     {nil, false, 3, 1},
		"held, rejected":           {inBatches(rejects), true, 3, 1},
		"held, refused, first":     {inBatches(exists), true, 2, 1},
		"held, in a batch of good": {inBatches(storetest.Only(fails, 5)), true, 1090, 1},
		"one is rejected":          {storetest.Only(script(rejects), 2), false, 0, 0},
		"ten Goexit":               {storetest.Only(goexit, idsFromTo(2, 11)...), false, 0, 10},
	} {
		bubble(t, name, func(t *testing.T) {
			st := newTestStore(c.fault)
			if c.held != 0 {
				require.NoError(t, st.ResultStore.Put(t.Context(), store.Result[int]{ID: c.held, Value: 42}))
			}
			p := newPool(t, &pool.Options{Workers: 1, Queue: tasks}, st.as(c.batch))
			gate := make(chan struct{})
			submit(t, p, gated(gate, 1))
			synctest.Wait()
			_, err := p.SubmitAll(t.Context(), repeat(tasks-1, value(2)))
			require.NoError(t, err)
			p.cancel(errCause)
			synctest.Wait()
			assert.EqualValues(t, tasks-1, p.Stats().NotRun)
			close(gate)
			err = p.Stop(t.Context())
			assert.ErrorIs(t, err, errCause)
			if c.unsaved > 0 {
				unsaved := handedBack(t, err, c.unsaved)
				assert.Contains(t, []store.ID{c.held, 2}, unsaved[0].ID)
			} else {
				assert.Equal(t, errCause, err)
			}
			if c.held != 0 {
				assert.Equal(t, 42, held(t, p, c.held).Value)
				assert.Equal(t, tasks, holds(t, p))
			} else {
				assert.Equal(t, tasks-c.unsaved, holds(t, p))
			}
			puts, sizes := 0, st.sizes()
			for _, size := range sizes {
				puts += max(0, 2-size)
			}
			switch name {
			case "stored":
				assert.LessOrEqual(t, len(sizes), 5)
				assert.Equal(t, 1, puts)
			case "batches fail", "batches panic", "batches Goexit":
				assert.Less(t, len(sizes)-puts, tasks, "what was not stored was tried again in the same batch")
				assert.Equal(t, tasks, puts)
			case "one is rejected":
				assert.ErrorIs(t, held(t, p, 2).Err, store.ErrRejected)
				assert.ErrorContains(t, held(t, p, 2).Err, "task not run")
			case "ten Goexit":
				assert.ErrorIs(t, err, pool.ErrGoexit)
			}
		})
	}
}
