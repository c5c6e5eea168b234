package pool_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// The contexts that reserving has made are over with the call: nothing of them stays
// with the pool or with the submitter's own context.
func TestReservingLeavesNothing(t *testing.T) {
	checkGoroutines(t)
	type key struct{}
	type thing struct{ _ [64]byte }
	st := newReservingStore(1)
	p := newPool(t, &pool.Options{Workers: 1, Queue: 1 << 17}, st)
	_, err := p.SubmitAll(t.Context(), slices.Repeat([]task{value(1)}, 1<<16))
	require.NoError(t, err)
	good := st.reserve
	submitWith := func() weak.Pointer[thing] {
		v := new(thing)
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, v))
		defer cancel()
		var given context.Context
		st.reserve = func(ctx context.Context, n uint64) (store.ID, error) { given = ctx; return good(ctx, n) }
		_, err := p.Submit(ctx, value(1))
		require.NoError(t, err)
		assert.Error(t, given.Err(), "the context that ReserveIDs was given")
		return weak.Make(v)
	}
	v := submitWith()
	st.reserve = nil
	assert.Eventually(t, func() bool { runtime.GC(); return v.Value() == nil }, 3*time.Second, time.Millisecond,
		"the submitter's context is still reachable")
	runtime.KeepAlive(p)
}

// Resize to another number of workers does not make Stop miss those who reserve.
func TestStopWakesReserverAfterResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newReservingStore(1)
		p := newPool(t, &pool.Options{Workers: 1, Queue: 1 << 17}, st)
		gate := make(chan struct{})
		defer close(gate)
		_, err := p.SubmitAll(t.Context(), slices.Repeat([]task{gated(gate, 1)}, 1<<16))
		require.NoError(t, err)
		st.reserve = func(ctx context.Context, _ uint64) (store.ID, error) { <-ctx.Done(); return 0, ctx.Err() }
		submitted := call(func() error { _, err := p.Submit(context.Background(), value(1)); return err })
		synctest.Wait()
		require.NoError(t, p.Resize(2))
		_ = p.Stop(doneContext())
		synctest.Wait()
		err, returned := submitted()
		assert.True(t, returned)
		assert.Equal(t, pool.ErrClosed, err)
	})
}

// Stop wakes a submitter that waits for the store to reserve IDs at once, also while
// Stop itself waits for a task.
func TestStopWakesReserverWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newReservingStore(1)
		p := newPool(t, &pool.Options{Workers: 1, Queue: 1 << 17}, st)
		gate := make(chan struct{})
		tasks := slices.Repeat([]task{gated(gate, 1)}, 1<<16)
		_, err := p.SubmitAll(t.Context(), tasks)
		require.NoError(t, err)
		st.reserve = func(ctx context.Context, _ uint64) (store.ID, error) { <-ctx.Done(); return 0, ctx.Err() }
		submitted := call(func() error { _, err := p.Submit(context.Background(), value(1)); return err })
		synctest.Wait()
		stopped := call(func() error { return p.Stop(context.Background()) })
		synctest.Wait()
		err, returned := submitted()
		assert.True(t, returned)
		assert.Equal(t, pool.ErrClosed, err)
		_, returned = stopped()
		assert.False(t, returned)
		close(gate)
		synctest.Wait()
		err, _ = stopped()
		assert.NoError(t, err)
	})
}

// A store may go on reserving after the cancel, while the tasks that were not run are
// settled: what it reserves is not needed, and disturbs nobody.
func TestReserveEndsAfterCancel(t *testing.T) {
	for range 2 {
		st := newReservingStore(1)
		p := newPool(t, &pool.Options{Workers: 1, Queue: 1 << 17}, st)
		gate := make(chan struct{})
		const n = 1 << 16
		_, err := p.SubmitAll(t.Context(), append([]task{gated(gate, 1)}, slices.Repeat([]task{value(1)}, n-1)...))
		require.NoError(t, err)
		good, asked := st.reserve, make(chan struct{})
		st.reserve = func(ctx context.Context, n uint64) (store.ID, error) {
			close(asked)
			<-ctx.Done()
			return good(ctx, n)
		}
		submitted := call(func() error { _, err := p.Submit(context.Background(), value(1)); return err })
		<-asked
		p.cancel(errCause)
		close(gate)
		assert.Equal(t, errCause, p.Stop(t.Context()))
		require.Equal(t, n, holds(t, p))
		for {
			if err, returned := submitted(); returned {
				assert.ErrorIs(t, err, pool.ErrClosed)
				break
			}
			runtime.Gosched()
		}
	}
}
