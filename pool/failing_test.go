package pool_test

import (
	"context"
	"fmt"
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

// closedStore says that it is closed, from a moment on.
type closedStore struct {
	store.ResultStore[int]
	closed atomic.Bool
}

func (s *closedStore) err() error {
	if s.closed.Load() {
		return fmt.Errorf("my store: %w", store.ErrClosed)
	}
	return nil
}

func (s *closedStore) Put(ctx context.Context, res store.Result[int]) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.ResultStore.Put(ctx, res)
}

type closedBatchStore struct{ *closedStore }

func (s closedBatchStore) PutBatch(_ context.Context, res []store.Result[int]) error {
	if err := s.err(); err != nil {
		return err
	}
	return putAllOrNone(s.ResultStore, res)
}

type closedReserver struct{ *closedStore }

func (s closedReserver) ReserveIDs(_ context.Context, n uint64) (store.ID, error) {
	return 1, s.err()
}

// A store that is closed before Stop takes no result any more: Stop hands back what there is.
func TestStoreIsClosed(t *testing.T) {
	for name, wrap := range map[string]func(*closedStore) store.ResultStore[int]{
		"one by one":          func(s *closedStore) store.ResultStore[int] { return s },
		"BatchPutter":         func(s *closedStore) store.ResultStore[int] { return closedBatchStore{s} },
		"with IDs of its own": func(s *closedStore) store.ResultStore[int] { return closedReserver{s} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &closedStore{ResultStore: rwmutex.New[int]()}
				p := newPool(t, &pool.Options{Workers: 2, Queue: 10}, wrap(st))
				stored := submit(t, p, value(1))
				require.NoError(t, p.Wait(t.Context()))
				gate := make(chan struct{})
				var ids []store.ID
				for i := range 12 {
					ids = append(ids, submit(t, p, gated(gate, i)))
				}
				var last store.ID
				blocked := call(func() (err error) { last, err = p.Submit(t.Context(), value(1)); return err })
				synctest.Wait()
				st.closed.Store(true)
				close(gate)
				err := soon(t, time.Minute, func() error { return p.Stop(t.Context()) })
				require.ErrorIs(t, err, store.ErrClosed)
				var unsaved *pool.UnsavedError[int]
				require.ErrorAs(t, err, &unsaved)
				synctest.Wait()
				err, returned := blocked()
				require.True(t, returned)
				if err == nil { // there was room before the store was asked
					ids = append(ids, last)
				} else {
					require.ErrorIs(t, err, pool.ErrClosed)
				}
				var got []store.ID
				for _, res := range unsaved.Results {
					got = append(got, res.ID)
				}
				require.ElementsMatch(t, ids, got)
				<-p.Done()
				_, err = p.Submit(t.Context(), value(1))
				require.ErrorIs(t, err, pool.ErrClosed)
				require.ErrorIs(t, err, store.ErrClosed)
				require.ErrorIs(t, p.Wait(t.Context()), store.ErrClosed)
				require.ErrorIs(t, p.Stats().Failing.Err, store.ErrClosed)
				v, err := p.Get(t.Context(), stored)
				require.NoError(t, err)
				require.Equal(t, 1, v)
				_, err = p.Get(t.Context(), ids[0])
				require.ErrorAs(t, err, &unsaved)
			})
		})
	}
}

// A pool whose store was closed when there was nothing left to store has lost nothing.
func TestStoreIsClosedAfterTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &closedStore{ResultStore: rwmutex.New[int]()}
		p := newPool(t, nil, st)
		submit(t, p, value(1))
		require.NoError(t, p.Wait(t.Context()))
		st.closed.Store(true)
		require.NoError(t, p.Stop(t.Context()))
	})
}

// Failing is since the first of the attempts that go on failing, and over with a success.
func TestStatsFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newDownStore()
		p := newPool(t, &pool.Options{Workers: 2}, st)
		assert.Zero(t, p.Stats().Failing)
		begun := time.Now()
		submit(t, p, value(1))
		time.Sleep(time.Minute)
		submit(t, p, value(2))
		time.Sleep(time.Minute)
		f := p.Stats().Failing
		assert.Equal(t, begun, f.Since)
		assert.Equal(t, errDown, f.Err)
		st.down.Store(false)
		require.NoError(t, p.Wait(t.Context()))
		assert.Zero(t, p.Stats().Failing)
	})
}
