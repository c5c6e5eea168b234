package pool_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/pool"
)

// After the cancel nothing is accepted, also if nobody has seen the cancel yet.
func TestJoinSubmitAfterCancel(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			eng := newMemory(0)
			p, cancel := join(t, eng, nil, nil)
			why := errors.New("the machine goes down")
			cancel(why)
			_, err := p.Submit(t.Context(), 1)
			require.ErrorIs(t, err, pool.ErrClosed)
			require.ErrorIs(t, err, why)
			require.NotErrorIs(t, err, pool.ErrUnconfirmed)
			n, err := eng.Size(t.Context())
			require.NoError(t, err)
			require.Zero(t, n)
		})
	}
}

// watched is a context that counts those who want to hear of its end.
type watched struct {
	context.Context
	done chan struct{}
	n    atomic.Int64
}

func (w *watched) Done() <-chan struct{} { return w.done }

func (w *watched) AfterFunc(func()) (stop func() bool) {
	w.n.Add(1)
	return func() bool { w.n.Add(-1); return true }
}

// Neither ctx nor the pool remembers a Submit that is over.
func TestJoinSubmitLeavesNothingBehind(t *testing.T) {
	p, _ := join(t, newMemory(0), nil, nil)
	ctx := &watched{Context: context.Background(), done: make(chan struct{})}
	for range 10 {
		_, err := p.Submit(ctx, 1)
		require.NoError(t, err)
	}
	assert.Zero(t, ctx.n.Load())
}

func TestJoinSubmitKeepsNoContext(t *testing.T) {
	p, _ := join(t, newMemory(0), nil, nil)
	type key struct{}
	value := func() weak.Pointer[[1024]byte] {
		v := new([1024]byte)
		_, err := p.Submit(context.WithValue(t.Context(), key{}, v), 1)
		require.NoError(t, err)
		return weak.Make(v)
	}()
	for i := 0; value.Value() != nil && i < 10; i++ {
		runtime.GC()
	}
	assert.Nil(t, value.Value(), "the pool remembers it until its end")
}

func TestJoinUnwritableOfTwoIsNamed(t *testing.T) {
	p, err := pool.Join[float64, int](t.Context(), nil, newMemory(0), nil)
	require.NoError(t, err)
	_, err = p.SubmitAll(t.Context(), []float64{1, math.NaN()})
	require.ErrorContains(t, err, "the task at index 1")
	require.NoError(t, p.Stop(t.Context()))
}

// A ctx that is done is told, also if there is nothing to submit.
func TestJoinSubmitNothing(t *testing.T) {
	p, _ := join(t, newMemory(0), nil, nil)
	ids, err := p.SubmitAll(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, ids)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	_, err = p.SubmitAll(ctx, nil)
	require.EqualError(t, err, "enough")
}

// An answer that makes no sense leaves open what was accepted.
func TestJoinPushAnswersNonsense(t *testing.T) {
	for name, answer := range map[string]func(ids []uint64) []uint64{
		"too few":  func(ids []uint64) []uint64 { return ids[:2] },
		"too many": func(ids []uint64) []uint64 { return append(ids, 1<<40) },
		"none":     func([]uint64) []uint64 { return nil },
		"a zero":   func(ids []uint64) []uint64 { ids[2] = 0; return ids },
	} {
		t.Run(name, func(t *testing.T) {
			eng := &hooked{Memory: newMemory(0)}
			eng.push = func(_ context.Context, call func() ([]uint64, error)) ([]uint64, error) {
				ids, err := call()
				return answer(ids), err
			}
			p, _ := join(t, eng, nil, nil)
			ids, err := p.SubmitAll(t.Context(), numbers(3))
			require.ErrorContains(t, err, "the engine has returned the IDs")
			require.ErrorIs(t, err, pool.ErrUnconfirmed)
			assert.Empty(t, ids)
		})
	}
}

// A full engine has accepted one task and not the one before it. Its ID cannot be
// returned, so the error says that it may be there.
func TestJoinAcceptedBehindAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		calls := 0
		eng.push = func(context.Context, func() ([]uint64, error)) ([]uint64, error) {
			if calls++; calls == 1 {
				return []uint64{0, 7}, engine.ErrFull
			}
			return []uint64{0}, engine.ErrFull
		}
		p, _ := join(t, eng, nil, nil)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
		defer cancel()
		ids, err := p.SubmitAll(ctx, numbers(2))
		require.ErrorContains(t, err, "enough")
		require.ErrorIs(t, err, pool.ErrUnconfirmed)
		assert.Empty(t, ids)
	})
}

// The queue is full for longer than the engine remembers a key, with some of a call's
// tasks in it: they are not pushed again.
func TestJoinLongFullQueueMakesNoTwins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &forgetful{Memory: newMemory(2), lost: true}
		reader, _ := join(t, eng, nil, nil)
		submitted := make(chan error, 1)
		go func() {
			ids, err := reader.SubmitAll(context.Background(), numbers(3))
			assert.Len(t, ids, 3)
			submitted <- err
		}()
		time.Sleep(time.Minute)
		var runs counted
		p, _ := join(t, eng.Open(), runs.double, nil)
		require.NoError(t, <-submitted)
		require.NoError(t, p.Wait(t.Context()))
		for i := range 3 {
			assert.Equal(t, 1, runs.times(i))
		}
	})
}

// A ctx that ends a Push is the reason, whatever the engine makes of it. A queue that is
// full is no failure.
func TestJoinPushWithFinalErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := final{&hooked{Memory: newMemory(1)}}
		p, _ := join(t, eng, nil, nil)
		_, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		why := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, why)
		defer cancel()
		begun := time.Now()
		_, err = p.Submit(ctx, 2)
		require.Equal(t, why, err)
		require.Equal(t, time.Minute, time.Since(begun))

		eng.push = func(ctx context.Context, _ func() ([]uint64, error)) ([]uint64, error) {
			<-ctx.Done()
			return nil, errEngineDown
		}
		ctx, cancel = context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		_, err = p.Submit(ctx, 2)
		require.ErrorIs(t, err, why)
		require.ErrorIs(t, err, pool.ErrUnconfirmed)
		require.NotErrorIs(t, err, errEngineDown)
	})
}

// Room in a queue that was full for long is found soon; an engine that is down is asked
// seldom.
func TestJoinPausesOfPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		bad, calls, until := engine.ErrFull, 0, time.Now().Add(time.Minute)
		eng.push = func(_ context.Context, call func() ([]uint64, error)) ([]uint64, error) {
			if calls++; time.Now().Before(until) {
				return nil, bad
			}
			return call()
		}
		p, _ := join(t, eng, nil, nil)
		_, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		assert.LessOrEqual(t, time.Since(until), 100*time.Millisecond)

		bad, calls, until = errEngineDown, 0, time.Now().Add(time.Minute)
		_, err = p.Submit(t.Context(), 1)
		require.NoError(t, err)
		assert.Less(t, calls, 80)
	})
}
