package pool_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// In a joined pool Cancel takes effect on what this process has taken over, whether it waits or runs, and then
// every process has the result. It takes none on what another one has, and on what nobody has taken over.
func TestJoinCancelTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(100)
		gate := make(chan struct{})
		opensAtEnd(t, gate)
		var tasks []pool.Task
		p, _ := join(t, memory.Open(), func(ctx context.Context, in int) (int, error) {
			task, _ := pool.TaskFromContext(ctx)
			tasks = append(tasks, task)
			if in < 0 {
				<-ctx.Done()
				return in, context.Cause(ctx)
			}
			<-gate
			return in, nil
		}, &pool.Options{Workers: 1, Queue: 10})
		other, _ := join(t, memory.Open(), nil, nil)

		ids := accepted(t, other, -1, -2)
		synctest.Wait()
		assert.Equal(t, ids[:1], p.Running())
		assert.False(t, other.Cancel(ids[0], errCause), "it is run by another")
		assert.False(t, p.Cancel(99, errCause))
		for i, id := range ids {
			assert.True(t, p.Cancel(id, errTask), "%d", i)
			synctest.Wait()
			assert.False(t, p.Cancel(id, errTask), "%d has ended", i)
			err := lacks(t, other, id)
			assert.EqualError(t, err, errTask.Error())
		}

		more := accepted(t, other, 1, 2, 3)
		synctest.Wait()
		assert.False(t, p.Cancel(more[2], errTask), "nobody has taken it over")
		close(gate)
		for i, id := range more {
			has(t, other, id, i+1)
		}
		require.NoError(t, p.Wait(t.Context()))
		for _, task := range tasks {
			assert.Equal(t, 1, task.Attempt)
		}
		assert.Zero(t, p.Stats().NotRun)
		assert.NoError(t, p.Stop(t.Context()))
	})
}

// A task that was taken over and waits here is not given back when it is called off: its result is saved, and it
// counts as one that was begun and ended, so that others are taken over in its place.
func TestJoinCancelWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(1000)
		gate := make(chan struct{})
		opensAtEnd(t, gate)
		slow := false
		p, _ := join(t, pulls{memory.Open(), func(ctx context.Context, limit int, pull pullFunc) ([]engine.Delivery, error) {
			return pull(ctx, limit+2) // more than can begin: so some wait
		}}, func(_ context.Context, in int) (int, error) {
			if slow {
				<-gate
			}
			return in, nil
		}, &pool.Options{Workers: 1, Queue: 4})
		slow = true
		ids := accepted(t, p, 0, 1, 2)
		synctest.Wait()
		require.Equal(t, []uint64{2, 1}, []uint64{p.Stats().Queued, p.Stats().Running})
		for _, id := range ids[1:] {
			assert.True(t, p.Cancel(id, errCause))
			synctest.Wait()
			matchesAll(t, lacks(t, p, id), pool.ErrNotRun)
			assert.ErrorContains(t, lacks(t, p, id), errCause.Error())
			assert.False(t, p.Cancel(id, errCause))
		}
		assert.Equal(t, []store.ID{ids[0]}, p.Running())
		checkStats(t, p.Stats())
		close(gate)
		has(t, p, ids[0], 0)
		for i := range 20 { // its place is free
			has(t, p, accepted(t, p, i)[0], i)
		}
		assert.EqualValues(t, 2, p.Stats().NotRun)
		checkStats(t, p.Stats())
		assert.NoError(t, p.Stop(t.Context()))
	})
}

// A task that Cancel has ended has its outcome for a result, also if the pool is cancelled then: it is not given
// back to be run again.
func TestJoinCancelIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(100)
		gate := make(chan struct{})
		p, cancel := join(t, memory.Open(), func(ctx context.Context, in int) (int, error) {
			<-ctx.Done()
			<-gate
			return in, context.Cause(ctx)
		}, &pool.Options{Workers: 1})
		other, _ := join(t, memory.Open(), nil, nil)
		id := accepted(t, other, 1)[0]
		synctest.Wait()
		assert.True(t, p.Cancel(id, errTask))
		cancel(errCause)
		synctest.Wait()
		close(gate)
		<-p.Done()
		assert.EqualError(t, lacks(t, other, id), errTask.Error())
	})
}
