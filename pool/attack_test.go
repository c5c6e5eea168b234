package pool_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// A result that is given up, since another attempt has called Goexit, is no trouble any more.
func TestFailingAfterGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var puts atomic.Int64
		st := &hookStore{ResultStore: rwmutex.New[int](), put: func(context.Context, store.Result[int]) error {
			if puts.Add(1) == 1 {
				return errDown
			}
			runtime.Goexit()
			return nil
		}}
		p := newPool(t, nil, st)
		submit(t, p, value(1))
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, uint64(1), p.Stats().Unsaved)
		require.Zero(t, p.Stats().Failing)
	})
}

// halfStore returns bytes beside the error of each Encode.
type halfStore struct{ *recordStore }

func (halfStore) Encode(store.Result[[]byte]) ([]byte, error) {
	return []byte("half"), store.ErrRejected
}

// What Encode returns beside an error is nothing.
func TestEncodeReturnsBytesBesideAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := halfStore{&recordStore{Store: rwmutex.New[[]byte]()}}
		p, err := pool.New(t.Context(), func(context.Context, int) ([]byte, error) { return []byte("whole"), nil }, st, nil)
		require.NoError(t, err)
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		require.NoError(t, p.Stop(t.Context())) // Put needs no Encode here
		v, err := p.Get(t.Context(), id)
		require.ErrorIs(t, err, store.ErrRejected)
		require.Empty(t, v)
	})
}

// Get has what was not stored also when the store, being closed, cannot be asked.
func TestGetFromClosedStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &closedStore{ResultStore: rwmutex.New[int]()}
		st := &hookStore{ResultStore: inner}
		st.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
			if err := inner.err(); err != nil {
				return store.Result[int]{}, err
			}
			return inner.Get(ctx, id)
		}
		p := newPool(t, nil, st)
		stored := submit(t, p, value(1))
		require.NoError(t, p.Wait(t.Context()))
		inner.closed.Store(true)
		unsaved := submit(t, p, value(7))
		require.ErrorIs(t, p.Stop(t.Context()), store.ErrClosed)
		v, err := p.Get(t.Context(), unsaved)
		var u *pool.UnsavedError[int]
		require.ErrorAs(t, err, &u)
		require.Equal(t, 7, v)
		_, err = p.Get(t.Context(), stored)
		require.ErrorIs(t, err, store.ErrClosed)
		require.ErrorIs(t, err, pool.ErrClosed)
	})
}

// What has ended the pool is what fails, whatever has failed for longer.
func TestFailingForGoodComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hangs atomic.Bool
		release := make(chan struct{})
		st := &hookStore{ResultStore: rwmutex.New[int](), put: func(_ context.Context, res store.Result[int]) error {
			if res.ID > 1 {
				return store.ErrClosed
			}
			if hangs.Load() {
				<-release
			}
			return errDown
		}}
		p := newPool(t, &pool.Options{Workers: 2}, st)
		submit(t, p, value(1))
		time.Sleep(time.Minute)
		require.Equal(t, errDown, p.Stats().Failing.Err)
		hangs.Store(true)
		time.Sleep(time.Minute)
		submit(t, p, value(2))
		synctest.Wait()
		assert.ErrorIs(t, p.Stats().Failing.Err, store.ErrClosed)
		close(release)
		require.ErrorIs(t, p.Stop(t.Context()), store.ErrClosed)
		assert.ErrorIs(t, p.Stats().Failing.Err, store.ErrClosed)
	})
}

// Submit says what has ended the pool, also when its context has ended later.
func TestFailureThenCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &closedStore{ResultStore: rwmutex.New[int]()}
		st.closed.Store(true)
		p := newPool(t, nil, st)
		submit(t, p, value(1))
		synctest.Wait()
		p.cancel(errors.New("deferred"))
		_, err := p.Submit(t.Context(), value(1))
		require.ErrorIs(t, err, pool.ErrClosed)
		require.ErrorIs(t, err, store.ErrClosed)
	})
}

// A result for which there is no room among others is not overtaken by all that are smaller.
func TestLargeResultAmongSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, large = 600, 9 << 20
		st := &recordStore{Store: rwmutex.New[[]byte](), took: time.Second}
		p, err := pool.New(t.Context(), func(_ context.Context, size int) ([]byte, error) { return make([]byte, size), nil },
			st, &pool.Options{Workers: workers, Queue: 100 * workers})
		require.NoError(t, err)
		small := make([]int, 40*workers)
		_, err = p.SubmitAll(t.Context(), small)
		require.NoError(t, err)
		id, err := p.Submit(t.Context(), large)
		require.NoError(t, err)
		_, err = p.SubmitAll(t.Context(), small)
		require.NoError(t, err)
		_, err = p.Get(t.Context(), id)
		require.NoError(t, err)
		batches := st.batches.Load()
		require.NoError(t, p.Stop(t.Context()))
		require.Greater(t, st.batches.Load(), batches+20, "it was among the last")
	})
}
