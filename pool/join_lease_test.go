package pool_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
)

// sleepFor is a function of a pool whose tasks are seconds.
func (c *counted) sleepFor(ctx context.Context, in int) (int, error) {
	c.ran(in)
	time.Sleep(time.Duration(in) * time.Second)
	return 2 * in, nil
}

const tenLeases = int(10 * lease / time.Second)

// An engine hears of a task three times in each lease, no matter how short it is.
func TestJoinExtendsThreeTimesInALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		var calls atomic.Int64
		eng.extend = func(_ context.Context, call func() error) error { calls.Add(1); return call() }
		var runs counted
		p, _ := join(t, eng, runs.sleepFor, &pool.Options{Workers: 1})
		_, err := p.Submit(t.Context(), tenLeases)
		require.NoError(t, err)
		require.NoError(t, p.Wait(t.Context()))
		assert.InDelta(t, 30, calls.Load(), 1)
	})
}

// Leases are extended also after a time in which nothing was held.
func TestJoinExtendsAfterItWasIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		var runs counted
		p, _ := join(t, eng, runs.sleepFor, &pool.Options{Workers: 1})
		_, err := p.Submit(t.Context(), 0)
		require.NoError(t, err)
		require.NoError(t, p.Wait(t.Context()))
		time.Sleep(lease)
		_, err = p.Submit(t.Context(), tenLeases)
		require.NoError(t, err)
		synctest.Wait()
		join(t, eng.Open(), runs.sleepFor, nil)
		require.NoError(t, p.Wait(t.Context()))
		assert.Equal(t, 1, runs.times(tenLeases))
	})
}

// Stop waits for a task that runs, and nobody else runs it meanwhile.
func TestJoinExtendsWhileItStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		var runs counted
		p, _ := join(t, eng, runs.sleepFor, &pool.Options{Workers: 1})
		_, err := p.Submit(t.Context(), tenLeases)
		require.NoError(t, err)
		synctest.Wait()
		join(t, eng.Open(), runs.sleepFor, nil)
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 1, runs.times(tenLeases))
	})
}

// An Extend that fails or hangs is made again before the lease has ended.
func TestJoinExtendIsTriedAgain(t *testing.T) {
	for name, bad := range map[string]func(ctx context.Context) error{
		"fails":  func(context.Context) error { return errEngineDown },
		"hangs":  func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"panics": func(context.Context) error { panic("a bug of the driver") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eng := &hooked{Memory: newMemory(0)}
				var calls atomic.Int64
				eng.extend = func(ctx context.Context, call func() error) error {
					if calls.Add(1)%2 == 1 {
						return bad(ctx)
					}
					return call()
				}
				var runs counted
				p, _ := join(t, eng, runs.sleepFor, &pool.Options{Workers: 1})
				_, err := p.Submit(t.Context(), tenLeases)
				require.NoError(t, err)
				synctest.Wait()
				join(t, eng.Open(), runs.sleepFor, nil)
				require.NoError(t, p.Wait(t.Context()))
				assert.Equal(t, 1, runs.times(tenLeases))
			})
		})
	}
}

// What was delivered again while it runs here is extended by its last delivery: the first
// one counts no more.
func TestJoinExtendsTheLastDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		var up atomic.Bool
		eng.extend = func(_ context.Context, call func() error) error {
			if !up.Load() {
				return errEngineDown
			}
			return call()
		}
		var runs counted
		p, _ := join(t, eng, runs.sleepFor, &pool.Options{Workers: 2})
		_, err := p.Submit(t.Context(), tenLeases)
		require.NoError(t, err)
		time.Sleep(lease + time.Second) // it is delivered again
		up.Store(true)
		join(t, eng.Open(), runs.sleepFor, nil)
		require.NoError(t, p.Wait(t.Context()))
		assert.Equal(t, 1, runs.times(tenLeases))
	})
}

// An Extend under way does not hold up the end of the pool, which waits for its return.
func TestJoinStopEndsExtend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		var inside atomic.Bool
		eng.extend = func(ctx context.Context, _ func() error) error {
			inside.Store(true)
			<-ctx.Done()
			time.Sleep(time.Second)
			inside.Store(false)
			return ctx.Err()
		}
		var runs counted
		p, _ := join(t, eng, runs.sleepFor, &pool.Options{Workers: 1})
		_, err := p.Submit(t.Context(), 12)
		require.NoError(t, err)
		time.Sleep(11 * time.Second)
		require.True(t, inside.Load())
		begun := time.Now()
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 2*time.Second, time.Since(begun), "one for the task, and one for the engine")
		assert.False(t, inside.Load(), "the engine may be closed after Stop")
	})
}

// An engine is not bothered while nothing is held.
func TestJoinExtendsNothingWhileIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		var calls atomic.Int64
		eng.extend = func(_ context.Context, call func() error) error { calls.Add(1); return call() }
		join(t, eng, doubled, nil)
		time.Sleep(10 * lease)
		assert.Zero(t, calls.Load())
	})
}
