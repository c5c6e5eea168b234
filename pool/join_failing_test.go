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
)

var errNotPermitted = errors.New("not permitted")

// strict is an engine whose errors say whether they can pass.
type strict struct{ *enginetest.Faulty }

func newStrict(faults enginetest.Faults) strict {
	return strict{enginetest.WithFaults(newMemory(0), faults)}
}

func (strict) Retryable(err error) bool { return !errors.Is(err, errNotPermitted) }

var _ engine.Retryabler = strict{}

// soon returns what f returns, and fails the test if that takes longer than d.
func soon(t *testing.T, d time.Duration, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(d):
		require.FailNow(t, "it still waits", "%v later", d)
		return nil
	}
}

// hasFailed requires that p has ended with why and says so everywhere. pending is the ID of a
// task without a result.
func hasFailed(t *testing.T, p *pool.Pool[int, int], pending store.ID, why error) {
	t.Helper()
	require.ErrorIs(t, soon(t, time.Minute, func() error { return p.Stop(t.Context()) }), why)
	select {
	case <-p.Done():
	default:
		require.Fail(t, "Done is open")
	}
	for name, call := range map[string]func() error{
		"Submit":    func() error { _, err := p.Submit(t.Context(), 1); return err },
		"TrySubmit": func() error { _, err := p.TrySubmit(1); return err },
		"SubmitAll": func() error { _, err := p.SubmitAll(t.Context(), []int{1, 2}); return err },
		"Wait":      func() error { return p.Wait(t.Context()) },
	} {
		err := soon(t, time.Minute, call)
		require.ErrorIs(t, err, why, name)
		require.ErrorIs(t, err, pool.ErrClosed, name)
	}
	if pending != 0 {
		require.ErrorIs(t, soon(t, time.Minute, func() error { _, err := p.Get(t.Context(), pending); return err }), why)
	}
	f := p.Stats().Failing
	require.ErrorIs(t, f.Err, why)
	require.False(t, f.Since.IsZero())
}

// An error of the engine that can never pass ends the pool, in whatever a worker needs.
func TestJoinFinalErrors(t *testing.T) {
	fail := enginetest.Fail(fmt.Errorf("the engine: %w", errNotPermitted))
	for name, faults := range map[string]enginetest.Faults{
		"Pull":   {Pull: fail},
		"Save":   {Save: fail},
		"Ack":    {Ack: fail},
		"Extend": {Extend: fail},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eng := newStrict(faults)
				p, _ := join(t, eng, func(ctx context.Context, in int) (int, error) {
					select {
					case <-time.After(time.Hour):
					case <-ctx.Done():
					}
					return in, nil // the real outcome counts
				}, nil)
				id, err := p.Submit(t.Context(), 1)
				if err != nil { // it was faster
					require.ErrorIs(t, err, errNotPermitted)
				}
				waited := call(func() error { return p.Wait(t.Context()) })
				got := call(func() error { _, err := p.Get(t.Context(), id); return err })
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				for _, c := range []func() (error, bool){waited, got} {
					err, returned := c()
					require.True(t, returned)
					if name != "Ack" && name != "Extend" { // there is a result, and it may be had before
						require.ErrorIs(t, err, errNotPermitted)
					}
				}
				pending := id
				if name == "Ack" || name == "Extend" {
					pending = 0
				}
				hasFailed(t, p, pending, errNotPermitted)
				var unsaved *pool.UnsavedError[int]
				if err := p.Stop(t.Context()); name == "Save" {
					require.ErrorAs(t, err, &unsaved)
					assert.Equal(t, []store.Result[int]{{ID: id, Value: 1}}, unsaved.Results)
				} else {
					require.NotErrorAs(t, err, &unsaved)
				}
			})
		})
	}
}

// What ends the engine for everybody ends the pool, whoever hears of it: here one that has no
// function, and only submits and reads.
func TestJoinEngineIsGone(t *testing.T) {
	for name, why := range map[string]error{"gone": engine.ErrGone, "closed": engine.ErrClosed} {
		for _, method := range []string{"Submit", "Get", "Wait", "Results"} {
			t.Run(name+"/"+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					eng := newStrict(enginetest.Faults{})
					p, _ := join(t, eng, nil, nil)
					id, err := p.Submit(t.Context(), 1)
					require.NoError(t, err)
					got := call(func() error { _, err := p.Get(t.Context(), id+1000); return err })
					eng.Down(fmt.Errorf("the engine: %w: %w", engine.ErrRefused, why))
					err = map[string]func() error{
						"Submit":  func() error { _, err := p.Submit(t.Context(), 2); return err },
						"Get":     func() error { _, err := p.Get(t.Context(), id); return err },
						"Wait":    func() error { return p.Wait(t.Context()) },
						"Results": func() error { _, err := p.Results(t.Context()); return err },
					}[method]()
					require.ErrorIs(t, err, why)
					require.NotErrorIs(t, err, pool.ErrUnconfirmed)
					hasFailed(t, p, id, why)
					synctest.Wait()
					_, returned := got()
					require.True(t, returned)
				})
			})
		}
	}
}

// A permission that is missing for one method only does not end the pool for the others.
func TestJoinFinalErrorOfOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newStrict(enginetest.Faults{})
		p, _ := join(t, eng, doubled, nil)
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		fail := enginetest.Fail(errNotPermitted)
		eng.SetFaults(enginetest.Faults{Push: fail, Load: fail, Wait: fail, Size: fail})
		_, err = p.Submit(t.Context(), 1)
		require.ErrorIs(t, err, errNotPermitted)
		_, err = p.Get(t.Context(), id)
		require.ErrorIs(t, err, errNotPermitted)
		require.ErrorIs(t, p.Wait(t.Context()), errNotPermitted)
		eng.SetFaults(enginetest.Faults{})
		v, err := p.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, 2, v)
		require.NoError(t, p.Stop(t.Context()))
	})
}

// A worker that may not read runs what was delivered before: the first result counts.
func TestJoinMayNotLookForResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(0)
		id := pulled(t, memory, 21, 1)
		eng := strict{enginetest.WithFaults(memory.Open(), enginetest.Faults{Load: enginetest.Fail(errNotPermitted)})}
		p, _ := join(t, eng, doubled, nil)
		require.NoError(t, p.Wait(t.Context()))
		reader, _ := join(t, memory, nil, nil)
		v, err := reader.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, 42, v)
	})
}

// Goexit in any call of the engine neither ends the intake nor hangs the pool.
func TestJoinEngineCallsGoexit(t *testing.T) {
	goexit := func(context.Context, []uint64, func(context.Context) error) error {
		runtime.Goexit()
		return nil
	}
	for name, faults := range map[string]enginetest.Faults{
		"Pull":   {Pull: enginetest.First(5, goexit)},
		"Load":   {Load: enginetest.First(5, goexit)},
		"Extend": {Extend: enginetest.First(2, goexit)},
		"Ack":    {Ack: enginetest.First(2, goexit)},
		"Nack":   {Nack: goexit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := newMemory(0)
				pulled(t, memory, 1, 1)
				eng := strict{enginetest.WithFaults(memory.Open(), faults)}
				var runs atomic.Int64
				p, _ := join(t, eng, func(_ context.Context, in int) (int, error) {
					runs.Add(1)
					time.Sleep(2 * lease)
					return in, nil
				}, nil)
				other, _ := join(t, memory, nil, nil)
				ids, err := other.SubmitAll(t.Context(), numbers(3))
				require.NoError(t, err)
				for i, id := range ids {
					v, err := other.Get(t.Context(), id)
					require.NoError(t, err)
					require.Equal(t, i, v)
				}
				require.NoError(t, other.Wait(t.Context()))
				require.LessOrEqual(t, runs.Load(), int64(5))
				require.NoError(t, soon(t, time.Hour, func() error { return p.Stop(t.Context()) }))
			})
		})
	}
}

// Goexit meets a result that was set aside, since the first attempt to save it failed.
// (TestBatchGoexitOfAResultSetAside is the same without an engine.)
func TestGoexitOfAResultSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var saves atomic.Int64
		eng := newStrict(enginetest.Faults{Save: func(context.Context, []uint64, func(context.Context) error) error {
			if saves.Add(1) == 1 {
				return errEngineDown
			}
			runtime.Goexit()
			return nil
		}})
		p, cancel := join(t, eng, doubled, nil)
		_, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.Greater(t, saves.Load(), int64(1))
		cancel(errors.New("enough"))
		_ = soon(t, time.Minute, func() error { return p.Stop(t.Context()) })
		<-p.Done()
	})
}

func TestJoinStatsFailing(t *testing.T) {
	for _, method := range []string{"Pull", "Push", "Save", "Load", "Extend", "Size", "Wait"} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eng := newStrict(enginetest.Faults{})
				fn := func(_ context.Context, in int) (int, error) {
					if method == "Extend" {
						time.Sleep(10 * time.Minute)
					}
					return in, nil
				}
				p, _ := join(t, eng, fn, &pool.Options{Workers: 1})
				synctest.Wait()
				fail := enginetest.Fail(errEngineDown)
				eng.SetFaults(map[string]enginetest.Faults{
					"Pull": {Pull: fail}, "Push": {Push: fail}, "Save": {Save: fail}, "Load": {Load: fail},
					"Extend": {Extend: fail}, "Size": {Size: fail}, "Wait": {Wait: fail},
				}[method])
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				id, err := p.Submit(ctx, 1)
				if method == "Push" {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.ErrorIs(t, err, errEngineDown)
					require.ErrorIs(t, err, pool.ErrUnconfirmed)
					require.Zero(t, p.Stats().Failing, "nobody tries any more")
					return
				}
				require.NoError(t, err)
				_ = call(func() error { return p.Wait(ctx) })
				_ = call(func() error {
					if method == "Wait" {
						id += 1000 // not there
					}
					_, err := p.Get(ctx, id)
					return err
				})
				_, err = p.Submit(ctx, 1) // Pull is called for the second
				require.NoError(t, err)
				time.Sleep(time.Minute)
				f := p.Stats().Failing
				require.ErrorIs(t, f.Err, errEngineDown)
				require.False(t, f.Since.IsZero())
				eng.SetFaults(enginetest.Faults{})
				time.Sleep(time.Minute)
				require.Zero(t, p.Stats().Failing)
				time.Sleep(time.Hour)
			})
		})
	}
}

// An error at a deadline says what the engine has refused. (Over a store it is the cause alone,
// and Stats says the rest: see TestStatsFailing.)
func TestDeadlineSaysWhatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := enginetest.Fail(errEngineDown)
		memory := newMemory(0)
		eng := strict{enginetest.WithFaults(memory.Open(), enginetest.Faults{Push: fail, Load: fail, Size: fail, Save: fail})}
		p, _ := join(t, eng, doubled, nil)
		other, _ := join(t, memory, nil, nil)
		_, err := other.Submit(t.Context(), 1)
		require.NoError(t, err)
		for _, c := range []struct {
			name string
			call func(context.Context) error
		}{
			{"Submit", func(ctx context.Context) error { _, err := p.Submit(ctx, 3); return err }},
			{"Get", func(ctx context.Context) error { _, err := p.Get(ctx, 1); return err }},
			{"Wait", func(ctx context.Context) error { return p.Wait(ctx) }},
			{"Stop", func(ctx context.Context) error { return p.Stop(ctx) }},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			err := c.call(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded, c.name)
			require.ErrorIs(t, err, errEngineDown, c.name)
			require.ErrorContains(t, err, errEngineDown.Error(), c.name)
		}
	})
}

// Nobody is told that a task may have been accepted where the engine knows that it was not.
func TestJoinRefusedIsNotUnconfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := fmt.Errorf("%w: not connected", engine.ErrRefused)
		eng := newStrict(enginetest.Faults{Push: enginetest.Fail(refused)})
		p, _ := join(t, eng, nil, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := p.Submit(ctx, 1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, refused)
		require.NotErrorIs(t, err, pool.ErrUnconfirmed)

		// After an answer that was lost it is not known, whatever comes then.
		eng.SetFaults(enginetest.Faults{Push: enginetest.Chain(enginetest.First(1, enginetest.Lose(errEngineDown)), enginetest.After(1, enginetest.Fail(refused)))})
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = p.Submit(ctx, 1)
		require.ErrorIs(t, err, refused)
		require.ErrorIs(t, err, pool.ErrUnconfirmed)
	})
}

// A Wait that is given up says what it has waited for: here for a task whose process is dead.
func TestJoinWaitSaysWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		pulled(t, eng, 1, 1)
		p, _ := join(t, eng, doubled, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := p.Wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "tasks in the shared queue: 1, with this pool: 0;")
		require.ErrorContains(t, err, lease.String())
		require.NoError(t, p.Wait(t.Context()))
	})
}

// circle is an error whose chain leads back to itself.
type circle struct{}

func (c *circle) Error() string { return "circle" }

func (c *circle) Unwrap() error { return c }

// The pool looks for the cancel's error in one that a task has made, however that is made.
func TestJoinErrorWrapsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		p, cancel := join(t, eng, func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			return 1, &circle{}
		}, nil)
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		synctest.Wait()
		cancel(errors.New("enough"))
		require.Error(t, soon(t, time.Minute, func() error { return p.Stop(t.Context()) }))
		reader, _ := join(t, eng, nil, nil)
		_, err = reader.Get(t.Context(), id)
		require.EqualError(t, err, "circle")
	})
}

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
