package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// attempts returns a task that asks n times to run again after d, and then ends as last does. Its value
// before that is the number of the attempt.
func attempts(n int, d time.Duration, last task) task {
	return func(ctx context.Context) (int, error) {
		this, _ := pool.TaskFromContext(ctx)
		if this.Attempt > n {
			return last(ctx)
		}
		return this.Attempt, pool.RetryAfter(d, errTask)
	}
}

func again(d time.Duration) task { return attempts(math.MaxInt, d, nil) }

// A task that asks for it is run again when it has said, by any worker, and holds none meanwhile. It counts as
// Queued and takes up room, those who wait for it and for its room wait on, and in the end it has one result.
func TestRetryAfter(t *testing.T) {
	for _, batch := range []bool{false, true} {
		bubble(t, fmt.Sprint(batch), func(t *testing.T) {
			begun := time.Now()
			p := newPool(t, &pool.Options{Workers: 1, Queue: 1}, newTestStore(nil).as(batch))
			retried := submit(t, p, attempts(2, time.Minute, value(7)))
			synctest.Wait()
			get, wait := p.getting(retried), p.waiting()
			s := p.Stats()
			checkStats(t, s)
			assert.Equal(t, []uint64{1, 0}, []uint64{s.Queued, s.Running})
			assert.Empty(t, p.Running())
			_, err := p.TrySubmit(value(2))
			assert.Equal(t, pool.ErrQueueFull, err, "it takes up room")
			blocked := p.submitting(value(2))
			blocked.waits(t)
			_, state, err := p.Peek(t.Context(), retried)
			assert.NoError(t, err)
			assert.Equal(t, pool.Pending, state)

			time.Sleep(time.Minute)
			assert.NoError(t, blocked.returns(t), "it was taken, so there was room")
			get.waits(t)
			wait.waits(t)
			assert.Equal(t, 2, held(t, p, 2).Value, "the worker was free")
			stop := p.stopping()
			stop.waits(t)
			time.Sleep(time.Minute)
			for _, c := range []*pending{get, wait, stop} {
				assert.NoError(t, c.returns(t))
			}
			assert.Equal(t, store.Result[int]{ID: retried, Value: 7}, held(t, p, retried))
			assert.Equal(t, 2*time.Minute, time.Since(begun))
			assert.Equal(t, pool.Stats{Submitted: 2, Succeeded: 2, Workers: 1}, counts(p.Stats()))
		})
	}
}

// Tasks come again in the order of their times, whatever the order in which they asked.
func TestRetriesComeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1})
		begun := time.Now()
		var came []time.Duration
		for _, d := range []time.Duration{3, 1, 5, 2, 4, 6, 6} {
			submit(t, p, attempts(1, d*time.Second, func(context.Context) (int, error) {
				came = append(came, time.Since(begun))
				return 0, nil
			}))
		}
		require.NoError(t, p.Wait(t.Context()))
		want := []time.Duration{1, 2, 3, 4, 5, 6, 6}
		for i := range want {
			want[i] *= time.Second
		}
		assert.Equal(t, want, came)
	})
}

// Without a pause a task comes again at once, behind what waits then, and before what comes later.
func TestRetryWithoutPause(t *testing.T) {
	for _, d := range []time.Duration{0, -time.Hour} {
		bubble(t, fmt.Sprint(d), func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 1})
			var order []int
			note := func(i int) task {
				return func(context.Context) (int, error) { order = append(order, i); return i, nil }
			}
			begun := time.Now()
			gate := make(chan struct{})
			submit(t, p, func(ctx context.Context) (int, error) { <-gate; return attempts(1, d, note(0))(ctx) })
			submit(t, p, note(1))
			submit(t, p, func(ctx context.Context) (int, error) { submit(t, p, note(3)); return note(2)(ctx) })
			synctest.Wait()
			close(gate)
			require.NoError(t, p.Wait(t.Context()))
			assert.Equal(t, []int{1, 2, 0, 3}, order)
			assert.Zero(t, time.Since(begun))
		})
	}
	// It does not starve others, nor they it.
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 2})
		id := submit(t, p, again(0))
		for range 1000 {
			_, err := p.Get(t.Context(), submit(t, p, value(1)))
			require.NoError(t, err)
		}
		assert.True(t, p.Cancel(id, nil))
		_, err := p.Get(t.Context(), id)
		assert.ErrorIs(t, err, context.Canceled)
	})
}

// However the last attempt ends, that is the result; and whatever RetryAfter is wrapped in, it is found.
func TestRetryEnds(t *testing.T) {
	for name, c := range map[string]struct {
		last task
		want error
		out  pool.Stats
	}{
		"value":  {value(3), nil, pool.Stats{Succeeded: 1}},
		"error":  {func(context.Context) (int, error) { return 3, io.EOF }, io.EOF, pool.Stats{Failed: 1}},
		"panic":  {panickingTask, new(pool.PanicError), pool.Stats{Panicked: 1}},
		"Goexit": {exitingTask, pool.ErrGoexit, pool.Stats{Failed: 1}},
	} {
		for _, batch := range []bool{false, true} {
			bubble(t, name, func(t *testing.T) {
				p := newPool(t, nil, newTestStore(nil).as(batch))
				id := submit(t, p, attempts(1, time.Second, c.last))
				require.NoError(t, p.Stop(t.Context()))
				res := held(t, p, id)
				if name == "panic" {
					assert.ErrorAs(t, res.Err, new(*pool.PanicError))
				} else {
					assert.Equal(t, c.want, res.Err)
				}
				c.out.Submitted, c.out.Workers = 1, runtime.GOMAXPROCS(0)
				assert.Equal(t, c.out, counts(p.Stats()))
			})
		}
	}
	bubble(t, "wrapped", func(t *testing.T) {
		p := newPool(t, nil)
		id := submit(t, p, func(ctx context.Context) (int, error) {
			if this, _ := pool.TaskFromContext(ctx); this.Attempt > 3 {
				return 4, nil
			}
			return 0, errors.Join(io.EOF, fmt.Errorf("try again: %w", pool.RetryAfter(0, nil)))
		})
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, store.Result[int]{ID: id, Value: 4}, held(t, p, id))
	})
	bubble(t, "nil", func(t *testing.T) {
		p := newPool(t, nil)
		id := submit(t, p, func(context.Context) (int, error) { return 4, pool.RetryAfter(time.Hour, nil) })
		synctest.Wait()
		assert.True(t, p.Cancel(id, errCause))
		_, err := p.Get(t.Context(), id)
		assert.EqualError(t, err, "pool: RetryAfter was called with a nil error: cause of the cancel")
	})
}

// The life-cycle table of docs/design.md, a parked task that has run: it never becomes ErrNotRun. Its last value
// and error are its result, with what has ended it.
func TestParkedRetryIsEnded(t *testing.T) {
	last := store.Result[int]{ID: 1, Value: 1}
	ends := map[string]func(t *testing.T, p taskPool) error{
		"Cancel": func(t *testing.T, p taskPool) error {
			assert.True(t, p.Cancel(1, errCause))
			return errCause
		},
		"the pool's cancel": func(_ *testing.T, p taskPool) error { p.cancel(errCause); return errCause },
		"Resize(0), Stop": func(t *testing.T, p taskPool) error {
			require.NoError(t, p.Resize(0))
			p.stopping()
			return pool.ErrNoWorkers
		},
		"Stop, Resize(0)": func(t *testing.T, p taskPool) error {
			p.stopping()
			synctest.Wait()
			require.NoError(t, p.Resize(0))
			return pool.ErrNoWorkers
		},
	}
	for name, end := range ends {
		for _, batch := range []bool{false, true} {
			// It waits for its time, or its function runs once more meanwhile and asks for the same.
			for _, running := range []bool{false, true} {
				bubble(t, fmt.Sprint(name, batch, running), func(t *testing.T) {
					p := newPool(t, &pool.Options{Workers: 2}, newTestStore(nil).as(batch))
					gate := make(chan struct{})
					opensAtEnd(t, gate)
					submit(t, p, func(ctx context.Context) (int, error) {
						if running {
							<-gate
						}
						return again(time.Hour)(ctx)
					})
					synctest.Wait()
					get := p.getting(1)
					begun := time.Now()
					cause := end(t, p)
					synctest.Wait()
					if running {
						get.waits(t)
						close(gate)
					}
					err := get.returns(t)
					matchesAll(t, err, errTask, cause)
					assert.NotErrorIs(t, err, pool.ErrNotRun)
					assert.EqualError(t, err, errTask.Error()+": "+cause.Error())
					last.Err = err
					assert.Equal(t, last, held(t, p, 1))
					s := p.Stats()
					checkStats(t, s)
					assert.EqualValues(t, 1, s.Failed)
					assert.False(t, p.Cancel(1, nil), "it has ended")
					want := map[string]error{"the pool's cancel": errCause}[name]
					assert.Equal(t, want, p.Stop(t.Context()), "every task was run")
					assert.Zero(t, time.Since(begun), "nobody waits for the time of the retry")
				})
			}
		}
	}
}

// A Cancel between two attempts, or during one, takes effect, and no attempt follows.
func TestCancelRacesRetries(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 3})
	var after atomic.Int64
	for range 2000 {
		var cancelled atomic.Bool
		id := submit(t, p, func(ctx context.Context) (int, error) {
			if cancelled.Load() && ctx.Err() == nil {
				after.Add(1)
			}
			return again(0)(ctx)
		})
		for !p.Cancel(id, errCause) { // not while an attempt is between its return and the parking
			runtime.Gosched()
		}
		cancelled.Store(true)
		_, err := p.Get(t.Context(), id)
		require.ErrorIs(t, err, errCause)
	}
	assert.Zero(t, after.Load())
	require.NoError(t, p.Stop(t.Context()))
}

// Many tasks with retries, all of their ends at once, over a store that fails: none is lost, doubled or left.
func TestRetriesUnderStress(t *testing.T) {
	const n = 3000
	p := newPool(t, &pool.Options{Workers: 3, Queue: 100}, newTestStore(nil).as(true))
	var runs atomic.Int64
	go func() {
		for i := range n {
			_, _ = p.Submit(context.Background(), func(ctx context.Context) (int, error) {
				runs.Add(1)
				return attempts(i%4, time.Duration(i%3)*50*time.Microsecond, value(i))(ctx)
			})
			if i%100 == 50 {
				_ = p.Resize(i % 4)
				_ = p.Resize(3)
			}
		}
	}()
	for p.Stats().Submitted < n {
		checkStats(t, p.Stats())
		time.Sleep(time.Millisecond)
	}
	require.NoError(t, p.Stop(t.Context()))
	assert.Equal(t, n, holds(t, p))
	assert.EqualValues(t, n+n/4*(1+2+3), runs.Load())
	assert.EqualValues(t, n, p.Stats().Succeeded)
}

// Retry runs an error again, with growing pauses and chance in them, but no more often than it is to, and not
// a permanent one, whose task has the error itself.
func TestRetry(t *testing.T) {
	permanent := pool.Permanent(io.EOF)
	for name, c := range map[string]struct {
		errs    []error // of the attempts
		backoff pool.Backoff
		want    error
		runs    int
	}{
		"none":         {[]error{nil}, pool.Backoff{}, nil, 1},
		"one":          {[]error{errTask, nil}, pool.Backoff{}, nil, 2},
		"all":          {[]error{errTask}, pool.Backoff{}, errTask, 5},
		"two":          {[]error{errTask}, pool.Backoff{Attempts: 2}, errTask, 2},
		"once":         {[]error{errTask}, pool.Backoff{Attempts: 1}, errTask, 1},
		"permanent":    {[]error{errTask, permanent}, pool.Backoff{}, io.EOF, 2},
		"its own":      {[]error{pool.RetryAfter(time.Hour, errTask), nil}, pool.Backoff{}, nil, 2},
		"its own last": {[]error{pool.RetryAfter(time.Hour, errTask)}, pool.Backoff{}, errTask, 5},
	} {
		bubble(t, name, func(t *testing.T) {
			runs := 0
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			st := newTestStore(nil)
			p, err := pool.New(ctx, pool.Retry(func(context.Context, int) (int, error) {
				runs++
				return runs, c.errs[min(runs, len(c.errs))-1]
			}, c.backoff), store.ResultStore[int](st), nil)
			require.NoError(t, err)
			id, err := p.Submit(ctx, 0)
			require.NoError(t, err)
			v, err := p.Get(ctx, id)
			assert.Equal(t, c.want, err, "what is stored is no RetryAfter")
			assert.Equal(t, c.runs, runs)
			assert.Equal(t, runs, v, "the value of the last try")
			require.NoError(t, p.Stop(ctx))
		})
	}
	assert.NoError(t, pool.Permanent(nil))
	assert.EqualError(t, permanent, "EOF")
	assert.ErrorIs(t, fmt.Errorf("x: %w", permanent), io.EOF)
	wrapped := fmt.Errorf("x: %w", permanent)
	values, err := pool.Map(t.Context(), []int{1}, pool.Retry(func(context.Context, int) (int, error) { return 5, wrapped }, pool.Backoff{}), nil)
	assert.Equal(t, []int{5}, values)
	assert.ErrorIs(t, err, wrapped)
}

// The pauses double, up to the longest, each in the upper half of its range.
func TestBackoff(t *testing.T) {
	for _, c := range []struct {
		backoff pool.Backoff
		longest []time.Duration
	}{
		{pool.Backoff{Attempts: 4}, []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond}},
		{pool.Backoff{Attempts: 5, First: time.Second, Max: 3 * time.Second}, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second}},
		{pool.Backoff{Attempts: 2, First: time.Hour, Max: time.Second}, []time.Duration{time.Second}},
		{pool.Backoff{Attempts: 70, First: math.MaxInt64 / 4, Max: math.MaxInt64}, nil},
	} {
		bubble(t, "", func(t *testing.T) {
			var came []time.Time
			p := newPool(t, nil)
			id := submit(t, p, func(ctx context.Context) (int, error) {
				return pool.Retry(func(context.Context, int) (int, error) {
					came = append(came, time.Now())
					return 0, errTask
				}, c.backoff)(ctx, 0)
			})
			if c.longest == nil {
				synctest.Wait()
				assert.True(t, p.Cancel(id, nil))
				return
			}
			require.NoError(t, p.Wait(t.Context()))
			require.Len(t, came, len(c.longest)+1)
			for i, longest := range c.longest {
				pause := came[i+1].Sub(came[i])
				assert.LessOrEqual(t, pause, longest)
				assert.GreaterOrEqual(t, pause, longest/2)
			}
		})
	}
}

// In Map and MapSeq a RetryAfter is an error like others, and a bad Backoff is one of each attempt.
func TestRetryBadInput(t *testing.T) {
	one := func(context.Context, int) (int, error) { return 1, pool.RetryAfter(0, errTask) }
	values, err := pool.Map(t.Context(), []int{1}, one, nil)
	assert.Equal(t, []int{1}, values)
	assert.ErrorIs(t, err, errTask)
	for v, err := range pool.MapSeq(t.Context(), func(yield func(int) bool) { yield(1) }, pool.Retry(one, pool.Backoff{}), nil) {
		assert.Equal(t, 1, v)
		assert.Equal(t, errTask, err)
	}
	for want, b := range map[string]pool.Backoff{
		"Attempts is -1, want 0 (5) or more": {Attempts: -1},
		"First is -1s, want 0 (100ms)":       {First: -time.Second},
		"Max is -1ns, want 0 (30s)":          {Max: -1},
	} {
		_, err := pool.Retry(one, b)(t.Context(), 1)
		assert.ErrorContains(t, err, want)
	}
	var none func(context.Context, int) (int, error)
	_, err = pool.New(t.Context(), pool.Retry(none, pool.Backoff{}), store.ResultStore[int](newTestStore(nil)), nil)
	assert.Equal(t, pool.ErrNilFunc, err)
}
