package pool_test

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/resultpool/resultpool/store/rwmutex"
)

// Goexit in a Load loses none of the tasks that the same Pull has brought.
func TestJoinGoexitBetweenLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(0)
		submitter, _ := join(t, memory, nil, nil)
		ids, err := submitter.SubmitAll(t.Context(), numbers(4))
		require.NoError(t, err)
		_, err = memory.Open().Pull(t.Context(), 4) // by a process that dies
		require.NoError(t, err)
		eng := strict{enginetest.WithFaults(memory.Open(), enginetest.Faults{
			Load: enginetest.After(2, enginetest.First(1, enginetest.Goexit())),
		})}
		p, _ := join(t, eng, doubled, &pool.Options{Workers: 4})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for i, id := range ids {
			v, err := submitter.Get(ctx, id)
			require.NoError(t, err)
			require.Equal(t, 2*i, v)
		}
		require.NoError(t, soon(t, time.Hour, func() error { return p.Stop(t.Context()) }))
	})
}

// A result that is given up, since another attempt has called Goexit, is no trouble any more.
func TestFailingAfterGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var puts atomic.Int64
		st := &hookStore{ResultStore: rwmutex.New[int](), put: func(context.Context, store.Result[int]) error {
			if puts.Add(1) == 1 {
				return errDown
			}
			runtime.Goexit()
			return nil
		}}
		p := newPool(t, nil, st)
		submit(t, p, value(1))
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, uint64(1), p.Stats().Unsaved)
		require.Zero(t, p.Stats().Failing)
	})
}

// Goexit in the call that counts starts is a failure of that call: it is no outcome of the
// task, and those that wait for their turn get it.
func TestJoinMarkStartCallsGoexit(t *testing.T) {
	for name, nth := range map[string]int{"first count": 0, "second count": 2, "when it is taken back": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := newMemory(0)
				submitter, _ := join(t, memory, nil, nil)
				ids, err := submitter.SubmitAll(t.Context(), numbers(3))
				require.NoError(t, err)
				dead := memory.Open()
				for range 3 {
					ds, err := dead.Pull(t.Context(), 3)
					require.NoError(t, err)
					for _, d := range ds {
						require.NoError(t, dead.Nack(t.Context(), []engine.Delivery{d}))
					}
				}
				for _, id := range ids { // somebody has died at each
					_, err := dead.MarkStart(t.Context(), uint64(id), 1)
					require.NoError(t, err)
				}
				eng := strict{enginetest.WithFaults(memory.Open(), enginetest.Faults{
					MarkStart: enginetest.After(nth, enginetest.First(1, enginetest.Goexit())),
				})}
				p, _ := join(t, eng, doubled, &pool.Options{Workers: 1})
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				for i, id := range ids {
					v, err := submitter.Get(ctx, id)
					require.NoError(t, err)
					require.Equal(t, 2*i, v)
				}
				require.NoError(t, p.Stop(ctx))
			})
		})
	}
}

// halfStore returns bytes beside the error of each Encode.
type halfStore struct{ *recordStore }

func (halfStore) Encode(store.Result[[]byte]) ([]byte, error) {
	return []byte("half"), store.ErrRejected
}

// What Encode returns beside an error is nothing.
func TestEncodeReturnsBytesBesideAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := halfStore{&recordStore{Store: rwmutex.New[[]byte]()}}
		p, err := pool.New(t.Context(), func(context.Context, int) ([]byte, error) { return []byte("whole"), nil }, st, nil)
		require.NoError(t, err)
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		require.NoError(t, p.Stop(t.Context())) // Put needs no Encode here
		v, err := p.Get(t.Context(), id)
		require.ErrorIs(t, err, store.ErrRejected)
		require.Empty(t, v)
	})
}

// Get has what was not stored also when the store, being closed, cannot be asked.
func TestGetFromClosedStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &closedStore{ResultStore: rwmutex.New[int]()}
		st := &hookStore{ResultStore: inner}
		st.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
			if err := inner.err(); err != nil {
				return store.Result[int]{}, err
			}
			return inner.Get(ctx, id)
		}
		p := newPool(t, nil, st)
		stored := submit(t, p, value(1))
		require.NoError(t, p.Wait(t.Context()))
		inner.closed.Store(true)
		unsaved := submit(t, p, value(7))
		require.ErrorIs(t, p.Stop(t.Context()), store.ErrClosed)
		v, err := p.Get(t.Context(), unsaved)
		var u *pool.UnsavedError[int]
		require.ErrorAs(t, err, &u)
		require.Equal(t, 7, v)
		_, err = p.Get(t.Context(), stored)
		require.ErrorIs(t, err, store.ErrClosed)
		require.ErrorIs(t, err, pool.ErrClosed)
	})
}

// What has ended the pool is what fails, whatever has failed for longer.
func TestFailingForGoodComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hangs atomic.Bool
		release := make(chan struct{})
		st := &hookStore{ResultStore: rwmutex.New[int](), put: func(_ context.Context, res store.Result[int]) error {
			if res.ID > 1 {
				return store.ErrClosed
			}
			if hangs.Load() {
				<-release
			}
			return errDown
		}}
		p := newPool(t, &pool.Options{Workers: 2}, st)
		submit(t, p, value(1))
		time.Sleep(time.Minute)
		require.Equal(t, errDown, p.Stats().Failing.Err)
		hangs.Store(true)
		time.Sleep(time.Minute)
		submit(t, p, value(2))
		synctest.Wait()
		assert.ErrorIs(t, p.Stats().Failing.Err, store.ErrClosed)
		close(release)
		require.ErrorIs(t, p.Stop(t.Context()), store.ErrClosed)
		assert.ErrorIs(t, p.Stats().Failing.Err, store.ErrClosed)
	})
}

// A queue that is gone says nothing of a call before, which was lost: its task may have run.
func TestJoinGoneAfterALostAnswer(t *testing.T) {
	for name, gone := range map[string]error{
		"gone":         fmt.Errorf("my engine: %w", engine.ErrGone),
		"and not sent": fmt.Errorf("my engine: %w: %w", engine.ErrRefused, engine.ErrGone),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eng := newStrict(enginetest.Faults{Push: enginetest.Chain(
					enginetest.First(1, enginetest.Lose(errEngineDown)), enginetest.After(1, enginetest.Fail(gone)))})
				p, _ := join(t, eng, nil, nil)
				_, err := p.Submit(t.Context(), 1)
				require.ErrorIs(t, err, engine.ErrGone)
				require.ErrorIs(t, err, pool.ErrUnconfirmed)
			})
		})
	}
}

// Resize is no success of the engine.
func TestFailingAcrossResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newStrict(enginetest.Faults{Pull: enginetest.Fail(errEngineDown)})
		begun := time.Now()
		p, _ := join(t, eng, doubled, nil)
		for n := range 10 {
			time.Sleep(time.Minute)
			require.NoError(t, p.Resize(n+1))
			synctest.Wait()
			require.Equal(t, begun, p.Stats().Failing.Since)
		}
	})
}

// A Get that waits for a task, after the engine has failed for a moment, is no trouble.
func TestFailingWhileGetWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newStrict(enginetest.Faults{Wait: enginetest.First(3, enginetest.Fail(errEngineDown))})
		p, _ := join(t, eng, nil, nil)
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		got := call(func() error { _, err := p.Get(ctx, id); return err })
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Zero(t, p.Stats().Failing)
		time.Sleep(time.Hour)
		synctest.Wait()
		err, returned := got()
		require.True(t, returned)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, errEngineDown)
	})
}

// impatient takes an error that it does not know for one that cannot pass.
type impatient struct{ *enginetest.Faulty }

func (impatient) Retryable(error) bool { return false }

// A call that the pool itself has cut short says nothing of the engine.
func TestJoinOwnCancelIsNotFinal(t *testing.T) {
	for name, returns := range map[string]func(context.Context) error{"Err": context.Context.Err, "Cause": context.Cause} {
		t.Run("Ack/"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				called := make(chan struct{})
				memory := newMemory(0)
				old, _ := join(t, enginetest.WithFaults(memory.Open(), enginetest.Faults{Ack: enginetest.Drop()}), doubled, nil)
				id, err := old.Submit(t.Context(), 1)
				require.NoError(t, err)
				_, err = old.Get(t.Context(), id)
				require.NoError(t, err)
				require.NoError(t, old.Stop(t.Context()))
				p, _ := join(t, impatient{enginetest.WithFaults(memory.Open(), enginetest.Faults{
					Ack: func(ctx context.Context, _ []uint64, _ func(context.Context) error) error {
						close(called)
						<-ctx.Done()
						return returns(ctx)
					},
				})}, doubled, nil)
				<-called
				require.NoError(t, p.Stop(t.Context()))
			})
		})
		t.Run("Extend/"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				called := make(chan struct{})
				p, _ := join(t, impatient{enginetest.WithFaults(newMemory(0), enginetest.Faults{
					Extend: func(ctx context.Context, _ []uint64, _ func(context.Context) error) error {
						close(called)
						<-ctx.Done()
						return returns(ctx)
					},
				})}, func(context.Context, int) (int, error) { <-called; return 0, nil }, nil)
				_, err := p.Submit(t.Context(), 1)
				require.NoError(t, err)
				<-called
				require.NoError(t, p.Stop(t.Context()))
			})
		})
	}
}

// A panic of the engine's Wait is an error like those of its other methods.
func TestJoinWaitPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newStrict(enginetest.Faults{Wait: enginetest.First(2, enginetest.Panic("in Wait"))})
		p, _ := join(t, eng, func(_ context.Context, in int) (int, error) { time.Sleep(time.Minute); return in, nil }, nil)
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		v, err := p.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, 1, v)
	})
}

// Submit says what has ended the pool, also when its context has ended later.
func TestFailureThenCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &closedStore{ResultStore: rwmutex.New[int]()}
		st.closed.Store(true)
		p := newPool(t, nil, st)
		submit(t, p, value(1))
		synctest.Wait()
		p.cancel(errors.New("deferred"))
		_, err := p.Submit(t.Context(), value(1))
		require.ErrorIs(t, err, pool.ErrClosed)
		require.ErrorIs(t, err, store.ErrClosed)
	})
}

// A task that may have killed processes is not started uncounted, since the engine is gone.
func TestJoinGoneWhenAStartIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(0)
		id := pulled(t, memory, 1, 3)
		eng := strict{enginetest.WithFaults(memory.Open(), enginetest.Faults{MarkStart: enginetest.Fail(engine.ErrGone)})}
		var runs atomic.Int64
		p, _ := join(t, eng, func(context.Context, int) (int, error) { runs.Add(1); return 0, nil }, nil)
		require.NoError(t, soon(t, time.Hour, func() error { <-p.Done(); return nil }))
		hasFailed(t, p, id, engine.ErrGone)
		require.Zero(t, runs.Load())
	})
}

// endsAtOnce cancels the pool in its first Pull, and delivers a task nevertheless.
type endsAtOnce struct {
	engine.Engine
	cancel context.CancelFunc
}

func (e endsAtOnce) Pull(context.Context, int) ([]engine.Delivery, error) {
	e.cancel()
	return []engine.Delivery{{ID: 1, Attempt: 1}}, nil
}

// A pool may end before Join has returned it.
func TestJoinEndsAtOnce(t *testing.T) {
	for range 20_000 {
		ctx, cancel := context.WithCancel(context.Background())
		p, err := pool.Join(ctx, doubled, endsAtOnce{newMemory(0), cancel}, nil)
		require.NoError(t, err)
		<-p.Done()
	}
}

// A result for which there is no room among others is not overtaken by all that are smaller.
func TestLargeResultAmongSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, large = 600, 9 << 20
		st := &recordStore{Store: rwmutex.New[[]byte](), took: time.Second}
		p, err := pool.New(t.Context(), func(_ context.Context, size int) ([]byte, error) { return make([]byte, size), nil },
			st, &pool.Options{Workers: workers, Queue: 100 * workers})
		require.NoError(t, err)
		small := make([]int, 40*workers)
		_, err = p.SubmitAll(t.Context(), small)
		require.NoError(t, err)
		id, err := p.Submit(t.Context(), large)
		require.NoError(t, err)
		_, err = p.SubmitAll(t.Context(), small)
		require.NoError(t, err)
		_, err = p.Get(t.Context(), id)
		require.NoError(t, err)
		batches := st.batches.Load()
		require.NoError(t, p.Stop(t.Context()))
		require.Greater(t, st.batches.Load(), batches+20, "it was among the last")
	})
}
