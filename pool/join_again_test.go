package pool_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/pool"
)

// A forgetful engine delivers each task again while it is told that the task is done, as a server that was killed and
// has forgotten its deliveries.
type forgetful struct {
	engine.Engine
	again chan engine.Delivery
	mu    sync.Mutex
	told  map[uint64]int // how often the task was acknowledged, guarded by mu
}

func (f *forgetful) Ack(ctx context.Context, ds []engine.Delivery) error {
	for _, d := range ds {
		f.mu.Lock()
		f.told[d.ID]++
		isFirst := f.told[d.ID] == 1
		f.mu.Unlock()
		if isFirst {
			f.again <- d // with Attempt 1
		}
	}
	time.Sleep(time.Second)
	return f.Engine.Ack(ctx, ds)
}

func (f *forgetful) Pull(ctx context.Context, limit int) ([]engine.Delivery, error) {
	for {
		select {
		case d := <-f.again:
			return []engine.Delivery{d}, nil
		default:
		}
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		ds, err := f.Engine.Pull(short, limit)
		cancel()
		if err == nil || ctx.Err() != nil {
			return ds, err
		}
	}
}

// A task that is delivered again between the moment at which its result is saved and the end of the pool's work with it is
// not run again beside that, and acknowledged once more. It ended the process: the pool knows a task by its ID.
func TestJoinDeliveredAgainWhileItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(100)
		eng := &forgetful{Engine: memory.Open(), again: make(chan engine.Delivery, 100), told: make(map[uint64]int)}
		var runs atomic.Int64
		p, _ := join(t, eng, func(_ context.Context, in int) (int, error) {
			runs.Add(1)
			return 2 * in, nil
		}, &pool.Options{Workers: 2})
		ids := accepted(t, p, 1, 2, 3, 4, 5)
		for i, id := range ids {
			has(t, p, id, 2*(i+1))
		}
		time.Sleep(time.Minute)
		assert.EqualValues(t, len(ids), runs.Load())
		eng.mu.Lock()
		for _, id := range ids {
			assert.Equal(t, 2, eng.told[uint64(id)])
		}
		eng.mu.Unlock()
		require.NoError(t, p.Stop(t.Context()))
		assert.EqualValues(t, len(ids), p.Stats().Succeeded)
	})
}

// TestJoinDeliveredAgainWhileItIsCancelled is the same with a task that Cancel has called off while it waited to run again.
func TestJoinDeliveredAgainWhileItIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(100)
		eng := &forgetful{Engine: memory.Open(), again: make(chan engine.Delivery, 100), told: make(map[uint64]int)}
		var runs atomic.Int64
		p, _ := join(t, eng, func(context.Context, int) (int, error) {
			runs.Add(1)
			return 0, pool.RetryAfter(24*time.Hour, errTask)
		}, &pool.Options{Workers: 1})
		id := accepted(t, p, 1)[0]
		synctest.Wait()
		assert.True(t, p.Cancel(id, errCause))
		assert.ErrorContains(t, lacks(t, p, id), errCause.Error())
		time.Sleep(3 * lease)
		eng.mu.Lock()
		assert.Equal(t, 2, eng.told[uint64(id)])
		eng.mu.Unlock()
		require.NoError(t, p.Stop(atMost(t, time.Hour)))
		assert.EqualValues(t, 1, runs.Load())
	})
}
