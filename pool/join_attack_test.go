package pool_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// hooked is an engine some of whose methods are asked about first: call is the real
// method, to be called or not.
type hooked struct {
	*enginetest.Memory
	push    func(ctx context.Context, call func() ([]uint64, error)) ([]uint64, error)
	pull    func(ctx context.Context, n int, call func() ([]engine.Delivery, error)) ([]engine.Delivery, error)
	ack     func(ctx context.Context, call func() error) error
	nack    func(ctx context.Context, call func() error) error
	extend  func(ctx context.Context, call func() error) error
	save    func(ctx context.Context, call func() error) error
	load    func(ctx context.Context, call func() ([]byte, error)) ([]byte, error)
	started func(ctx context.Context, call func() (int, error)) (int, error)
	size    func(ctx context.Context, call func() (uint64, error)) (uint64, error)
}

func (h *hooked) Push(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
	call := func() ([]uint64, error) { return h.Memory.Push(ctx, key, tasks) }
	if h.push == nil {
		return call()
	}
	return h.push(ctx, call)
}

func (h *hooked) Pull(ctx context.Context, n int) ([]engine.Delivery, error) {
	call := func() ([]engine.Delivery, error) { return h.Memory.Pull(ctx, n) }
	if h.pull == nil {
		return call()
	}
	return h.pull(ctx, n, call)
}

func (h *hooked) Ack(ctx context.Context, ds []engine.Delivery) error {
	call := func() error { return h.Memory.Ack(ctx, ds) }
	if h.ack == nil {
		return call()
	}
	return h.ack(ctx, call)
}

func (h *hooked) Nack(ctx context.Context, ds []engine.Delivery) error {
	call := func() error { return h.Memory.Nack(ctx, ds) }
	if h.nack == nil {
		return call()
	}
	return h.nack(ctx, call)
}

func (h *hooked) Extend(ctx context.Context, ds []engine.Delivery) error {
	call := func() error { return h.Memory.Extend(ctx, ds) }
	if h.extend == nil {
		return call()
	}
	return h.extend(ctx, call)
}

func (h *hooked) Save(ctx context.Context, recs []engine.Record) error {
	call := func() error { return h.Memory.Save(ctx, recs) }
	if h.save == nil {
		return call()
	}
	return h.save(ctx, call)
}

func (h *hooked) Load(ctx context.Context, id uint64) ([]byte, error) {
	call := func() ([]byte, error) { return h.Memory.Load(ctx, id) }
	if h.load == nil {
		return call()
	}
	return h.load(ctx, call)
}

func (h *hooked) MarkStart(ctx context.Context, id uint64, n int) (int, error) {
	call := func() (int, error) { return h.Memory.MarkStart(ctx, id, n) }
	if h.started == nil {
		return call()
	}
	return h.started(ctx, call)
}

func (h *hooked) Size(ctx context.Context) (uint64, error) {
	call := func() (uint64, error) { return h.Memory.Size(ctx) }
	if h.size == nil {
		return call()
	}
	return h.size(ctx, call)
}

// gives returns a context that ends after d, so that what hangs fails.
func gives(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// A small Queue does not bound how many workers run.
func TestJoinSmallQueueFeedsAllWorkers(t *testing.T) {
	for range 5 {
		synctest.Test(t, func(t *testing.T) {
			p, _ := join(t, newMemory(0), func(_ context.Context, in int) (int, error) {
				time.Sleep(time.Minute)
				return in, nil
			}, &pool.Options{Workers: 8, Queue: 1})
			begun := time.Now()
			_, err := p.SubmitAll(t.Context(), numbers(8))
			require.NoError(t, err)
			require.NoError(t, p.Wait(t.Context()))
			require.Less(t, time.Since(begun), 90*time.Second, "eight workers, eight minutes of work")
		})
	}
}

// A Pull for one is under way while more workers become idle; then many tasks come.
func TestJoinIdleWorkersAreFed(t *testing.T) {
	for range 5 {
		synctest.Test(t, func(t *testing.T) {
			gate := make(chan struct{})
			p, _ := join(t, newMemory(0), func(_ context.Context, in int) (int, error) {
				if in > 0 {
					<-gate
					return in, nil
				}
				time.Sleep(time.Minute)
				return in, nil
			}, &pool.Options{Workers: 8})
			_, err := p.SubmitAll(t.Context(), []int{1, 2, 3, 4, 5, 6, 7})
			require.NoError(t, err)
			synctest.Wait() // feed waits for one task
			close(gate)
			synctest.Wait()
			begun := time.Now()
			_, err = p.SubmitAll(t.Context(), make([]int, 8))
			require.NoError(t, err)
			require.NoError(t, p.Wait(t.Context()))
			require.Less(t, time.Since(begun), 90*time.Second, "eight workers, eight minutes of work")
		})
	}
}

// The last task in the queue goes to one of two workers that become idle: the other one
// must be fed.
func TestJoinFeedsAfterTheWriterWasSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		eng := &hooked{Memory: newMemory(0)}
		eng.save = func(_ context.Context, call func() error) error { <-open; return call() }
		gates := map[int]chan struct{}{1: make(chan struct{}), 2: make(chan struct{})}
		p, _ := join(t, eng, func(_ context.Context, in int) (int, error) {
			switch in {
			case 1, 2:
				<-gates[in]
			case 3:
				time.Sleep(time.Hour)
			}
			return in, nil
		}, &pool.Options{Workers: 2})
		_, err := p.Submit(t.Context(), 0)
		require.NoError(t, err)
		synctest.Wait() // it is being saved
		_, err = p.SubmitAll(t.Context(), append(make([]int, 1024), 1, 2, 3))
		require.NoError(t, err)
		synctest.Wait()
		close(gates[1]) // its worker has a result, and waits for the writer; 3 is pulled for it
		synctest.Wait()
		id, err := p.Submit(t.Context(), 4)
		require.NoError(t, err)
		close(gates[2])
		synctest.Wait()
		close(open)
		_, err = p.Get(gives(t, time.Minute), id)
		assert.NoError(t, err, "a worker is idle and a task waits")
		time.Sleep(2 * time.Hour)
	})
}

// A Pull that has asked for much, since the tasks were small, must not take as many large
// ones a while later.
func TestJoinOldPaceIsForgotten(t *testing.T) {
	for _, pause := range []time.Duration{time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) { testOldPace(t, pause) })
	}
}

func testOldPace(t *testing.T, pause time.Duration) {
	t.Helper()
	eng := newMemory(0)
	f := func(_ context.Context, in int) (int, error) {
		time.Sleep(time.Duration(in) * 100 * time.Microsecond)
		return 0, nil
	}
	a, _ := join(t, eng, f, &pool.Options{Workers: 2})
	small := make([]int, 2000)
	for i := range small {
		small[i] = 1
	}
	_, err := a.SubmitAll(t.Context(), small)
	require.NoError(t, err)
	require.NoError(t, a.Wait(t.Context()))
	time.Sleep(pause)

	large := make([]int, 40)
	for i := range large {
		large[i] = int(time.Minute / (100 * time.Microsecond))
	}
	begun := time.Now()
	_, err = a.SubmitAll(t.Context(), large)
	require.NoError(t, err)
	b, _ := join(t, eng.Open(), f, &pool.Options{Workers: 2})
	require.NoError(t, b.Wait(t.Context()))
	assert.Less(t, time.Since(begun), 13*time.Minute, "four workers, ten minutes of work for each")
}

// After Resize(0) a pool takes over nothing more.
func TestJoinWithoutWorkersTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		a, _ := join(t, eng, doubled, &pool.Options{Workers: 4})
		synctest.Wait()
		require.NoError(t, a.Resize(0))
		synctest.Wait()
		_, err := a.SubmitAll(t.Context(), numbers(4))
		require.NoError(t, err)
		synctest.Wait()
		b, _ := join(t, eng.Open(), doubled, nil)
		require.NoError(t, b.Wait(gives(t, 24*time.Hour)), "others have workers")
	})
}

// After Resize(1) a pool takes over what one worker can do.
func TestJoinWithFewerWorkersTakesLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		slow := func(_ context.Context, in int) (int, error) { time.Sleep(time.Hour); return in, nil }
		a, _ := join(t, eng, slow, &pool.Options{Workers: 8})
		synctest.Wait()
		require.NoError(t, a.Resize(1))
		synctest.Wait()
		begun := time.Now()
		_, err := a.SubmitAll(t.Context(), numbers(8))
		require.NoError(t, err)
		synctest.Wait()
		b, _ := join(t, eng.Open(), slow, &pool.Options{Workers: 7})
		require.NoError(t, b.Wait(t.Context()))
		assert.Less(t, time.Since(begun), 90*time.Minute)
	})
}

// The answer of one call is lost, for each method.
func TestJoinLostAnswers(t *testing.T) {
	lost := func(n int) func(ctx context.Context) error { // the first n calls
		var calls atomic.Int64
		return func(ctx context.Context) error {
			if calls.Add(1) > int64(n) {
				return nil
			}
			<-ctx.Done()
			return context.Cause(ctx)
		}
	}
	t.Run("Ack", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			eng, once := &hooked{Memory: newMemory(0)}, lost(1)
			eng.ack = func(ctx context.Context, call func() error) error {
				if err := once(ctx); err != nil {
					return err
				}
				return call()
			}
			p, _ := join(t, eng, doubled, &pool.Options{Workers: 2})
			_, err := p.Submit(t.Context(), 1)
			require.NoError(t, err)
			synctest.Wait()
			id, err := p.Submit(t.Context(), 1)
			require.NoError(t, err)
			_, err = p.Get(gives(t, time.Hour), id)
			require.NoError(t, err)
			require.NoError(t, p.Wait(gives(t, time.Hour)))
			require.NoError(t, p.Stop(gives(t, time.Hour)))
		})
	})
	t.Run("Nack", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			eng, once := &hooked{Memory: newMemory(0)}, lost(1)
			eng.nack = func(ctx context.Context, call func() error) error {
				if err := once(ctx); err != nil {
					return err
				}
				return call()
			}
			p, _ := join(t, eng, doubled, &pool.Options{Workers: 2})
			// One is taken over and not begun.
			require.NoError(t, p.Resize(0))
			_, err := p.Submit(t.Context(), 1)
			require.NoError(t, err)
			synctest.Wait()
			require.NoError(t, p.Stop(gives(t, time.Hour)))
		})
	})
	t.Run("Load in feed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			mem := newMemory(0)
			id := pulled(t, mem, 4, 1)
			eng, once := &hooked{Memory: mem.Open()}, lost(1)
			eng.load = func(ctx context.Context, call func() ([]byte, error)) ([]byte, error) {
				if err := once(ctx); err != nil {
					return nil, err
				}
				return call()
			}
			join(t, eng, doubled, &pool.Options{Workers: 2})
			reader, _ := join(t, mem.Open(), nil, nil)
			_, err := reader.Get(gives(t, time.Hour), id)
			require.NoError(t, err)
		})
	})
	t.Run("Load in Get", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			eng, once := &hooked{Memory: newMemory(0)}, lost(1)
			eng.load = func(ctx context.Context, call func() ([]byte, error)) ([]byte, error) {
				if err := once(ctx); err != nil {
					return nil, err
				}
				return call()
			}
			p, _ := join(t, eng, doubled, &pool.Options{Workers: 2})
			id, err := p.Submit(t.Context(), 1)
			require.NoError(t, err)
			_, err = p.Get(gives(t, time.Hour), id)
			require.NoError(t, err)
		})
	})
	t.Run("MarkStart", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			mem := newMemory(0)
			id := pulled(t, mem, 4, 3)
			eng, once := &hooked{Memory: mem.Open()}, lost(1)
			eng.started = func(ctx context.Context, call func() (int, error)) (int, error) {
				if err := once(ctx); err != nil {
					return 0, err
				}
				return call()
			}
			p, _ := join(t, eng, doubled, &pool.Options{Workers: 2})
			_, err := p.Get(gives(t, time.Hour), id)
			require.NoError(t, err)
		})
	})
	t.Run("Size", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			eng, once := &hooked{Memory: newMemory(0)}, lost(1)
			eng.size = func(ctx context.Context, call func() (uint64, error)) (uint64, error) {
				if err := once(ctx); err != nil {
					return 0, err
				}
				return call()
			}
			p, _ := join(t, eng, doubled, &pool.Options{Workers: 2})
			require.NoError(t, p.Wait(gives(t, time.Hour)))
		})
	})
}

// An engine remembers a key for 10 seconds and no longer, and the answer of a Push is
// lost: the task must not be there twice.
func TestJoinLostPushIsNotPushedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &forgetful{Memory: newMemory(0)}
		p, _ := join(t, eng, nil, nil)
		_, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		n, err := eng.Size(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, n)
	})
}

// forgetful remembers keys for the 10 seconds that clause 2 asks for. The answer of its
// first Push is lost.
type forgetful struct {
	*enginetest.Memory
	first time.Time
	key   string
	lost  bool
}

func (f *forgetful) Push(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
	if key != f.key {
		f.key, f.first = key, time.Now()
	}
	if time.Since(f.first) > 10*time.Second {
		key += "-anew"
	}
	ids, err := f.Memory.Push(ctx, key, tasks)
	if !f.lost {
		f.lost = true
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return ids, err
}

// Suspects that wait for their turn have not started, and Stop gives them back.
func TestJoinStopGivesBackSuspects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		reader, _ := join(t, eng, nil, nil)
		_, err := reader.SubmitAll(t.Context(), numbers(4))
		require.NoError(t, err)
		for range 2 {
			ds, err := eng.Pull(t.Context(), 10)
			require.NoError(t, err)
			require.NoError(t, eng.Nack(t.Context(), ds))
		}
		p, _ := join(t, eng.Open(), func(_ context.Context, in int) (int, error) {
			time.Sleep(time.Hour)
			return in, nil
		}, &pool.Options{Workers: 4})
		synctest.Wait()
		begun := time.Now()
		require.NoError(t, p.Stop(t.Context()))
		assert.Less(t, time.Since(begun), 90*time.Minute, "one was running")
	})
}

// A suspect whose start cannot be counted has not started: Stop gives it back.
func TestJoinStopWhileStartsCannotBeCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory(0)
		pulled(t, mem, 4, 3)
		eng := &hooked{Memory: mem.Open()}
		eng.started = func(context.Context, func() (int, error)) (int, error) { return 0, errEngineDown }
		p, _ := join(t, eng, doubled, &pool.Options{Workers: 1})
		time.Sleep(2 * lease)
		require.EqualValues(t, 1, p.Stats().Running)
		require.NoError(t, p.Stop(gives(t, time.Hour)))
	})
}

// Starts that were counted although the engine said that it failed are those of nobody.
func TestJoinUnansweredStartsDoNotCondemn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory(0)
		id := pulled(t, mem, 4, 3)
		eng := &hooked{Memory: mem.Open()}
		calls := 0
		eng.started = func(_ context.Context, call func() (int, error)) (int, error) {
			n, err := call()
			if calls++; calls <= 6 {
				return 0, errEngineDown
			}
			return n, err
		}
		p, _ := join(t, eng, doubled, &pool.Options{Workers: 1})
		v, err := p.Get(gives(t, time.Hour), id)
		require.NoError(t, err, "it has never run")
		assert.Equal(t, 8, v)
	})
}

// A task that is interrupted and given back has killed nobody.
func TestJoinInterruptedOftenIsNoPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		reader, _ := join(t, eng, nil, nil)
		id, err := reader.Submit(t.Context(), 4)
		require.NoError(t, err)
		for range 10 {
			p, cancel := join(t, eng.Open(), func(ctx context.Context, _ int) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			}, nil)
			synctest.Wait()
			cancel(errors.New("the machine goes down"))
			<-p.Done()
		}
		join(t, eng.Open(), doubled, nil)
		v, err := reader.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 8, v)
	})
}

// A pool whose time is over gives back what it interrupts, also if the timeout has a cause
// of its own.
func TestJoinTimeoutWithCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		ctx, cancel := context.WithTimeoutCause(context.Background(), time.Minute, errors.New("the machine goes down"))
		defer cancel()
		p, err := pool.Join(ctx, func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}, eng, nil)
		require.NoError(t, err)
		id, err := p.Submit(t.Context(), 4)
		require.NoError(t, err)
		<-p.Done()
		b, _ := join(t, eng.Open(), doubled, nil)
		v, err := b.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 8, v)
	})
}

// What is given back is no result that could not be saved, and is given back although
// results cannot be saved.
func TestJoinHandBackIsNoUnsavedResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		eng.save = func(ctx context.Context, _ func() error) error { <-ctx.Done(); return ctx.Err() }
		p, cancel := join(t, eng, func(ctx context.Context, in int) (int, error) {
			if in == 0 {
				return in, nil // it is being saved
			}
			<-ctx.Done()
			if in%2 == 0 {
				return in, nil
			}
			return 0, ctx.Err()
		}, &pool.Options{Workers: 10})
		_, err := p.SubmitAll(t.Context(), numbers(11))
		require.NoError(t, err)
		synctest.Wait()
		cancel(errors.New("the machine goes down"))
		err = p.Stop(t.Context())
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, err, &unsaved)
		for _, res := range unsaved.Results {
			assert.NoError(t, res.Err)
		}
		b, _ := join(t, eng.Open(), doubled, &pool.Options{Workers: 10})
		time.Sleep(time.Second)
		assert.EqualValues(t, 5, b.Stats().Succeeded, "what was interrupted is run by another at once")
	})
}

// A result whose methods end the goroutine can never be written: it becomes an error.
func TestJoinGoexitInMarshal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		p, err := pool.Join(t.Context(), func(context.Context, int) (exiting, error) {
			runs.Add(1)
			return exiting{}, nil
		}, newMemory(0), &pool.Options{Workers: 2})
		require.NoError(t, err)
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		_, err = p.Get(gives(t, 24*time.Hour), id)
		require.ErrorIs(t, err, store.ErrRejected)
		assert.EqualValues(t, 1, runs.Load())
		require.NoError(t, p.Stop(gives(t, time.Hour)))
	})
}

type exiting struct{}

func (exiting) MarshalJSON() ([]byte, error) { runtime.Goexit(); return nil, nil }
func (*exiting) UnmarshalJSON([]byte) error  { return nil }

// Tasks that come for the first time do not wait for what is known of others.
func TestJoinFreshTasksDoNotWaitForLookUps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory(0)
		pulled(t, mem, 4, 1)
		reader, _ := join(t, mem.Open(), nil, nil)
		time.Sleep(lease + time.Second)
		id, err := reader.Submit(t.Context(), 5)
		require.NoError(t, err)
		eng := &hooked{Memory: mem.Open()}
		eng.load = func(context.Context, func() ([]byte, error)) ([]byte, error) { return nil, errEngineDown }
		join(t, eng, doubled, &pool.Options{Workers: 2})
		v, err := reader.Get(gives(t, time.Hour), id)
		require.NoError(t, err)
		assert.Equal(t, 10, v)
	})
}

// A ctx that ends between two batches ends SubmitAll without a doubt: the engine owes no
// answer.
func TestJoinNothingUnconfirmedBetweenBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		ctx, cancel := context.WithCancel(t.Context())
		eng.push = func(_ context.Context, call func() ([]uint64, error)) ([]uint64, error) {
			defer cancel()
			return call()
		}
		p, _ := join(t, eng, nil, nil)
		ids, err := p.SubmitAll(ctx, numbers(1000))
		require.ErrorIs(t, err, context.Canceled)
		assert.NotErrorIs(t, err, pool.ErrUnconfirmed)
		n, err := eng.Size(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, len(ids), n)
	})
}

// An engine that was closed under the pool saves nothing ever again.
func TestJoinStopAfterTheEngineWasClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		gate := make(chan struct{})
		p, _ := join(t, eng, func(_ context.Context, in int) (int, error) { <-gate; return in, nil }, nil)
		_, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		synctest.Wait()
		require.NoError(t, eng.Close())
		close(gate)
		err = p.Stop(gives(t, time.Hour))
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, err, &unsaved)
	})
}

// An engine that panics is an engine that fails.
func TestJoinEnginePanicsInMarkStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory(0)
		id := pulled(t, mem, 4, 3)
		eng := &hooked{Memory: mem.Open()}
		var calls atomic.Int64
		eng.started = func(_ context.Context, call func() (int, error)) (int, error) {
			if calls.Add(1) == 1 {
				panic("a bug of the driver")
			}
			return call()
		}
		p, _ := join(t, eng, doubled, nil)
		v, err := p.Get(gives(t, time.Hour), id)
		require.NoError(t, err)
		assert.Equal(t, 8, v)
	})
}

// How long a cancel takes with many results and an engine that is dead in some way.
func TestJoinCancelWithADeadEngine(t *testing.T) {
	for name, dead := range map[string]func(ctx context.Context) error{
		"fails": func(context.Context) error { return errEngineDown },
		"hangs": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"fails slowly": func(ctx context.Context) error {
			select {
			case <-time.After(3 * time.Second):
			case <-ctx.Done():
			}
			return errEngineDown
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eng := &hooked{Memory: newMemory(0)}
				var down atomic.Bool
				f := func(ctx context.Context, call func() error) error {
					if down.Load() {
						return dead(ctx)
					}
					return call()
				}
				eng.save, eng.ack, eng.nack = f, f, f
				p, cancel := join(t, eng, func(ctx context.Context, in int) (int, error) {
					time.Sleep(time.Millisecond)
					if in%100 == 99 {
						<-ctx.Done()
						return 0, ctx.Err()
					}
					return in, nil
				}, &pool.Options{Workers: 30})
				_, err := p.SubmitAll(t.Context(), numbers(4000))
				require.NoError(t, err)
				time.Sleep(20 * time.Millisecond)
				down.Store(true)
				time.Sleep(time.Minute)
				begun := time.Now()
				cancel(errors.New("the machine goes down"))
				<-p.Done()
				took := time.Since(begun)
				t.Log(took, p.Stats())
				assert.Less(t, took, 30*time.Second)
				s := p.Stats()
				assert.Equal(t, s.Submitted, s.Succeeded+s.Failed+s.Panicked+s.NotRun)
			})
		})
	}
}
