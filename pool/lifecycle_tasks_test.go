package pool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// The tests in this file are for those rows of the life-cycle table of docs/design.md that are about single
// tasks, where no other test is nearer.

// Running, inside a task: the task itself is among them, until it has ended, however it ends.
func TestRunningInsideTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 2})
		for _, end := range []task{value(1), failingTask, panickingTask, exitingTask} {
			id := submit(t, p, func(ctx context.Context) (int, error) {
				this, _ := pool.TaskFromContext(ctx)
				assert.Equal(t, []store.ID{this.ID}, p.Running())
				return end(ctx)
			})
			_, _ = p.Get(t.Context(), id)
			synctest.Wait() // a result is stored before its task has ended
			assert.Empty(t, p.Running())
		}
	})
}

// Resize(0), while a task waits for its next attempt or returns the error that asks for one: it waits on, is no task
// that has ended for Wait, and runs when there are workers again. A panic of the last attempt is the result.
func TestRetryWithoutWorkers(t *testing.T) {
	for _, running := range []bool{false, true} {
		for _, d := range []time.Duration{0, time.Second} {
			bubble(t, fmt.Sprint(running, d), func(t *testing.T) {
				p := newPool(t, &pool.Options{Workers: 1})
				gate := make(chan struct{})
				opensAtEnd(t, gate)
				asked := attempts(2, d, panickingTask)
				id := submit(t, p, func(ctx context.Context) (int, error) {
					if running || d == 0 {
						<-gate
					}
					return asked(ctx)
				})
				synctest.Wait()
				require.NoError(t, p.Resize(0))
				if running || d == 0 {
					close(gate)
				}
				wait := p.waiting()
				time.Sleep(time.Minute)
				wait.waits(t)
				s := p.Stats()
				checkStats(t, s)
				assert.Equal(t, []uint64{1, 0}, []uint64{s.Queued, s.Running})
				assert.Empty(t, p.Running())
				require.NoError(t, p.Resize(1))
				time.Sleep(time.Minute)
				assert.NoError(t, wait.returns(t))
				assert.ErrorAs(t, held(t, p, id).Err, new(*pool.PanicError))
			})
		}
	}
}

// Cancel of a task that waits for its next attempt does not wait for a store that fails: until the result is stored the
// task runs, for Stats, and is waited for. What the store never takes is handed back, with the last value.
func TestCancelRetryWhileStoreFails(t *testing.T) {
	for _, heals := range []bool{true, false} {
		for _, batch := range []bool{false, true} {
			bubble(t, fmt.Sprint(heals, batch), func(t *testing.T) {
				var down breakdown
				d := newTestStore(down.fault)
				p := newPool(t, &pool.Options{Workers: 1}, d.as(batch))
				id := submit(t, p, again(time.Hour))
				synctest.Wait()
				down.Store(true)
				assert.True(t, p.Cancel(id, errCause))
				assert.False(t, p.Cancel(id, errCause))
				get := p.getting(id)
				get.waits(t)
				assert.Equal(t, []store.ID{id}, p.Running())
				s := p.Stats()
				checkStats(t, s)
				assert.Equal(t, []uint64{0, 1}, []uint64{s.Queued, s.Running})
				if !heals {
					p.cancel(errTask)
					res := handedBack(t, p.Stop(t.Context()), 1)[0]
					assert.Equal(t, store.Result[int]{ID: id, Value: 1, Err: res.Err}, res)
					matchesAll(t, res.Err, errTask, errCause)
					return
				}
				down.Store(false)
				time.Sleep(time.Minute)
				matchesAll(t, get.returns(t), errTask, errCause)
				assert.Equal(t, 1, held(t, p, id).Value)
				assert.NoError(t, p.Stop(t.Context()))
			})
		}
	}
}

// Retry, when the context of its task has ended, by Cancel or with the pool: what the function returns then is not tried
// again, whatever Backoff says.
func TestRetryOfCancelledTask(t *testing.T) {
	for name, end := range map[string]func(p taskPool){
		"Cancel":            func(p taskPool) { p.Cancel(1, errCause) },
		"the pool's cancel": func(p taskPool) { p.cancel(errCause) },
	} {
		bubble(t, name, func(t *testing.T) {
			p := newPool(t, nil)
			runs := 0
			submit(t, p, func(ctx context.Context) (int, error) {
				return pool.Retry(func(ctx context.Context, in int) (int, error) {
					runs++
					<-ctx.Done()
					return in, ctx.Err()
				}, pool.Backoff{Attempts: 10})(ctx, 7)
			})
			synctest.Wait()
			get := p.getting(1)
			begun := time.Now()
			end(p)
			matchesAll(t, get.returns(t), context.Canceled, errCause)
			assert.Equal(t, 7, held(t, p, 1).Value)
			assert.Equal(t, 1, runs)
			assert.Zero(t, time.Since(begun))
			synctest.Wait() // a result is stored before it is counted
			assert.EqualValues(t, 1, p.Stats().Failed)
		})
	}
}

// A key is busy until the result of its task is stored, so a store that fails holds up the others of that key, and
// no task of another one. Over a BatchPutter the writer has the result, and the key is free.
func TestKeyIsBusyUntilStored(t *testing.T) {
	for _, batch := range []bool{false, true} {
		bubble(t, fmt.Sprint(batch), func(t *testing.T) {
			p := newKeyedPool(t, &pool.Options{Workers: 3}, batch)
			gate := make(chan struct{})
			opensAtEnd(t, gate)
			hold := func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
				if slices.Contains(ids, 1) {
					<-gate
				}
				return do(ctx)
			}
			switch st := p.st.(type) {
			case *testStore:
				st.put = hold
			case batches:
				st.put = hold
			}
			var ran []string
			note := func(key string) {
				p.submit(t, key, func(context.Context) (int, error) { ran = append(ran, key); return 0, nil })
			}
			note("a")
			synctest.Wait()
			note("a")
			synctest.Wait()
			note("b")
			synctest.Wait()
			if batch {
				assert.Equal(t, []string{"a", "a", "b"}, ran)
			} else {
				assert.Equal(t, []string{"a", "b"}, ran)
				assert.EqualValues(t, 1, p.Stats().Queued)
			}
			close(gate)
			require.NoError(t, p.Stop(t.Context()))
			assert.Len(t, ran, 3)
		})
	}
}

// Resize(0), with tasks that wait for their key: they wait on, in their order, and more workers run no more of
// one key than may.
func TestKeyedWithoutWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newKeyedPool(t, &pool.Options{Workers: 2}, false)
		gate := make(chan struct{})
		var order []int
		for i := range 5 {
			p.submit(t, "a", func(context.Context) (int, error) { <-gate; order = append(order, i); return i, nil })
		}
		synctest.Wait()
		require.NoError(t, p.Resize(0))
		_, err := p.TrySubmit(keyedTask{"b", value(1)})
		assert.Equal(t, pool.ErrNoWorkers, err)
		gate <- struct{}{}
		synctest.Wait()
		assert.Equal(t, []int{0}, order)
		assert.EqualValues(t, 4, p.Stats().Queued)
		require.NoError(t, p.Resize(4))
		synctest.Wait()
		assert.Equal(t, []store.ID{2}, p.Running())
		close(gate)
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, []int{0, 1, 2, 3, 4}, order)
	})
}

// A function that asks for another attempt inside Map's, or in a goroutine of its own, is of no task: nothing is
// parked. Nor is a panic whose value is such an error.
func TestRetryAfterOutsideTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, nil)
		id := submit(t, p, func(context.Context) (int, error) { panic(pool.RetryAfter(time.Hour, errTask)) })
		_, err := p.Get(t.Context(), id)
		assert.ErrorAs(t, err, new(*pool.PanicError))
		synctest.Wait() // a result is stored before it is counted
		assert.EqualValues(t, 1, p.Stats().Panicked)
		id = submit(t, p, func(ctx context.Context) (int, error) {
			_, err := pool.Map(ctx, []int{1}, func(context.Context, int) (int, error) { return 0, pool.RetryAfter(0, errTask) }, nil)
			return 3, errors.New(err.Error())
		})
		v, err := p.Get(t.Context(), id)
		assert.Equal(t, 3, v)
		assert.ErrorContains(t, err, errTask.Error())
	})
}
