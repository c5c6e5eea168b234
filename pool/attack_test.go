package pool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

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
