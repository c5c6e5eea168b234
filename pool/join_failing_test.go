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
	"github.com/resultpool/resultpool/store/codec"
)

func TestJoinDeadEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := faulty(newMemory(0), enginetest.Faults{})
		p, _ := join(t, eng, doubled, nil)
		eng.Down(errEngineDown)
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, errCause)
		defer cancel()
		_, err := p.Submit(ctx, 1)
		matchesAll(t, err, errCause, errEngineDown, pool.ErrUnconfirmed)

		var ids [2]store.ID
		submitted := begin(func() (err error) { ids[0], err = p.Submit(context.Background(), 20); return err })
		tried := begin(func() (err error) { ids[1], err = p.TrySubmit(20); return err })
		got := begin(func() error { _, err := p.Get(context.Background(), 1); return err })
		time.Sleep(time.Hour)
		for _, c := range []*pending{submitted, tried, got} {
			c.waits(t)
		}
		eng.Up()
		time.Sleep(time.Second)
		require.NoError(t, submitted.returns(t))
		require.NoError(t, tried.returns(t))
		require.ErrorIs(t, got.returns(t), store.ErrNotFound)
		has(t, p, ids[0], 40)
		has(t, p, ids[1], 40)
		require.NoError(t, p.Wait(t.Context()))
	})
}

// Stop wakes those who submit to an engine that is down.
func TestJoinStopWakesSubmitters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := faulty(newMemory(0), enginetest.Faults{})
		p, _ := join(t, eng, doubled, nil)
		eng.Down(errEngineDown)
		submitted := begin(func() error { _, err := p.Submit(context.Background(), 1); return err })
		submitted.waits(t)
		require.NoError(t, p.Stop(t.Context()))
		matchesAll(t, submitted.returns(t), pool.ErrClosed, pool.ErrUnconfirmed)
	})
}

// An engine that takes no results slows the workers, and then stops them.
func TestJoinCannotSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := faulty(newMemory(0), enginetest.Faults{Save: enginetest.Fail(errEngineDown)})
		p, _ := join(t, eng, doubled, &pool.Options{Workers: 2, Queue: 10})
		ids := accepted(t, p, numbers(5000)...)
		time.Sleep(time.Hour)
		s := p.Stats()
		assert.Zero(t, s.Succeeded)
		assert.Less(t, s.Submitted, uint64(3000))
		assert.Positive(t, s.Unsaved)
		eng.SetFaults(enginetest.Faults{})
		for i, id := range ids {
			has(t, p, id, 2*i)
		}
		require.NoError(t, p.Wait(t.Context()))
	})
}

// Results that could not be saved before the end are handed back, and their tasks run by
// others.
func TestJoinUnsaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(0)
		p, cancel := join(t, faulty(memory, enginetest.Faults{Save: enginetest.Fail(errEngineDown)}), doubled, &pool.Options{Workers: 2})
		ids := accepted(t, p, numbers(10)...)
		synctest.Wait()
		cancel(errCause)
		err := p.Stop(t.Context())
		matchesAll(t, err, errCause, errEngineDown)
		for _, res := range handedBack(t, err, 10) {
			assert.Equal(t, 2*int(res.ID-ids[0]), res.Value)
		}
		b, _ := join(t, memory.Open(), doubled, nil)
		for i, id := range ids {
			has(t, b, id, 2*i)
		}
	})
}

// The last task in the queue goes to one of two workers that become idle: the other one
// must be fed.
func TestJoinFeedsAfterTheWriterWasSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		eng := faulty(newMemory(0), enginetest.Faults{Save: func(ctx context.Context, _ []uint64, do func(context.Context) error) error {
			<-open
			return do(ctx)
		}})
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
		accepted(t, p, 0)
		synctest.Wait() // it is being saved
		accepted(t, p, append(make([]int, 1024), 1, 2, 3)...)
		synctest.Wait()
		close(gates[1]) // its worker has a result, and waits for the writer; 3 is pulled for it
		synctest.Wait()
		id := accepted(t, p, 4)[0]
		close(gates[2])
		synctest.Wait()
		close(open)
		_, err := p.Get(atMost(t, time.Minute), id)
		assert.NoError(t, err, "a worker is idle and a task waits")
		time.Sleep(2 * time.Hour)
	})
}

// hasFailed requires that p has ended with why and says so everywhere. id is that of a task
// without a result, or 0.
func hasFailed(t *testing.T, p *pool.Pool[int, int], id store.ID, why error) {
	t.Helper()
	require.ErrorIs(t, soon(t, time.Minute, func() error { return p.Stop(t.Context()) }), why)
	require.True(t, isClosed(p.Done()))
	calls := map[string]func() error{
		"Submit":    func() error { _, err := p.Submit(t.Context(), 1); return err },
		"TrySubmit": func() error { _, err := p.TrySubmit(1); return err },
		"SubmitAll": func() error { _, err := p.SubmitAll(t.Context(), []int{1, 2}); return err },
		"Wait":      func() error { return p.Wait(t.Context()) },
	}
	if id != 0 {
		calls["Get"] = func() error { _, err := p.Get(t.Context(), id); return err }
	}
	for name, call := range calls {
		err := soon(t, time.Minute, call)
		require.ErrorIs(t, err, why, name)
		require.ErrorIs(t, err, pool.ErrClosed, name)
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
		bubble(t, name, func(t *testing.T) {
			p, _ := join(t, faulty(newMemory(0), faults), func(ctx context.Context, in int) (int, error) {
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
			waited := begin(func() error { return p.Wait(t.Context()) })
			got := begin(func() error { _, err := p.Get(t.Context(), id); return err })
			time.Sleep(2 * time.Hour)
			waiting, getting := waited.returns(t), got.returns(t)
			if name == "Ack" || name == "Extend" { // there is a result, and it may be had before
				hasFailed(t, p, 0, errNotPermitted)
			} else {
				require.ErrorIs(t, waiting, errNotPermitted)
				require.ErrorIs(t, getting, errNotPermitted)
				hasFailed(t, p, id, errNotPermitted)
			}
			if err := p.Stop(t.Context()); name == "Save" {
				assert.Equal(t, []store.Result[int]{{ID: id, Value: 1}}, handedBack(t, err, 1))
			} else {
				var unsaved *pool.UnsavedError[int]
				require.NotErrorAs(t, err, &unsaved)
			}
		})
	}
}

// What ends the engine for everybody ends the pool, whoever hears of it: here one that has no
// function, and only submits and reads.
func TestJoinEngineIsGone(t *testing.T) {
	for name, why := range map[string]error{"gone": engine.ErrGone, "closed": engine.ErrClosed} {
		for _, method := range []string{"Submit", "Get", "Wait", "Results"} {
			bubble(t, name+"/"+method, func(t *testing.T) {
				eng := faulty(newMemory(0), enginetest.Faults{})
				p, _ := join(t, eng, nil, nil)
				id := accepted(t, p, 1)[0]
				got := begin(func() error { _, err := p.Get(t.Context(), id+1000); return err })
				eng.Down(fmt.Errorf("the engine: %w: %w", engine.ErrRefused, why))
				err := map[string]func() error{
					"Submit":  func() error { _, err := p.Submit(t.Context(), 2); return err },
					"Get":     func() error { return lacks(t, p, id) },
					"Wait":    func() error { return p.Wait(t.Context()) },
					"Results": func() error { _, err := p.Results(t.Context()); return err },
				}[method]()
				require.ErrorIs(t, err, why)
				require.NotErrorIs(t, err, pool.ErrUnconfirmed)
				hasFailed(t, p, id, why)
				require.Error(t, got.returns(t))
			})
		}
	}
}

// An engine that was closed under the pool saves nothing ever again.
func TestJoinStopAfterTheEngineWasClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		gate := make(chan struct{})
		p, _ := join(t, eng, func(_ context.Context, in int) (int, error) { <-gate; return in, nil }, nil)
		accepted(t, p, 1)
		synctest.Wait()
		require.NoError(t, eng.Close())
		close(gate)
		handedBack(t, p.Stop(atMost(t, time.Hour)), 1)
	})
}

// A permission that is missing for one method only does not end the pool for the others.
func TestJoinFinalErrorOfOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := faulty(newMemory(0), enginetest.Faults{})
		p, _ := join(t, eng, doubled, nil)
		id := accepted(t, p, 1)[0]
		fail := enginetest.Fail(errNotPermitted)
		eng.SetFaults(enginetest.Faults{Push: fail, Load: fail, Wait: fail, Size: fail})
		_, err := p.Submit(t.Context(), 1)
		require.ErrorIs(t, err, errNotPermitted)
		require.ErrorIs(t, lacks(t, p, id), errNotPermitted)
		require.ErrorIs(t, p.Wait(t.Context()), errNotPermitted)
		eng.SetFaults(enginetest.Faults{})
		has(t, p, id, 2)
		require.NoError(t, p.Stop(t.Context()))
	})
}

func TestJoinStatsFailing(t *testing.T) {
	for _, method := range []string{"Pull", "Save", "Load", "Extend", "Size", "Wait"} {
		bubble(t, method, func(t *testing.T) {
			eng := faulty(newMemory(0), enginetest.Faults{})
			p, _ := join(t, eng, func(_ context.Context, in int) (int, error) {
				if method == "Extend" {
					time.Sleep(10 * time.Minute)
				}
				return in, nil
			}, &pool.Options{Workers: 1})
			synctest.Wait()
			fail := enginetest.Fail(errEngineDown)
			eng.SetFaults(map[string]enginetest.Faults{
				"Pull": {Pull: fail}, "Save": {Save: fail}, "Load": {Load: fail},
				"Extend": {Extend: fail}, "Size": {Size: fail}, "Wait": {Wait: fail},
			}[method])
			id := accepted(t, p, 1)[0]
			if method == "Wait" {
				id += 1000 // not there
			}
			waited := begin(func() error { return p.Wait(atMost(t, 5*time.Minute)) })
			got := begin(func() error { _, err := p.Get(atMost(t, 5*time.Minute), id); return err })
			accepted(t, p, 1) // Pull is called for the second
			time.Sleep(time.Minute)
			f := p.Stats().Failing
			require.ErrorIs(t, f.Err, errEngineDown)
			require.False(t, f.Since.IsZero())
			eng.SetFaults(enginetest.Faults{})
			time.Sleep(time.Minute)
			require.Zero(t, p.Stats().Failing)
			time.Sleep(time.Hour)
			_, _ = waited.returns(t), got.returns(t)
		})
	}
}

// An error at a deadline says what the engine has refused. (Over a store it is the cause alone,
// and Stats says the rest: see TestStatsFailing.)
func TestDeadlineSaysWhatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := enginetest.Fail(errEngineDown)
		memory := newMemory(0)
		p, _ := join(t, faulty(memory, enginetest.Faults{Push: fail, Load: fail, Size: fail, Save: fail}), doubled, nil)
		other, _ := join(t, memory, nil, nil)
		accepted(t, other, 1)
		for _, c := range []struct {
			name string
			call func(context.Context) error
		}{
			{"Submit", func(ctx context.Context) error { _, err := p.Submit(ctx, 3); return err }},
			{"Get", func(ctx context.Context) error { _, err := p.Get(ctx, 1); return err }},
			{"Wait", func(ctx context.Context) error { return p.Wait(ctx) }},
			{"Stop", func(ctx context.Context) error { return p.Stop(ctx) }},
		} {
			err := c.call(atMost(t, time.Minute))
			require.ErrorIs(t, err, context.DeadlineExceeded, c.name)
			require.ErrorIs(t, err, errEngineDown, c.name)
			require.ErrorContains(t, err, errEngineDown.Error(), c.name)
		}
	})
}

// How long a cancel takes with many results and an engine that is dead in some way.
func TestJoinCancelWithADeadEngine(t *testing.T) {
	for name, dead := range map[string]enginetest.Fault{
		"fails": enginetest.Fail(errEngineDown),
		"hangs": hang,
		"fails slowly": func(ctx context.Context, _ []uint64, _ func(context.Context) error) error {
			sleepUntil(ctx, 3*time.Second)
			return errEngineDown
		},
	} {
		bubble(t, name, func(t *testing.T) {
			eng := faulty(newMemory(0), enginetest.Faults{})
			p, cancel := join(t, eng, func(ctx context.Context, in int) (int, error) {
				time.Sleep(time.Millisecond)
				if in%100 == 99 {
					return interrupted(ctx, in)
				}
				return in, nil
			}, &pool.Options{Workers: 30})
			accepted(t, p, numbers(4000)...)
			time.Sleep(20 * time.Millisecond)
			eng.SetFaults(enginetest.Faults{Save: dead, Ack: dead, Nack: dead})
			time.Sleep(time.Minute)
			begun := time.Now()
			cancel(errCause)
			<-p.Done()
			assert.Less(t, time.Since(begun), 30*time.Second)
			checkStats(t, p.Stats())
		})
	}
}

// Goexit meets a result that was set aside, since the first attempt to save it failed.
// (TestBatchGoexitOfAResultSetAside is the same without an engine.)
func TestGoexitOfAResultSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var saves atomic.Int64
		p, cancel := join(t, faulty(newMemory(0), enginetest.Faults{Save: func(context.Context, []uint64, func(context.Context) error) error {
			if saves.Add(1) == 1 {
				return errEngineDown
			}
			runtime.Goexit()
			return nil
		}}), doubled, nil)
		accepted(t, p, 1)
		time.Sleep(time.Minute)
		require.Greater(t, saves.Load(), int64(1))
		cancel(errCause)
		_ = soon(t, time.Minute, func() error { return p.Stop(t.Context()) })
		<-p.Done()
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
	for range 5000 {
		ctx, cancel := context.WithCancel(context.Background())
		p, err := pool.Join(ctx, doubled, endsAtOnce{newMemory(0), cancel}, nil)
		require.NoError(t, err)
		<-p.Done()
	}
}

func TestJoinPanicNil(t *testing.T) {
	panickingNil(t, func(t *testing.T) {
		p, _ := join(t, newMemory(0), func(ctx context.Context, _ int) (int, error) { return panicsNil(ctx) }, nil)
		var panicked *pool.PanicError
		assert.ErrorAs(t, lacks(t, p, accepted(t, p, 1)[0]), &panicked)
	})
}

// nilWriter panics when it is to write something. (A MarshalJSON that does so with
// panicnil=1 is a success to package json.)
type nilWriter struct{ codec.JSON }

func (nilWriter) Marshal(any) ([]byte, error) { panic(nil) }

// A task is not written by a method that panics.
func TestSubmitPanicNil(t *testing.T) {
	panickingNil(t, func(t *testing.T) {
		p, _ := join(t, newMemory(0), doubled, &pool.Options{Codec: &codec.Options{Values: nilWriter{}}})
		_, err := p.Submit(t.Context(), 1)
		assert.ErrorContains(t, err, "pool: the task: codec: the value cannot be written as")
	})
}

// A Load that panics has found no result: the task that was delivered again is run.
func TestJoinLoadPanicsNil(t *testing.T) {
	panickingNil(t, func(t *testing.T) {
		memory := enginetest.NewMemory(&enginetest.MemoryOptions{Lease: 100 * time.Millisecond})
		id := pulled(t, memory, 21, 1)
		panics := func(context.Context, []uint64, func(context.Context) error) error { panic(nil) }
		join(t, faulty(memory, enginetest.Faults{Load: enginetest.First(1, panics)}), doubled, nil)
		reader, _ := join(t, memory, nil, nil)
		has(t, reader, id, 42)
	})
}

// exiting cannot be written, since its method ends the goroutine.
type exiting struct{}

func (exiting) MarshalJSON() ([]byte, error) { runtime.Goexit(); return nil, nil }

// unwritable is a task or a value that cannot be written as JSON.
type unwritable struct{ Panics bool }

func (u unwritable) MarshalJSON() ([]byte, error) {
	if u.Panics {
		panic(&endless{})
	}
	return nil, &endless{}
}

func (*unwritable) UnmarshalJSON([]byte) error { return nil }

// A task that cannot be written is an error of Submit, whatever becomes of its text.
func TestSubmitTextPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := joinIn[unwritable, int](t, t.Context(), newMemory(0), nil, nil)
		for _, panics := range []bool{false, true} {
			_, err := p.Submit(t.Context(), unwritable{panics})
			assert.ErrorContains(t, err, "pool: the task: codec: the value cannot be written as")
			assert.ErrorContains(t, err, "whose text cannot be had")
		}
	})
}

// A joined task runs once and has a result that says what was wrong, whatever becomes of
// its texts.
func TestJoinTextPanics(t *testing.T) {
	for name, c := range map[string]struct {
		fn func() (unwritable, error)
		is error // of the result
	}{
		"error":           {func() (unwritable, error) { return unwritable{}, &endless{} }, store.ErrRejected},
		"wrapped error":   {func() (unwritable, error) { return unwritable{}, errors.Join(errors.New("x"), &endless{}) }, store.ErrRejected},
		"panic":           {func() (unwritable, error) { panic(&endless{}) }, nil},
		"value":           {func() (unwritable, error) { return unwritable{true}, nil }, store.ErrRejected},
		"value and error": {func() (unwritable, error) { return unwritable{true}, &endless{} }, store.ErrRejected},
	} {
		bubble(t, name, func(t *testing.T) {
			var runs counted
			p := joinIn(t, t.Context(), newMemory(0), func(_ context.Context, in int) (unwritable, error) {
				runs.ran(in)
				return c.fn()
			}, nil)
			err := lacks(t, p, accepted(t, p, 1)[0])
			require.ErrorContains(t, err, "whose text cannot be had")
			if c.is != nil {
				assert.ErrorIs(t, err, c.is)
			}
			assert.NotErrorIs(t, err, pool.ErrPoisoned)
			assert.NoError(t, p.Stop(t.Context()))
			assert.Equal(t, 1, runs.times(1))
		})
	}
}

// writable can be written and not read.
type writable struct{}

func (*writable) UnmarshalJSON([]byte) error { return &endless{} }

// A value that cannot be read is an error of Get.
func TestGetTextPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := joinIn(t, t.Context(), newMemory(0), func(context.Context, int) (writable, error) { return writable{}, nil }, nil)
		assert.ErrorContains(t, lacks(t, p, accepted(t, p, 1)[0]), "whose text cannot be had")
	})
}

// A Save that panics is not for the engine to judge, whatever the panic's value: the result is replaced. An error that
// it returns is no such panic, though it wraps that of another pool.
func TestJoinEngineDoesNotJudge(t *testing.T) {
	ofAnotherPool := fmt.Errorf("the engine's own pool: %w", &pool.PanicError{Value: "boom"})
	synctest.Test(t, func(t *testing.T) {
		eng := faulty(newMemory(0), enginetest.Faults{Save: enginetest.First(1, enginetest.Fail(ofAnotherPool))})
		p, _ := join(t, eng, doubled, nil)
		has(t, p, accepted(t, p, 4)[0], 8)
		eng.SetFaults(enginetest.Faults{Save: enginetest.First(1, enginetest.Panic(errNotPermitted))})
		require.ErrorIs(t, lacks(t, p, accepted(t, p, 4)[0]), store.ErrRejected)
		require.NoError(t, p.Stop(t.Context()))
	})
}
