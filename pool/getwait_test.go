package pool_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// A nil context is an error before anything is asked.
func TestGetNilContextAsksNothing(t *testing.T) {
	st := &hookStore{ResultStore: rwmutex.New[int]()}
	st.get = func(context.Context, store.ID) (store.Result[int], error) { panic("the store was asked") }
	p := newPool(t, nil, st)
	_, err := p.Get(nil, 1) //nolint:staticcheck // that is what is tested
	assert.Error(t, err)
}

// Only an ID that is not found is waited for: an error of the store is returned at
// once, also while the task runs.
func TestGetReturnsStoreErrorAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		p, _, running, _, _ := busyPool(t, st)
		asked := 0
		st.get = func(context.Context, store.ID) (store.Result[int], error) {
			asked++
			return store.Result[int]{}, errDown
		}
		got := call(func() error { _, err := p.Get(t.Context(), running); return err })
		synctest.Wait()
		err, returned := got()
		assert.True(t, returned)
		assert.Equal(t, errDown, err)
		assert.Equal(t, 1, asked)
	})
}

// A Get that was there before the store refused the result has it all the same.
func TestGetWaitsForWhatIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		st.put = func(context.Context, store.Result[int]) error { return store.ErrRejected }
		p, gate, running, _, _ := busyPool(t, st)
		v := 0
		got := call(func() (err error) { v, err = p.Get(t.Context(), running); return err })
		synctest.Wait()
		close(gate)
		synctest.Wait()
		err, returned := got()
		assert.True(t, returned)
		var unsaved *pool.UnsavedError[int]
		assert.ErrorAs(t, err, &unsaved)
		assert.ErrorIs(t, err, store.ErrRejected)
		assert.Equal(t, 1, v)
	})
}

// An idle worker holds no task: one that it has run, and whose result was deleted, is
// not found.
func TestIdleWorkerHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 2})
		for _, in := range []task{value(1), func(context.Context) (int, error) { return 0, errTask }} {
			id := submit(t, p, in)
			synctest.Wait()
			require.NoError(t, p.st.Delete(t.Context(), id))
			got := call(func() error { _, err := p.Get(context.Background(), id); return err })
			synctest.Wait()
			err, returned := got()
			assert.True(t, returned)
			assert.Equal(t, store.ErrNotFound, err)
		}
	})
}

// Wait waits for all that run, not for the next to end.
func TestWaitWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 2, Queue: 5})
		gates := []chan struct{}{make(chan struct{}), make(chan struct{}), make(chan struct{})}
		for i, gate := range gates {
			submit(t, p, gated(gate, i))
		}
		synctest.Wait()
		wait := call(func() error { return p.Wait(context.Background()) })
		for _, gate := range gates {
			synctest.Wait()
			_, returned := wait()
			assert.False(t, returned)
			close(gate)
		}
		synctest.Wait()
		err, returned := wait()
		assert.True(t, returned)
		assert.NoError(t, err)
	})
}

// Results that are given up can be had while others are. (For the race detector.)
func TestGetRacesGivenUp(t *testing.T) {
	st := &hookStore{ResultStore: rwmutex.New[int]()}
	st.put = func(context.Context, store.Result[int]) error { return store.ErrRejected }
	p := newPool(t, &pool.Options{Workers: 2, Queue: 10}, st)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := range 300 {
				id, err := p.Submit(context.Background(), value(i))
				assert.NoError(t, err)
				v, err := p.Get(context.Background(), id)
				assert.Equal(t, i, v)
				assert.ErrorIs(t, err, store.ErrRejected)
			}
		})
	}
	wg.Wait()
	var unsaved *pool.UnsavedError[int]
	require.ErrorAs(t, p.Stop(t.Context()), &unsaved)
	assert.Len(t, unsaved.Results, 900)
}

// Inside a task there is room, or there is none, while others wait for it. (For the race
// detector.)
func TestSubmitInTaskRaces(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 3, Queue: 3})
	inTask := func(ctx context.Context) (int, error) {
		for range 50 {
			if ids, err := p.SubmitAll(ctx, []task{value(1), value(2)}); err != nil {
				assert.Equal(t, pool.ErrQueueFull, err)
				assert.Less(t, len(ids), 2)
			}
			if _, err := p.TrySubmit(value(3)); err != nil {
				assert.Equal(t, pool.ErrQueueFull, err)
			}
		}
		return 0, nil
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 10 {
				_, err := p.SubmitAll(context.Background(), []task{inTask, value(1), value(1), value(1), value(1)})
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	assert.NoError(t, p.Wait(t.Context()))
	assert.NoError(t, p.Stop(t.Context()))
}
