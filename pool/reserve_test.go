package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// exhaustedPool is a pool with a worker that has used the IDs of its first range, and
// whose store has to be asked for the next, by reserve. Its tasks wait for gate.
func exhaustedPool(t *testing.T, reserve func(context.Context, uint64) (store.ID, error)) (p taskPool, gate chan struct{}) {
	t.Helper()
	st := newReservingStore(1)
	p = newPool(t, &pool.Options{Workers: 1, Queue: 1 << 17}, st)
	gate = make(chan struct{})
	_, err := p.SubmitAll(context.Background(), slices.Repeat([]task{gated(gate, 1)}, 1<<16))
	require.NoError(t, err)
	st.reserve = reserve
	t.Cleanup(func() { // before newPool's
		select {
		case <-gate:
		default:
			close(gate)
		}
	})
	return p, gate
}

func reserveHangs(ctx context.Context, _ uint64) (store.ID, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// A submitter whose ctx ends while the store reserves IDs for it, or for another, returns
// the cause, at once.
func TestReserveEndsWithCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := exhaustedPool(t, reserveHangs)
		ctx, cancel := context.WithCancelCause(t.Context())
		other, cancelOther := context.WithCancelCause(t.Context())
		asking := call(func() error { _, err := p.Submit(ctx, value(1)); return err })
		synctest.Wait()
		queueing := call(func() error { _, err := p.Submit(other, value(1)); return err })
		synctest.Wait()
		cancelOther(io.ErrNoProgress)
		synctest.Wait()
		err, returned := queueing()
		assert.True(t, returned)
		assert.Equal(t, io.ErrNoProgress, err)
		_, returned = asking()
		assert.False(t, returned)
		cancel(io.EOF)
		synctest.Wait()
		err, returned = asking()
		assert.True(t, returned)
		assert.Equal(t, io.EOF, err)
	})
}

// After a cancel it returns ErrClosed, and the cause.
func TestReserveEndsWithErrClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := exhaustedPool(t, reserveHangs)
		asking := call(func() error { _, err := p.Submit(context.Background(), value(1)); return err })
		synctest.Wait()
		p.cancel(errCause)
		synctest.Wait()
		err, returned := asking()
		assert.True(t, returned)
		assert.ErrorIs(t, err, pool.ErrClosed)
		assert.ErrorIs(t, err, errCause)
	})
}

// Who waits for IDs is woken by Resize(0), also if there are workers again a moment later.
func TestReserveEndsWithErrNoWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := exhaustedPool(t, reserveHangs)
		asking := call(func() error { _, err := p.Submit(context.Background(), value(1)); return err })
		synctest.Wait()
		require.NoError(t, p.Resize(0))
		require.NoError(t, p.Resize(1))
		synctest.Wait()
		err, returned := asking()
		assert.True(t, returned)
		assert.Equal(t, pool.ErrNoWorkers, err)
	})
}

// A submitter that gives up while another reserves leaves nothing behind.
func TestWaitingForReserverLeavesNothing(t *testing.T) {
	type key struct{}
	type thing struct{ _ [64]byte }
	p, _ := exhaustedPool(t, reserveHangs)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	asking := make(chan struct{})
	go func() {
		defer close(asking)
		_, err := p.Submit(ctx, value(1))
		assert.Error(t, err)
	}()
	giveUp := func() weak.Pointer[thing] {
		v := new(thing)
		ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), key{}, v), 20*time.Millisecond)
		defer cancel()
		_, err := p.Submit(ctx, value(1))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		return weak.Make(v)
	}
	v := giveUp()
	assert.Eventually(t, func() bool { runtime.GC(); return v.Value() == nil }, 3*time.Second, time.Millisecond,
		"the submitter's context is still reachable")
	cancel()
	<-asking
}

// Submitters that need IDs, others that wait for room, and Resize do not disturb each
// other. (For the race detector.)
func TestReserveRacesResize(t *testing.T) {
	st := newReservingStore(1)
	p := newPool(t, &pool.Options{Workers: 1, Queue: 1}, st)
	st.reserve = func(context.Context, uint64) (store.ID, error) { return 0, errDown }
	many := slices.Repeat([]task{value(1)}, 1<<16+1)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 50 {
				_, err := p.SubmitAll(context.Background(), many)
				assert.Error(t, err)
			}
		})
	}
	wg.Go(func() {
		for range 300 {
			if _, err := p.SubmitAll(context.Background(), many[:3]); err != nil {
				assert.True(t, errors.Is(err, pool.ErrNoWorkers) || errors.Is(err, pool.ErrClosed), "%v", err)
			}
		}
	})
	wg.Go(func() {
		for range 300 {
			assert.NoError(t, p.Resize(0))
			assert.NoError(t, p.Resize(1))
			runtime.Gosched()
		}
		assert.NoError(t, p.Stop(context.Background()))
	})
	wg.Go(func() {
		for range 300 {
			_ = p.Resize(1)
			runtime.Gosched()
		}
	})
	wg.Wait()
}

// Resize says why the pool is closed while that changes. (For the race detector.)
func TestResizeRacesCancel(t *testing.T) {
	for range 20 {
		st := &hookStore{}
		hold := make(chan struct{})
		st.put = func(context.Context, store.Result[int]) error { <-hold; return nil }
		st.get = func(context.Context, store.ID) (store.Result[int], error) {
			return store.Result[int]{}, store.ErrNotFound
		}
		p := newPool(t, &pool.Options{Workers: 1, Queue: 10}, st)
		gate, started := make(chan struct{}), make(chan struct{})
		submit(t, p, func(context.Context) (int, error) { close(started); <-gate; return 1, nil })
		<-started
		submit(t, p, value(2))
		require.NoError(t, p.Resize(0))
		_ = p.Stop(doneContext()) // what waits is not run, for want of workers
		var wg sync.WaitGroup
		wg.Go(func() { p.cancel(errCause) })
		for range 2 {
			wg.Go(func() {
				for {
					err := p.Resize(1)
					assert.ErrorIs(t, err, pool.ErrClosed)
					if errors.Is(err, errCause) {
						return
					}
				}
			})
		}
		wg.Wait()
		close(gate)
		close(hold)
		<-p.Done()
	}
}

// All errors are noted, however many come at once.
func TestMapFailuresRace(t *testing.T) {
	const n = 20_000
	_, err := pool.Map(t.Context(), make([]int, n), func(context.Context, int) (int, error) { return 0, errTask },
		&pool.Options{Workers: 4})
	errs := err.(interface{ Unwrap() []error }).Unwrap()
	require.Len(t, errs, n)
	for i, err := range errs {
		require.EqualError(t, err, fmt.Sprintf("pool: input %d: %v", i, errTask))
	}
}
