package pool_test

import (
	"context"
	"math"
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

// A task that comes again without a pause comes behind what waits, also if it was handed to a worker that slept.
func TestRetryWithoutPauseAfterHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1})
		submit(t, p, value(0))
		synctest.Wait() // the worker sleeps
		var order []int
		note := func(i int) task {
			return func(context.Context) (int, error) { order = append(order, i); return i, nil }
		}
		gate := make(chan struct{})
		submit(t, p, func(ctx context.Context) (int, error) { <-gate; return attempts(1, 0, note(0))(ctx) })
		submit(t, p, note(1))
		submit(t, p, note(2))
		synctest.Wait()
		close(gate)
		require.NoError(t, p.Wait(t.Context()))
		assert.Equal(t, []int{1, 2, 0}, order)
	})
}

// The attempts of a task may run on several workers: Cancel ends the context of the one that runs.
func TestCancelEndsTheContextOfThisAttempt(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 2})
			gates := []chan struct{}{make(chan struct{}), make(chan struct{})}
			for i := range gates {
				submit(t, p, gated(gates[i], i))
			}
			synctest.Wait()
			close(gates[0])
			synctest.Wait()
			close(gates[1])
			id := submit(t, p, func(ctx context.Context) (int, error) {
				this, _ := pool.TaskFromContext(ctx)
				if this.Attempt < 2 {
					return 0, pool.RetryAfter(time.Second, errTask)
				}
				select {
				case <-ctx.Done():
					return 0, context.Cause(ctx)
				case <-time.After(time.Hour):
					return 0, nil
				}
			})
			time.Sleep(time.Second)
			synctest.Wait()
			assert.True(t, p.Cancel(id, errCause))
			_, err := p.Get(t.Context(), id)
			assert.Equal(t, errCause, err)
		})
	}
}

// As many workers are started for tasks that are ready at once as there may be.
func TestWorkersAreStartedForRetries(t *testing.T) {
	for name, resized := range map[string]bool{"by the clock": false, "by Resize": true} {
		bubble(t, name, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 6})
			gate := make(chan struct{})
			opensAtEnd(t, gate)
			for range 6 {
				submit(t, p, attempts(1, time.Second, gated(gate, 1)))
				synctest.Wait() // so one worker runs all
			}
			if resized {
				require.NoError(t, p.Resize(0))
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if resized {
				require.NoError(t, p.Resize(6))
				synctest.Wait()
			}
			assert.Len(t, p.Running(), 6)
		})
	}
}

// A badError has a method that does not return.
type badError struct{ unwrap func() error }

func (badError) Error() string   { return "bad" }
func (e badError) Unwrap() error { return e.unwrap() }

func inUnwrap() error      { panic("in Unwrap") }
func exitsInUnwrap() error { runtime.Goexit(); return nil }

// The pool looks for a RetryAfter in a task's error: what that error's methods do is what the task does. A RetryAfter
// that the task panics with is a panic.
func TestBadErrors(t *testing.T) {
	exited := store.Result[int]{ID: 1, Err: pool.ErrGoexit}
	for name, c := range map[string]struct {
		do    task
		panic any // or nil: it exitsInUnwrap
	}{
		"panic in Unwrap":  {func(context.Context) (int, error) { return 3, badError{inUnwrap} }, "in Unwrap"},
		"Goexit in Unwrap": {func(context.Context) (int, error) { return 3, badError{exitsInUnwrap} }, nil},
		"panic":            {func(context.Context) (int, error) { panic(pool.RetryAfter(0, errTask)) }, pool.RetryAfter(0, errTask)},
	} {
		bubble(t, name, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 1})
			res, err := p.Result(t.Context(), submit(t, p, c.do))
			require.NoError(t, err)
			synctest.Wait() // a result is stored before it is counted
			s := p.Stats()
			checkStats(t, s)
			if c.panic == nil {
				assert.Equal(t, exited, res)
				assert.EqualValues(t, 1, s.Failed)
			} else {
				var panicked *pool.PanicError
				require.ErrorAs(t, res.Err, &panicked)
				assert.Equal(t, c.panic, panicked.Value)
				assert.Zero(t, res.Value)
				assert.EqualValues(t, 1, s.Panicked)
			}
			_, err = p.Get(t.Context(), submit(t, p, value(1)))
			assert.NoError(t, err, "the worker is there")
		})
	}
}

// The same in a joined pool, where such a task does not count as one that is begun for ever.
func TestJoinBadErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := join(t, newMemory(100).Open(), func(_ context.Context, in int) (int, error) {
			switch in {
			case 0:
				return in, badError{inUnwrap}
			case 1:
				return in, badError{exitsInUnwrap}
			default:
				return in, nil
			}
		}, &pool.Options{Workers: 1})
		ids := accepted(t, p, 0, 1, 2)
		assert.ErrorAs(t, lacks(t, p, ids[0]), new(*pool.PanicError))
		assert.ErrorIs(t, lacks(t, p, ids[1]), pool.ErrGoexit)
		has(t, p, ids[2], 2)
	})
}

// A task that comes again without a pause comes behind what waits in a claim, its worker's own or another's.
func TestRetryWithoutPauseComesBehindClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 2})
		begin, polls, long := [2]chan struct{}{make(chan struct{}), make(chan struct{})}, make(chan struct{}), make(chan struct{})
		opensAtEnd(t, long)
		for i := range begin {
			submit(t, p, gated(begin[i], i))
		}
		synctest.Wait()
		next := false
		attempts := 0
		in := values(40) // so many that a claim is of two
		in[0] = func(context.Context) (int, error) {
			<-polls
			if attempts++; next || attempts == 100 {
				return 0, nil
			}
			return 0, pool.RetryAfter(0, errTask)
		}
		in[1] = func(context.Context) (int, error) { next = true; return 0, nil }
		in[39] = gated(long, 0)
		_, err := p.SubmitAll(t.Context(), in)
		require.NoError(t, err)
		close(begin[0])
		synctest.Wait() // one worker polls, and its claim has the next task, too
		close(begin[1])
		synctest.Wait() // the other one has taken all the rest
		require.EqualValues(t, 1, p.Stats().Queued)
		close(polls)
		synctest.Wait()
		assert.Equal(t, 2, attempts)
	})
}

// Cancel of a task of an engine that is to run again is final: its result is saved for all, and it is not given back.
func TestJoinCancelOfRetryIsFinal(t *testing.T) {
	for name, running := range map[string]bool{"parked": false, "running": true} {
		bubble(t, name, func(t *testing.T) {
			memory := newMemory(100)
			gate := make(chan struct{})
			opensAtEnd(t, gate)
			runs := 0
			p, cancel := join(t, marking{memory.Open(), memory}, func(_ context.Context, in int) (int, error) {
				if runs++; running {
					<-gate
				}
				return in, pool.RetryAfter(time.Hour, errTask)
			}, &pool.Options{Workers: 1})
			other, _ := join(t, memory.Open(), nil, nil)
			id := accepted(t, other, 7)[0]
			synctest.Wait()
			assert.True(t, p.Cancel(id, errCause))
			synctest.Wait()
			assert.Equal(t, running, p.Cancel(id, errCause), "a second time")
			cancel(nil)
			synctest.Wait()
			if running {
				close(gate)
			}
			res, err := other.Result(t.Context(), id)
			require.NoError(t, err)
			assert.Equal(t, 7, res.Value)
			assert.EqualError(t, res.Err, errTask.Error()+": "+errCause.Error())
			<-p.Done()
			assert.EqualValues(t, 1, p.Stats().Failed)
			assert.Equal(t, 1, runs)
		})
	}
}

// Parked tasks of an engine take up room: no other task is taken over then and kept from those who could run it.
func TestJoinParkedTasksKeepNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(100)
		gate := make(chan struct{})
		fn := func(_ context.Context, in int) (int, error) {
			if in < 2 {
				<-gate
				return in, pool.RetryAfter(time.Hour, errTask)
			}
			return in, nil
		}
		p, _ := join(t, marking{memory.Open(), memory}, fn, &pool.Options{Workers: 3, Queue: 2})
		begun := time.Now()
		parked := accepted(t, p, 0, 1)
		synctest.Wait() // a worker is free, and another task is pulled for it
		close(gate)
		synctest.Wait()
		late := accepted(t, p, 2, 3, 4, 5)
		synctest.Wait()
		checkStats(t, p.Stats())
		assert.EqualValues(t, 2, p.Stats().Queued)
		other, _ := join(t, memory.Open(), fn, &pool.Options{Workers: 1})
		for i, id := range late {
			has(t, other, id, i+2)
		}
		require.NoError(t, other.Stop(t.Context()))

		// It takes others over when it has room again.
		late = accepted(t, p, 6)
		synctest.Wait()
		assert.True(t, p.Cancel(parked[0], nil))
		has(t, p, late[0], 6)
		assert.Less(t, time.Since(begun), time.Second)
		checkStats(t, p.Stats())
	})
}

// What many parked tasks have taken is given back when they are gone, and a pool that is not to run what waits keeps
// no key of it.
func TestParkingKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100_000
		inUse := func() int64 {
			runtime.GC()
			runtime.GC() // what was in a sync.Pool
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		st := dense.New[int]()
		gate := make(chan struct{})
		p, err := pool.NewKeyed(t.Context(), func(ctx context.Context, _ int) (int, error) {
			<-gate
			return attempts(1, time.Second, value(0))(ctx)
		}, func(in int) int { return in }, st, &pool.Options{Workers: 2, Queue: math.MaxInt})
		require.NoError(t, err)
		before := inUse()
		in := make([]int, n)
		for i := range in {
			in[i] = i // each has a key of its own, and they come again at once
		}
		ids, err := p.SubmitAll(t.Context(), in)
		require.NoError(t, err)
		for _, id := range ids[n/2:] {
			require.True(t, p.Cancel(id, nil))
		}
		close(gate)
		require.NoError(t, p.Wait(t.Context()))
		for id := range store.ID(n) {
			require.NoError(t, st.Delete(t.Context(), id+1))
		}
		in, ids = nil, nil
		assert.Less(t, inUse()-before, int64(2*n), "bytes")
		runtime.KeepAlive(in)
		runtime.KeepAlive(ids)
		require.NoError(t, p.Stop(t.Context()))
	})

	var c things
	ctx, cancel := context.WithCancel(t.Context())
	k, err := pool.NewKeyed(ctx, func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, nil },
		func(int) *thing { return c.made() }, dense.New[int](), &pool.Options{Workers: 1})
	require.NoError(t, err)
	_, err = k.SubmitAll(t.Context(), make([]int, 100))
	require.NoError(t, err)
	cancel()
	<-k.Done()
	c.areGone(t, 0)
	runtime.KeepAlive(k)
}
