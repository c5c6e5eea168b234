package pool_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/pool"
)

// withGaps submits the numbers below n. Those that divide by three are held by another
// process.
func withGaps(t *testing.T, eng *enginetest.Memory, n int) {
	t.Helper()
	reader, _ := join(t, eng, nil, nil)
	_, err := reader.SubmitAll(t.Context(), numbers(n))
	require.NoError(t, err)
	other := eng.Open()
	ds, err := other.Pull(t.Context(), n)
	require.NoError(t, err)
	require.Len(t, ds, n)
	var back []engine.Delivery
	for i, d := range ds {
		if i%3 != 0 {
			back = append(back, d)
		}
	}
	require.NoError(t, other.Nack(t.Context(), back))
}

// IDs that other processes have are not those of tasks that wait here, whose IDs need not
// ascend: Stop gives back the right ones, all of them, and at once.
func TestJoinStopGivesBackAmongGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		withGaps(t, eng.Memory, 300)
		pulls, stuck := 0, make(chan struct{})
		eng.pull = func(ctx context.Context, _ int, _ pullCall) ([]engine.Delivery, error) {
			if pulls == 18 {
				<-stuck // more comes while the second of two in a row is the next to run
			}
			ds, err := eng.Memory.Pull(ctx, 4)
			pulls++
			switch {
			case len(ds) < 4:
			case pulls%4 == 1:
				ds[1], ds[2] = ds[2], ds[1]
			case pulls%4 == 3:
				ds[0], ds[1] = ds[1], ds[0]
			}
			return ds, err
		}
		gate := make(chan struct{})
		open := sync.OnceFunc(func() { close(gate) })
		defer open()
		var runs counted
		const first = 106 // of two in a row, in a Pull that is in order
		a, _ := join(t, eng, func(ctx context.Context, in int) (int, error) {
			if in == first {
				close(stuck)
			}
			if in >= first {
				<-gate
			}
			time.Sleep(time.Millisecond)
			return runs.double(ctx, in)
		}, &pool.Options{Workers: 1, Queue: 64})
		time.Sleep(time.Second)
		require.EqualValues(t, 70, a.Stats().Succeeded)
		require.Greater(t, a.Stats().Queued, uint64(16), "there is something to give back")
		stopped := make(chan error, 1)
		go func() { stopped <- a.Stop(gives(t, time.Hour)) }()
		synctest.Wait()

		b, _ := join(t, eng.Open(), runs.double, &pool.Options{Workers: 1})
		time.Sleep(time.Second)
		assert.EqualValues(t, 200-70-1, b.Stats().Succeeded)
		open()
		require.NoError(t, <-stopped)
		require.NoError(t, b.Wait(t.Context()))
		for i := range 300 {
			assert.Equal(t, 1, runs.times(i))
		}
	})
}

// What is known of IDs is forgotten with their tasks.
func TestJoinForgetsIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		withGaps(t, eng, 300)
		p, _ := join(t, eng.Open(), doubled, &pool.Options{Workers: 1})
		time.Sleep(time.Second)
		require.EqualValues(t, 200, p.Stats().Succeeded)
		assert.Less(t, p.IDBlocks(), 5)
	})
}

// An engine that hangs holds up the end of the pool once, and not for each task that is
// given back.
func TestJoinHangingNackIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		var calls atomic.Int64
		eng.nack = func(ctx context.Context, _ func() error) error {
			calls.Add(1)
			<-ctx.Done()
			return ctx.Err()
		}
		p, cancel := join(t, eng, func(ctx context.Context, in int) (int, error) {
			<-ctx.Done()
			time.Sleep(time.Duration(in) * 10 * time.Second)
			return 0, ctx.Err()
		}, &pool.Options{Workers: 3})
		_, err := p.SubmitAll(t.Context(), numbers(3))
		require.NoError(t, err)
		synctest.Wait()
		begun := time.Now()
		cancel(errors.New("the machine goes down"))
		<-p.Done()
		assert.Equal(t, 20*time.Second, time.Since(begun))
		assert.EqualValues(t, 1, calls.Load())
	})
}
