package pool_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/pool"
)

// Two deploys while eight long tasks run: nobody has died, and eight workers go on with
// all eight, and with what is new.
func TestJoinInterruptedTwiceStillRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		reader, _ := join(t, eng, nil, nil)
		_, err := reader.SubmitAll(t.Context(), numbers(8))
		require.NoError(t, err)
		long := func(ctx context.Context, in int) (int, error) {
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(time.Hour):
				return in, nil
			}
		}
		for range 2 {
			p, cancel := join(t, eng.Open(), long, &pool.Options{Workers: 8})
			time.Sleep(time.Minute)
			cancel(errors.New("deploy"))
			<-p.Done()
		}
		begun := time.Now()
		join(t, eng.Open(), long, &pool.Options{Workers: 8})
		require.NoError(t, reader.Wait(t.Context()))
		assert.Less(t, time.Since(begun), 90*time.Minute)
	})
}

// An engine that does not say which IDs the tasks have has not accepted them, as far as
// anybody can tell.
func TestJoinPushWithoutIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		eng.push = func(_ context.Context, call func() ([]uint64, error)) ([]uint64, error) {
			ids, err := call()
			return ids[:len(ids)-1], err
		}
		p, _ := join(t, eng, nil, nil)
		id, err := p.Submit(t.Context(), 1)
		assert.Error(t, err, "id %d", id)
		ids, err := p.SubmitAll(t.Context(), numbers(3))
		assert.Error(t, err, "ids %d", ids)
	})
}

// An engine that returns more than it was asked for.
func TestJoinPullTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &many{hooked{Memory: newMemory(0)}}
		p, _ := join(t, eng, func(_ context.Context, in int) (int, error) {
			time.Sleep(time.Second)
			return in, nil
		}, &pool.Options{Workers: 2, Queue: 2})
		_, err := p.SubmitAll(t.Context(), numbers(20))
		require.NoError(t, err)
		require.NoError(t, p.Wait(gives(t, time.Hour)))
	})
}

type many struct{ hooked }

func (m *many) Pull(ctx context.Context, n int) ([]engine.Delivery, error) {
	return m.Memory.Pull(ctx, n+10)
}

// The same task twice in one Pull is run once.
func TestJoinPullTwins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		eng.pull = func(_ context.Context, _ int, call func() ([]engine.Delivery, error)) ([]engine.Delivery, error) {
			ds, err := call()
			return append(ds, ds...), err
		}
		var runs counted
		p, _ := join(t, eng, runs.double, &pool.Options{Workers: 4})
		_, err := p.SubmitAll(t.Context(), numbers(100))
		require.NoError(t, err)
		require.NoError(t, p.Wait(gives(t, time.Hour)))
		for i := range 100 {
			require.Equal(t, 1, runs.times(i))
		}
		require.NoError(t, p.Stop(t.Context()))
		assert.EqualValues(t, 100, p.Stats().Succeeded)
	})
}

// A driver that has a bug in Pull: nothing and no error. The pool does not spin.
func TestJoinPullNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		var calls atomic.Int64
		eng.pull = func(context.Context, int, func() ([]engine.Delivery, error)) ([]engine.Delivery, error) {
			if calls.Add(1) > 100_000 {
				return nil, errEngineDown // or the test would not end
			}
			return nil, nil
		}
		join(t, eng, doubled, nil)
		time.Sleep(time.Minute)
		assert.Less(t, calls.Load(), int64(1000))
	})
}

// The reason that is cut is text still.
func TestJoinReasonIsCutBetweenRunes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for i := range 4 {
			p, err := pool.Join(t.Context(), func(context.Context, int) (failing, error) {
				return failing{strings.Repeat("x", i) + strings.Repeat("ü", 2000)}, nil
			}, newMemory(0), nil)
			require.NoError(t, err)
			id, err := p.Submit(t.Context(), 1)
			require.NoError(t, err)
			_, err = p.Get(t.Context(), id)
			assert.NotContains(t, err.Error(), "\uFFFD")
			assert.Equal(t, strings.ToValidUTF8(err.Error(), ""), err.Error())
			require.NoError(t, p.Stop(t.Context()))
		}
	})
}

type failing struct{ why string }

func (f failing) MarshalJSON() ([]byte, error) { return nil, errors.New(f.why) }
func (*failing) UnmarshalJSON([]byte) error    { return nil }
