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
)

// A task that was handed to a worker that slept comes behind what waits, too.
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

// All workers come that there may be when several tasks are ready at once.
func TestAllWorkersComeForRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 6})
		gate := make(chan struct{})
		opensAtEnd(t, gate)
		for range 6 {
			submit(t, p, attempts(1, time.Second, gated(gate, 1)))
			synctest.Wait() // so that one worker runs all
		}
		time.Sleep(time.Second)
		synctest.Wait()
		s := p.Stats()
		assert.EqualValues(t, 6, s.Running)
	})
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1})
		gate := make(chan struct{})
		opensAtEnd(t, gate)
		for range 6 {
			submit(t, p, attempts(1, time.Second, gated(gate, 1)))
			synctest.Wait() // so that one worker runs all
		}
		require.NoError(t, p.Resize(0))
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, p.Resize(6))
		synctest.Wait()
		s := p.Stats()
		assert.EqualValues(t, 6, s.Running)
	})
}

type unwrapPanics struct{ exit bool }

func (unwrapPanics) Error() string { return "unwrapPanics" }
func (e unwrapPanics) Unwrap() error {
	if e.exit {
		runtime.Goexit()
	}
	panic("Unwrap")
}

// The methods of a task's error are the task's.
func TestErrorWhoseMethodsFail(t *testing.T) {
	for _, exit := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 1})
			id := submit(t, p, func(context.Context) (int, error) { return 3, unwrapPanics{exit} })
			_, err := p.Result(t.Context(), id)
			require.NoError(t, err)
			_, err = p.Get(t.Context(), submit(t, p, value(1)))
			assert.NoError(t, err)
			checkStats(t, p.Stats())
		})
	}
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
			p, cancel := join(t, memory.Open(), func(_ context.Context, in int) (int, error) {
				if runs++; running {
					<-gate
				}
				return in, pool.RetryAfter(time.Hour, errTask)
			}, &pool.Options{Workers: 1})
			other, _ := join(t, memory.Open(), nil, nil)
			id := accepted(t, other, 7)[0]
			synctest.Wait()
			assert.True(t, p.Cancel(id, errCause))
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
		p, _ := join(t, memory.Open(), fn, &pool.Options{Workers: 3, Queue: 2})
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
