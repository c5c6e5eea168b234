package pool_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// An engine that cannot wait is asked often for a result that is not there yet, and seldom
// while it is down.
func TestJoinPausesOfGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		var down atomic.Bool
		var calls atomic.Int64
		eng.load = func(_ context.Context, call func() ([]byte, error)) ([]byte, error) {
			if calls.Add(1); down.Load() {
				return nil, errEngineDown
			}
			return call()
		}
		p, _ := join(t, bare{eng}, func(_ context.Context, in int) (int, error) {
			time.Sleep(time.Minute)
			return in, nil
		}, nil)
		begun := time.Now()
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		_, err = p.Get(t.Context(), id)
		require.NoError(t, err)
		assert.LessOrEqual(t, time.Since(begun), time.Minute+100*time.Millisecond)

		down.Store(true)
		calls.Store(0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = p.Get(ctx, id)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Less(t, calls.Load(), int64(80))
		assert.Greater(t, calls.Load(), int64(50))
	})
}

// The same of Wait.
func TestJoinPausesOfWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		var down atomic.Bool
		var calls atomic.Int64
		eng.size = func(_ context.Context, call func() (uint64, error)) (uint64, error) {
			if calls.Add(1); down.Load() {
				return 0, errEngineDown
			}
			return call()
		}
		p, _ := join(t, eng, func(_ context.Context, in int) (int, error) {
			time.Sleep(time.Minute)
			return in, nil
		}, nil)
		begun := time.Now()
		_, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		require.NoError(t, p.Wait(t.Context()))
		assert.GreaterOrEqual(t, time.Since(begun), time.Minute)
		assert.LessOrEqual(t, time.Since(begun), time.Minute+100*time.Millisecond)

		down.Store(true)
		calls.Store(0)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("enough"))
		defer cancel()
		require.EqualError(t, p.Wait(ctx), "enough: the engine is down")
		assert.Less(t, calls.Load(), int64(80))
		assert.Greater(t, calls.Load(), int64(50))
	})
}

// Errors that are for good are returned at once, unless it is ctx that has ended the call.
func TestJoinReadingWithFinalErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := final{&hooked{Memory: newMemory(0)}}
		p, _ := join(t, eng, doubled, nil)
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		v, err := p.Get(t.Context(), id)
		require.NoError(t, err, "that it is not there yet is not for good")
		require.Equal(t, 2, v)

		eng.load = func(context.Context, func() ([]byte, error)) ([]byte, error) { return nil, errEngineDown }
		eng.size = func(context.Context, func() (uint64, error)) (uint64, error) { return 0, errEngineDown }
		_, err = p.Get(gives(t, time.Minute), id)
		require.ErrorIs(t, err, errEngineDown)
		require.ErrorContains(t, err, "pool: task ")
		err = p.Wait(gives(t, time.Minute))
		require.ErrorIs(t, err, errEngineDown)
		require.ErrorContains(t, err, "pool: Wait: ")

		why := errors.New("enough")
		eng.load = func(ctx context.Context, _ func() ([]byte, error)) ([]byte, error) {
			<-ctx.Done()
			return nil, errEngineDown
		}
		eng.size = func(ctx context.Context, _ func() (uint64, error)) (uint64, error) {
			<-ctx.Done()
			return 0, errEngineDown
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		_, err = p.Get(ctx, id)
		require.Equal(t, why, err)
		ctx, cancel = context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		require.Equal(t, why, p.Wait(ctx))
		eng.load, eng.size = nil, nil
	})
}

// A record that is no result is an error of Get and of Results, and not a zero value.
func TestJoinUnreadableRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		p, _ := join(t, eng, nil, nil)
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		require.NoError(t, eng.Save(t.Context(), []engine.Record{{ID: uint64(id), Data: []byte("junk")}}))
		_, err = p.Get(t.Context(), id)
		require.ErrorContains(t, err, "pool: codec: ")
		_, err = p.Results(t.Context())
		require.Error(t, err)
	})
}

// badWait is an engine whose Wait fails at first.
type badWait struct {
	*hooked
	calls *atomic.Int64
}

func (b badWait) Wait(ctx context.Context, id uint64) ([]byte, error) {
	if b.calls.Add(1) == 1 {
		return nil, errEngineDown
	}
	return b.Memory.Wait(ctx, id)
}

// A hiccup of the engine does not end a Get, be it in its Load or in its Wait, and inside
// a task, too.
func TestJoinGetGoesOnAfterAHiccup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := badWait{&hooked{Memory: newMemory(0)}, new(atomic.Int64)}
		var fail atomic.Bool
		eng.load = func(_ context.Context, call func() ([]byte, error)) ([]byte, error) {
			if fail.CompareAndSwap(true, false) {
				return nil, errEngineDown
			}
			return call()
		}
		var p *pool.Pool[int, int]
		var first atomic.Uint64
		p, _ = join(t, eng, func(ctx context.Context, in int) (int, error) {
			if in == 1 {
				time.Sleep(time.Minute)
				return 7, nil
			}
			fail.Store(true)
			return p.Get(ctx, store.ID(first.Load()))
		}, &pool.Options{Workers: 1})
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		first.Store(uint64(id))
		v, err := p.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, 7, v)
		require.EqualValues(t, 2, eng.calls.Load())
		id, err = p.Submit(t.Context(), 2)
		require.NoError(t, err)
		v, err = p.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 7, v)
	})
}
