package pool_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

type pullCall = func() ([]engine.Delivery, error)

// The engine is asked for one task or more, and each Pull has a context of its own that
// ends with it.
func TestJoinPullIsSound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		var least atomic.Int64
		least.Store(1)
		var last context.Context
		eng.pull = func(ctx context.Context, n int, call pullCall) ([]engine.Delivery, error) {
			least.Store(min(least.Load(), int64(n)))
			if last != nil {
				assert.Error(t, last.Err(), "the context of the Pull before is kept")
			}
			last = ctx
			return call()
		}
		p, _ := join(t, eng, func(_ context.Context, in int) (int, error) {
			time.Sleep(time.Second)
			return in, nil
		}, &pool.Options{Workers: 2})
		_, err := p.SubmitAll(t.Context(), numbers(10))
		require.NoError(t, err)
		require.NoError(t, p.Wait(t.Context()))
		assert.EqualValues(t, 1, least.Load())
	})
}

// A pool that has nothing to do waits in one Pull.
func TestJoinIdlePoolDoesNotPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		var calls atomic.Int64
		eng.pull = func(_ context.Context, _ int, call pullCall) ([]engine.Delivery, error) {
			calls.Add(1)
			return call()
		}
		join(t, eng, doubled, nil)
		time.Sleep(time.Hour)
		assert.EqualValues(t, 1, calls.Load())
	})
}

// After an outage the next hiccup costs as little as the first.
func TestJoinHiccupAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		var fail atomic.Int64
		eng.pull = func(_ context.Context, _ int, call pullCall) ([]engine.Delivery, error) {
			if fail.Add(-1) >= 0 {
				return nil, errEngineDown
			}
			return call()
		}
		fail.Store(20)
		p, _ := join(t, eng, doubled, nil)
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		_, err = p.Get(t.Context(), id)
		require.NoError(t, err)
		synctest.Wait()

		fail.Store(1)
		for range 2 { // one for the Pull under way
			id, err = p.Submit(t.Context(), 1)
			require.NoError(t, err)
			begun := time.Now()
			_, err = p.Get(t.Context(), id)
			require.NoError(t, err)
			assert.LessOrEqual(t, time.Since(begun), 20*time.Millisecond)
		}
		assert.Negative(t, fail.Load())
	})
}

// A Resize is no failure of the Pull that it ends: there is no pause after it.
func TestJoinResizeCostsNoPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := join(t, newMemory(0), doubled, &pool.Options{Workers: 1})
		for i := range 20 {
			synctest.Wait()
			require.NoError(t, p.Resize(2-i%2))
		}
		synctest.Wait()
		begun := time.Now()
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		_, err = p.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Zero(t, time.Since(begun))
	})
}

// An engine that panics has not said that the result is there.
func TestJoinEnginePanicsInLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory(0)
		id := pulled(t, mem, 4, 1)
		eng := &hooked{Memory: mem.Open()}
		var calls atomic.Int64
		eng.load = func(_ context.Context, call func() ([]byte, error)) ([]byte, error) {
			if calls.Add(1) == 1 {
				panic("a bug of the driver")
			}
			return call()
		}
		join(t, eng, doubled, nil)
		reader, _ := join(t, mem.Open(), nil, nil)
		v, err := reader.Get(gives(t, time.Hour), id)
		require.NoError(t, err)
		assert.Equal(t, 8, v)
	})
}

// Stop does not wait until the engine says whether a task's result is there already: the
// task is given back.
func TestJoinStopEndsLookUps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory(0)
		id := pulled(t, mem, 4, 1)
		eng := &hooked{Memory: mem.Open()}
		eng.load = func(context.Context, func() ([]byte, error)) ([]byte, error) { return nil, errEngineDown }
		p, _ := join(t, eng, doubled, nil)
		time.Sleep(2 * lease)
		require.NoError(t, p.Stop(t.Context()))
		b, _ := join(t, mem.Open(), doubled, nil)
		begun := time.Now()
		v, err := b.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 8, v)
		assert.Less(t, time.Since(begun), time.Second)
	})
}

// Tasks that a Pull returns when the pool wants none any more are for others, at once.
func TestJoinPullIsLate(t *testing.T) {
	for name, end := range map[string]func(p *pool.Pool[int, int]){
		"Resize(0)": func(p *pool.Pool[int, int]) { assert.NoError(t, p.Resize(0)) },
		"Stop": func(p *pool.Pool[int, int]) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			assert.ErrorIs(t, p.Stop(ctx), context.Canceled)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eng := &hooked{Memory: newMemory(0)}
				var p *pool.Pool[int, int]
				var once atomic.Bool
				eng.pull = func(_ context.Context, _ int, call pullCall) ([]engine.Delivery, error) {
					ds, err := call()
					if len(ds) > 0 && once.CompareAndSwap(false, true) {
						end(p)
					}
					return ds, err
				}
				var runs counted
				p, _ = join(t, eng, runs.double, nil)
				synctest.Wait()
				begun := time.Now()
				reader, _ := join(t, eng.Open(), nil, nil)
				_, err := reader.Submit(t.Context(), 1)
				require.NoError(t, err)
				synctest.Wait()
				assert.Zero(t, runs.times(1))
				join(t, eng.Open(), runs.double, nil)
				require.NoError(t, reader.Wait(t.Context()))
				assert.Less(t, time.Since(begun), time.Second)
			})
		})
	}
}

// The engine is not called for nothing: no Nack while nothing is given back, and no Save
// of what is.
func TestJoinCallsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		var saves, acks, nacks atomic.Int64
		count := func(n *atomic.Int64) func(context.Context, func() error) error {
			return func(_ context.Context, call func() error) error { n.Add(1); return call() }
		}
		eng.save, eng.ack, eng.nack = count(&saves), count(&acks), count(&nacks)
		p, cancel := join(t, eng, func(ctx context.Context, in int) (int, error) {
			if in == 0 {
				return 0, nil
			}
			<-ctx.Done()
			return 0, ctx.Err()
		}, nil)
		_, err := p.Submit(t.Context(), 0)
		require.NoError(t, err)
		require.NoError(t, p.Wait(t.Context()))
		_, err = p.Submit(t.Context(), 1)
		require.NoError(t, err)
		synctest.Wait()
		assert.Equal(t, []int64{1, 1, 0}, []int64{saves.Load(), acks.Load(), nacks.Load()})
		cancel(errEngineDown)
		<-p.Done()
		assert.Equal(t, []int64{1, 1, 1}, []int64{saves.Load(), acks.Load(), nacks.Load()})
	})
}

// A pool takes over what it can begin within 50 ms, or about that, and leaves the rest to
// others.
func TestJoinTakesOverLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := join(t, newMemory(0), func(_ context.Context, in int) (int, error) {
			time.Sleep(time.Millisecond)
			return in, nil
		}, &pool.Options{Workers: 2})
		_, err := p.SubmitAll(t.Context(), numbers(1000))
		require.NoError(t, err)
		most := 0
		for range 80 {
			time.Sleep(5*time.Millisecond + time.Microsecond)
			synctest.Wait()
			most = max(most, int(p.Stats().Queued))
		}
		assert.InDelta(t, 100, most, 40)
	})
}

// However short the tasks are, no more is taken over than Queue says.
func TestJoinQueueBoundsWhatIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		var most atomic.Int64
		eng.pull = func(_ context.Context, n int, call pullCall) ([]engine.Delivery, error) {
			most.Store(max(most.Load(), int64(n)))
			return call()
		}
		p, _ := join(t, eng, func(_ context.Context, in int) (int, error) {
			time.Sleep(100 * time.Microsecond)
			return in, nil
		}, &pool.Options{Workers: 2, Queue: 8})
		_, err := p.SubmitAll(t.Context(), numbers(1000))
		require.NoError(t, err)
		require.NoError(t, p.Wait(t.Context()))
		assert.EqualValues(t, 8, most.Load())
	})
}

// A pool without workers does not even ask, however fast it was a moment ago.
func TestJoinResizeToNoneEndsPulling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		var none atomic.Bool
		var late atomic.Int64
		eng.pull = func(_ context.Context, _ int, call pullCall) ([]engine.Delivery, error) {
			if none.Load() {
				late.Add(1)
			}
			return call()
		}
		p, _ := join(t, eng, func(_ context.Context, in int) (int, error) {
			time.Sleep(time.Millisecond)
			return in, nil
		}, &pool.Options{Workers: 2})
		_, err := p.SubmitAll(t.Context(), numbers(100))
		require.NoError(t, err)
		time.Sleep(50*time.Millisecond + time.Microsecond)
		require.EqualValues(t, 100, p.Stats().Submitted)
		synctest.Wait()
		require.NoError(t, p.Resize(0))
		none.Store(true)
		time.Sleep(time.Hour)
		assert.Zero(t, late.Load())
	})
}

// Whether a result is there is asked until it is known: its task is not run again, and the
// pool goes on with others.
func TestJoinGoesOnAfterASavedResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory(0)
		id := pulled(t, mem, 4, 1)
		c, err := codec.New[int](nil)
		require.NoError(t, err)
		data, err := c.Encode(store.Result[int]{ID: id, Value: 99})
		require.NoError(t, err)
		require.NoError(t, mem.Save(t.Context(), []engine.Record{{ID: uint64(id), Data: data}}))
		time.Sleep(lease)

		eng := &hooked{Memory: mem.Open()}
		var calls atomic.Int64
		eng.load = func(_ context.Context, call func() ([]byte, error)) ([]byte, error) {
			if calls.Add(1) <= 3 {
				return nil, errEngineDown
			}
			return call()
		}
		var runs counted
		p, _ := join(t, eng, runs.double, nil)
		time.Sleep(time.Second)
		reader, _ := join(t, mem.Open(), nil, nil)
		second, err := reader.Submit(t.Context(), 5)
		require.NoError(t, err)
		v, err := reader.Get(gives(t, time.Hour), second)
		require.NoError(t, err)
		assert.Equal(t, 10, v)
		require.NoError(t, p.Stop(t.Context()))
		assert.Zero(t, runs.times(4))
		assert.EqualValues(t, 1, p.Stats().Submitted)
		v, err = reader.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 99, v)
	})
}

// A slowCtx takes a while to say whether it is done.
type slowCtx struct{ context.Context }

func (c slowCtx) Err() error {
	time.Sleep(100 * time.Microsecond)
	return c.Context.Err()
}

// A worker that has taken a task out of the queue and has not begun it, since it asks the
// context first, is not idle: the next task is for others.
func TestJoinPullsNothingForAWorkerThatIsAboutToBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		ctx, cancel := context.WithCancel(context.Background())
		gate := make(chan struct{})
		p, err := pool.Join(slowCtx{ctx}, func(_ context.Context, in int) (int, error) { <-gate; return in, nil },
			eng, &pool.Options{Workers: 1})
		require.NoError(t, err)
		defer func() { cancel(); close(gate); <-p.Done() }()

		ids, err := p.SubmitAll(t.Context(), numbers(2))
		require.NoError(t, err)
		for range 100 { // feed thinks again, also at that moment
			require.NoError(t, p.Resize(1))
			time.Sleep(10 * time.Microsecond)
		}
		join(t, eng.Open(), doubled, nil)
		v, err := p.Get(gives(t, time.Hour), ids[1])
		require.NoError(t, err, "a pool is idle and a task waits")
		assert.Equal(t, 2, v)
	})
}

// That tasks have begun does not say how soon others can: these last a minute.
func TestJoinIdleWorkersThatBeginAreNoPace(t *testing.T) {
	for _, idle := range []time.Duration{0, 6 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			eng := &hooked{Memory: newMemory(0)}
			eng.pull = func(_ context.Context, _ int, call pullCall) ([]engine.Delivery, error) {
				ds, err := call()
				time.Sleep(6 * time.Millisecond) // a round trip
				return ds, err
			}
			p, _ := join(t, eng, func(_ context.Context, in int) (int, error) {
				time.Sleep(time.Minute)
				return in, nil
			}, &pool.Options{Workers: 4})
			time.Sleep(idle)
			_, err := p.SubmitAll(t.Context(), numbers(40))
			require.NoError(t, err)
			time.Sleep(time.Second)
			assert.EqualValues(t, 4, p.Stats().Running)
			assert.Zero(t, p.Stats().Queued, "others are idle")
		})
	}
}
