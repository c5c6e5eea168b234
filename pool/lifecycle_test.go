package pool_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// The tests in this file go through the life-cycle table of docs/design.md, row
// by row. The comment of each test gives the row, and its subtests the cells.

// normal: queued tasks run, running ones run, Submit is accepted and returns id,
// nil; the store has the value, or the task's error and the value beside it.
func TestNormal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, running, queued, _ := busyPool(t)
		failing := submit(t, p, func(context.Context) (int, error) { return 4, io.ErrUnexpectedEOF })
		assert.Equal(t, []store.ID{1, 2, 4}, []store.ID{running, queued, failing})
		close(gate)
		require.NoError(t, p.Wait(t.Context()))

		assert.Equal(t, store.Result[int]{ID: running, Value: 1}, held(t, p, running))
		assert.Equal(t, store.Result[int]{ID: queued, Value: 2}, held(t, p, queued))
		assert.Equal(t, store.Result[int]{ID: failing, Value: 4, Err: io.ErrUnexpectedEOF}, held(t, p, failing))
		v, err := p.Get(t.Context(), failing)
		assert.Equal(t, 4, v)
		assert.Equal(t, io.ErrUnexpectedEOF, err)
		assert.Equal(t, pool.Stats{Submitted: 4, Succeeded: 3, Failed: 1, Workers: 1}, counts(p.Stats()))
	})
}

// Submit(ctx), queue full: waits for room, Stop, the pool's cancel or its own
// ctx; returns nil / ErrClosed / ctx's cause; nothing is stored on an error.
func TestSubmitQueueFull(t *testing.T) {
	full := func(t *testing.T, ctx func(p taskPool) context.Context, end func(p taskPool, gate chan struct{}), want ...error) {
		p, gate, _, _, _ := busyPool(t)
		submit(t, p, value(0)) // fills the queue
		var id store.ID
		submitted := begin(func() (err error) { id, err = p.Submit(ctx(p), value(42)); return err })
		submitted.waits(t)
		end(p, gate)
		err := submitted.returns(t)
		if len(want) == 0 {
			assert.NoError(t, err)
			assert.Equal(t, 42, held(t, p, id).Value)
			return
		}
		matchesAll(t, err, want...)
		assert.Zero(t, id)
		assert.EqualValues(t, 4, p.Stats().Submitted)
		p.cancel(nil)
		close(gate)
		<-p.Done()
		assert.Equal(t, 4, holds(t, p))
	}
	bubble(t, "room", func(t *testing.T) {
		full(t, func(taskPool) context.Context { return t.Context() }, func(_ taskPool, gate chan struct{}) { close(gate) })
	})
	for name, c := range endings {
		bubble(t, name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			full(t, func(taskPool) context.Context { return ctx }, func(p taskPool, _ chan struct{}) { c.end(p, cancel) }, c.want...)
		})
	}
	for range 50 { // which cancel is heard of first is left to chance, and ErrClosed says more
		bubble(t, "the pool's ctx", func(t *testing.T) {
			full(t, func(p taskPool) context.Context { return p.ctx }, func(p taskPool, _ chan struct{}) { p.cancel(errCause) }, pool.ErrClosed, errCause)
		})
	}
}

// Submit with a ctx already done: ctx's cause, never accepted; nothing stored.
func TestSubmitDoneContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(io.EOF)
		for range 100 {
			require.Equal(t, io.EOF, noID(p.Submit(ctx, value(1))))
			require.Equal(t, io.EOF, noIDs(p.SubmitAll(ctx, values(2))))
		}
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, pool.Stats{Workers: runtime.GOMAXPROCS(0)}, counts(p.Stats()))
		assert.Zero(t, holds(t, p))
	})
}

// Stop(ctx): queued tasks all run, running ones finish; later Submits get
// ErrClosed at once, blocked ones wake with it; nil when all is done; everything
// is in the store before it returns. (In pond, blocked submitters were not woken, or got different errors.)
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, running, queued, queued2 := busyPool(t)
		queued3 := submit(t, p, value(4)) // fills the queue
		blocked := p.submitting(value(5))
		synctest.Wait()
		stopped := begin(func() error {
			err := p.Stop(t.Context())
			assert.Equal(t, 4, holds(t, p), "results when Stop returned")
			assert.True(t, isClosed(p.Done()), "Done is open after Stop has returned")
			return err
		})
		stopped.waits(t)
		assert.Equal(t, pool.ErrClosed, blocked.returns(t))
		for _, err := range submitEachWay(p, value(6)) {
			assert.Equal(t, pool.ErrClosed, err)
		}

		close(gate)
		assert.NoError(t, stopped.returns(t))
		for i, id := range []store.ID{running, queued, queued2, queued3} {
			assert.Equal(t, store.Result[int]{ID: id, Value: i + 1}, held(t, p, id))
		}
	})
}

// Stop ends the context of the tasks when all are done, with ErrClosed for a
// cause. conc #91: a context that is never cancelled leaks.
func TestStopEndsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, nil)
		var ctx context.Context
		submit(t, p, func(c context.Context) (int, error) { ctx = c; return 0, c.Err() })
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, pool.ErrClosed, context.Cause(ctx))
		assert.NoError(t, held(t, p, 1).Err)
		assert.NoError(t, p.Stop(ctx), "there is nothing to wait for, also with the context of a task")
	})
}

// Stop's ctx ends: queued and running tasks go on; Submit says ErrClosed; Stop
// returns ctx's cause and may be called again; results come in until Done.
func TestStopContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, running, queued, _ := busyPool(t)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, io.ErrNoProgress)
		defer cancel()
		begun := time.Now()
		assert.Equal(t, io.ErrNoProgress, p.Stop(ctx))
		assert.Equal(t, time.Second, time.Since(begun))
		assert.False(t, isClosed(p.Done()))
		_, err := p.Submit(t.Context(), value(9))
		assert.Equal(t, pool.ErrClosed, err)
		assert.Zero(t, holds(t, p))

		close(gate)
		assert.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 3, holds(t, p))
		assert.Equal(t, 1, held(t, p, running).Value)
		assert.Equal(t, 2, held(t, p, queued).Value)
		assert.NoError(t, p.Stop(ctx), "Stop of an ended pool, with a ctx that is done")
	})
}

// Stop again, or N at once: the same drain, the same verdict for all; and if the pool is cancelled
// while it drains, the cause, with the results of a cancel. (workerpool #5, tunny: closed twice)
func TestStopManyTimes(t *testing.T) {
	for _, want := range []error{nil, errCause} {
		bubble(t, fmt.Sprint(want), func(t *testing.T) {
			p, gate, running, queued, _ := busyPool(t)
			var stops []*pending
			for range 20 {
				stops = append(stops, p.stopping())
			}
			synctest.Wait()
			if want != nil {
				p.cancel(want)
				synctest.Wait()
				assert.ErrorIs(t, held(t, p, queued).Err, pool.ErrNotRun)
			}
			_, err := p.Submit(t.Context(), value(9))
			matchesAll(t, err, pool.ErrClosed, cmp.Or(want, pool.ErrClosed))
			for _, stop := range stops {
				stop.waits(t)
			}
			close(gate)
			for _, stop := range append(stops, p.stopping()) {
				assert.Equal(t, want, stop.returns(t))
			}
			assert.NoError(t, held(t, p, running).Err)
			assert.Equal(t, 3, holds(t, p))
		})
	}
}

// the pool's ctx is cancelled: no queued task starts, each gets a result; the ctx
// of running ones is cancelled, and their real outcome is kept, however late;
// Submit says ErrClosed, wrapping the cause; Stop returns the cause; the store has
// ErrNotRun wrapping the cause. (pond #61, #62, #71, #72, #138: the workers left, and the count never dropped.)
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 2, Queue: 10})
		gate := make(chan struct{})
		obeying := submit(t, p, func(ctx context.Context) (int, error) { <-ctx.Done(); return 1, context.Cause(ctx) })
		stubborn := submit(t, p, gated(gate, 2))
		synctest.Wait()
		started := false
		ids, err := p.SubmitAll(t.Context(), repeat(10, func(context.Context) (int, error) { started = true; return 3, nil }))
		require.NoError(t, err)
		calls := []*pending{p.submitting(value(4)), p.getting(ids[9])}
		waited := p.waiting()
		waited.waits(t)

		p.cancel(errCause)
		_, err = p.Submit(t.Context(), value(5)) // at once, before anything else has run
		matchesAll(t, err, pool.ErrClosed, errCause)
		synctest.Wait()
		for _, id := range ids { // while the stubborn task still runs
			res := held(t, p, id)
			matchesAll(t, res.Err, pool.ErrNotRun, errCause)
			assert.Zero(t, res.Value)
		}
		assert.Equal(t, store.Result[int]{ID: obeying, Value: 1, Err: errCause}, held(t, p, obeying))
		for _, c := range calls {
			assert.ErrorIs(t, c.returns(t), errCause)
		}
		stopped := p.stopping()
		stopped.waits(t)
		waited.waits(t)
		assert.Equal(t, pool.Stats{Submitted: 12, Failed: 1, NotRun: 10, Running: 1, Workers: 2}, counts(p.Stats()))

		time.Sleep(time.Hour)
		close(gate)
		assert.NoError(t, waited.returns(t))
		assert.Equal(t, errCause, stopped.returns(t))
		assert.Equal(t, store.Result[int]{ID: stubborn, Value: 2}, held(t, p, stubborn))
		assert.False(t, started, "a queued task was started after the cancel")
		_, err = p.SubmitAll(t.Context(), values(1))
		matchesAll(t, err, pool.ErrClosed, errCause)
	})
}

// A cancelled pool without anything to do ends by itself.
func TestCancelIdle(t *testing.T) {
	for _, tasks := range []int{0, 1, 3} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 3})
			_, err := p.SubmitAll(t.Context(), values(tasks))
			require.NoError(t, err)
			synctest.Wait()
			p.cancel(errCause)
			synctest.Wait()
			assert.True(t, isClosed(p.Done()))
			assert.Equal(t, errCause, p.Stop(t.Context()))
			assert.Equal(t, tasks, holds(t, p))
		})
	}
}

// A cancel that comes after the end changes nothing.
func TestCancelAfterEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, nil)
		submit(t, p, value(1))
		require.NoError(t, p.Stop(t.Context()))
		p.cancel(errCause)
		synctest.Wait()
		assert.NoError(t, p.Stop(t.Context()))
		_, err := p.Submit(t.Context(), value(1))
		assert.ErrorIs(t, err, pool.ErrClosed)
	})
}

// New with a ctx that is done: closed from the start.
func TestNewDoneContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errCause)
		p := newPoolIn(t, ctx, nil)
		_, err := p.Submit(t.Context(), value(1))
		matchesAll(t, err, pool.ErrClosed, errCause)
		assert.Equal(t, errCause, p.Stop(t.Context()))
	})
}

// the task panics: the worker goes on, Submit is accepted, *PanicError is stored.
func TestTaskPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1})
		id := submit(t, p, func(context.Context) (int, error) { panic(io.ErrShortWrite) })
		text := submit(t, p, func(context.Context) (int, error) { panic("boom") })
		after := submit(t, p, value(2))
		require.NoError(t, p.Stop(t.Context()))

		var panicked *pool.PanicError
		require.ErrorAs(t, held(t, p, id).Err, &panicked)
		assert.Equal(t, io.ErrShortWrite, panicked.Value)
		assert.Contains(t, string(panicked.Stack), "TestTaskPanics")
		assert.ErrorIs(t, panicked, io.ErrShortWrite)
		assert.EqualError(t, held(t, p, text).Err, "pool: recovered panic: boom")
		assert.NoError(t, errors.Unwrap(held(t, p, text).Err))
		assert.Equal(t, 2, held(t, p, after).Value)
		assert.Equal(t, pool.Stats{Submitted: 3, Succeeded: 1, Panicked: 2, Workers: 1}, counts(p.Stats()))
	})
}

// ants #146: when every task panics, a blocked submitter must not wait for
// anything but the next worker.
func TestAllTasksPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 2, Queue: 1})
		begun := time.Now()
		for range 1000 {
			submit(t, p, panickingTask)
		}
		require.NoError(t, p.Stop(t.Context()))
		assert.Zero(t, time.Since(begun))
		assert.EqualValues(t, 1000, p.Stats().Panicked)
		assert.Equal(t, 1000, holds(t, p))
	})
}

// the task calls Goexit: the worker is replaced, Submit is accepted, ErrGoexit is
// stored. Its goroutines do not pile up.
func TestTaskGoexits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1})
		var depths []int
		ids, err := p.SubmitAll(t.Context(), repeat(20, func(context.Context) (int, error) {
			depths = append(depths, runtime.Callers(0, make([]uintptr, 1000)))
			runtime.Goexit()
			return 0, nil
		}))
		require.NoError(t, err)
		after := submit(t, p, value(2))
		require.NoError(t, p.Stop(t.Context()))
		for _, id := range ids {
			assert.Equal(t, store.Result[int]{ID: id, Err: pool.ErrGoexit}, held(t, p, id))
		}
		assert.Equal(t, 2, held(t, p, after).Value)
		assert.Equal(t, pool.Stats{Submitted: 21, Succeeded: 1, Failed: 20, Workers: 1}, counts(p.Stats()))
		assert.Equal(t, depths[2], depths[19])
	})
}

// Resize(n): queued tasks wait, surplus workers leave after their task, Submit is
// accepted; nil, or ErrNoWorkers if n < 0.
func TestResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 4, Queue: 100})
		gate := make(chan struct{})
		for range 20 {
			submit(t, p, gated(gate, 1))
		}
		running := func() uint64 {
			synctest.Wait()
			checkStats(t, p.Stats())
			return p.Stats().Running
		}
		next := func() { gate <- struct{}{} }
		assert.EqualValues(t, 4, running())

		require.NoError(t, p.Resize(2))
		assert.EqualValues(t, 4, running(), "no task is interrupted")
		next()
		assert.EqualValues(t, 3, running(), "a surplus worker leaves after its task")
		next()
		assert.EqualValues(t, 2, running())
		next()
		assert.EqualValues(t, 2, running())
		submit(t, p, gated(gate, 1))

		require.NoError(t, p.Resize(6))
		assert.EqualValues(t, 6, running())
		assert.Equal(t, 6, p.Stats().Workers)

		assert.ErrorIs(t, p.Resize(-1), pool.ErrNoWorkers)
		assert.EqualValues(t, 6, running(), "after an error")
		assert.Equal(t, 6, p.Stats().Workers)
		close(gate)
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 21, holds(t, p))
		assert.ErrorIs(t, p.Resize(1), pool.ErrClosed)
	})
}

// Idle workers leave at once, and are started again when there is work. Done stays open
// meanwhile, until Stop is called or the pool is cancelled.
func TestResizeIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 5})
		workers := func(n int) { // runs n tasks that wait for each other, and then no more than n are left
			t.Helper()
			require.NoError(t, p.Resize(n))
			gate := make(chan struct{})
			for range n {
				submit(t, p, gated(gate, 1))
			}
			synctest.Wait()
			assert.EqualValues(t, n, p.Stats().Running)
			close(gate)
			require.NoError(t, p.Wait(t.Context()))
			synctest.Wait()
			assert.Equal(t, n, countGoroutines())
			assert.False(t, isClosed(p.Done()), "Done is closed")
		}
		for _, n := range []int{5, 1, 3, 0, 8} {
			workers(n)
		}
	})
}

// Resize(0): queued tasks wait, running ones finish, Submit says ErrNoWorkers and
// blocked ones wake with it (see TestSubmitQueueFull); nil.
func TestResizeToZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, running, queued, _ := busyPool(t)
		assert.NoError(t, p.Resize(0))
		for _, err := range submitEachWay(p, value(9)) {
			assert.Equal(t, pool.ErrNoWorkers, err)
		}
		close(gate)
		synctest.Wait()
		assert.Equal(t, 1, held(t, p, running).Value)
		assert.Equal(t, 1, holds(t, p))
		assert.Equal(t, pool.Stats{Submitted: 3, Succeeded: 1, Queued: 2}, counts(p.Stats()))

		require.NoError(t, p.Resize(1))
		require.NoError(t, p.Wait(t.Context()))
		assert.Equal(t, 2, held(t, p, queued).Value)
		submit(t, p, value(4))
		assert.NoError(t, p.Stop(t.Context()))
	})
}

// Stop with zero workers: queued tasks get ErrNotRun wrapping ErrNoWorkers, Submit says ErrClosed,
// Stop returns that error; one result each. It makes no difference which comes first, Stop or
// Resize(0). A cancel is the more important reason.
func TestStopWithoutWorkers(t *testing.T) {
	for name, c := range map[string]struct {
		stopFirst bool
		cause     error
	}{"Resize first": {false, nil}, "Stop first": {true, nil}, "and a cancel": {false, errCause}} {
		bubble(t, name, func(t *testing.T) {
			p, gate, running, queued, queued2 := busyPool(t)
			if !c.stopFirst {
				require.NoError(t, p.Resize(0))
			}
			if c.cause != nil {
				p.cancel(c.cause)
			}
			stopped := p.stopping()
			stopped.waits(t)
			if c.stopFirst {
				require.NoError(t, p.Resize(0))
				synctest.Wait()
			}
			why := cmp.Or(c.cause, pool.ErrNoWorkers)
			for _, id := range []store.ID{queued, queued2} { // while the other still runs
				err := held(t, p, id).Err
				matchesAll(t, err, pool.ErrNotRun, why)
				assert.Equal(t, c.cause == nil, errors.Is(err, pool.ErrNoWorkers))
			}
			_, err := p.Submit(t.Context(), value(9))
			assert.ErrorIs(t, err, pool.ErrClosed)
			assert.ErrorIs(t, p.Resize(1), pool.ErrClosed, "the queued tasks have their results")

			close(gate)
			err = stopped.returns(t)
			assert.ErrorIs(t, err, why)
			assert.Equal(t, c.cause == nil, errors.Is(err, pool.ErrNotRun))
			assert.NoError(t, held(t, p, running).Err)
			assert.Equal(t, 3, holds(t, p))
		})
	}
}

// With nothing in the queue, Stop has nothing to complain of.
func TestStopWithoutWorkersOrTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, nil)
		submit(t, p, value(1))
		synctest.Wait()
		require.NoError(t, p.Resize(0))
		assert.NoError(t, p.Stop(t.Context()))
	})
}

// inside a task, with the task's ctx: Stop begins stopping and returns ErrInTask
// at once; Wait, and Get of a pending id, return ErrInTask; Submit, queue full,
// returns ErrQueueFull, and nothing is stored.
func TestInsideTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1, Queue: 100})
		begun := time.Now()
		ended := submit(t, p, value(1))
		var queued, self store.ID
		self = submit(t, p, func(ctx context.Context) (int, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Hour) // derived is as good
			defer cancel()
			v, err := p.Get(ctx, ended)
			assert.NoError(t, err, "Get of a task that has ended")
			assert.Equal(t, 1, v)
			_, err = p.Get(ctx, 2)
			assert.Equal(t, pool.ErrInTask, err, "Get of the task itself")
			assert.Equal(t, pool.ErrInTask, p.Wait(ctx))

			queued, err = p.Submit(ctx, value(3))
			assert.NoError(t, err, "Submit with room in the queue")
			_, err = p.Get(ctx, queued)
			assert.Equal(t, pool.ErrInTask, err, "Get of a task that waits")
			ids, err := p.SubmitAll(ctx, values(120))
			assert.Equal(t, pool.ErrQueueFull, err)
			assert.Len(t, ids, 99, "as many as the queue takes, also more than it has memory for yet")
			_, err = p.Submit(ctx, value(7))
			assert.Equal(t, pool.ErrQueueFull, err)
			_, err = p.Get(ctx, 9999)
			assert.Equal(t, store.ErrNotFound, err)

			assert.Equal(t, pool.ErrInTask, p.Stop(ctx))
			_, err = p.Submit(ctx, value(8))
			assert.Equal(t, pool.ErrClosed, err, "after Stop in a task")
			return 2, nil
		})
		<-p.Done()
		assert.Zero(t, time.Since(begun), "something waited")
		assert.EqualValues(t, 2, self)
		assert.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 2+100, holds(t, p))
		assert.Equal(t, 3, held(t, p, queued).Value)
	})
}

// A pool is known by its own tasks' contexts only: another pool's task may wait.
func TestInsideTaskOfAnotherPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPool(t, &pool.Options{Workers: 1, Queue: 1})
		outer := newPool(t, &pool.Options{Workers: 1})
		submit(t, outer, func(ctx context.Context) (int, error) {
			ids, err := inner.SubmitAll(ctx, values(10))
			assert.NoError(t, err)
			v, err := inner.Get(ctx, ids[9])
			assert.NoError(t, err)
			assert.Equal(t, 9, v)
			return 0, errors.Join(inner.Wait(ctx), inner.Stop(ctx))
		})
		assert.NoError(t, outer.Stop(t.Context()))
		assert.EqualValues(t, 1, outer.Stats().Succeeded)
	})
}

// Get of an id never given out, or deleted: store.ErrNotFound at once, also if a worker that is idle
// has run that task last.
func TestGetNotFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, _, queued, last := busyPool(t)
		begun := time.Now()
		missing := func(ids ...store.ID) {
			t.Helper()
			for _, id := range ids {
				_, err := p.Get(t.Context(), id)
				assert.Equal(t, store.ErrNotFound, err, "ID %d", id)
			}
		}
		missing(0, 4, 99, 1<<32, 1<<64-1)
		close(gate)
		require.NoError(t, p.Wait(t.Context()))
		require.NoError(t, p.st.Delete(t.Context(), last))
		missing(last)
		failing := submit(t, p, failingTask)
		require.NoError(t, p.Wait(t.Context()))
		require.NoError(t, p.st.Delete(t.Context(), failing))
		missing(failing)
		_, err := p.Get(t.Context(), queued)
		assert.NoError(t, err)
		require.NoError(t, p.Stop(t.Context()))
		missing(99)
		assert.Zero(t, time.Since(begun))
	})
}
