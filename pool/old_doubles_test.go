package pool_test

import (
	"context"
	"iter"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// hookStore is a store whose methods can be replaced.
type hookStore struct {
	store.ResultStore[int]
	put func(context.Context, store.Result[int]) error
	get func(context.Context, store.ID) (store.Result[int], error)
	all func(context.Context) iter.Seq2[store.Result[int], error]
}

func (s *hookStore) Put(ctx context.Context, res store.Result[int]) error {
	if s.put != nil {
		return s.put(ctx, res)
	}
	return s.ResultStore.Put(ctx, res)
}

func (s *hookStore) Get(ctx context.Context, id store.ID) (store.Result[int], error) {
	if s.get != nil {
		return s.get(ctx, id)
	}
	return s.ResultStore.Get(ctx, id)
}

func (s *hookStore) All(ctx context.Context) iter.Seq2[store.Result[int], error] {
	if s.all != nil {
		return s.all(ctx)
	}
	return s.ResultStore.All(ctx)
}

type batchStore struct {
	*hookStore
	putBatch func(context.Context, []store.Result[int]) error
}

func (s *batchStore) PutBatch(ctx context.Context, res []store.Result[int]) error {
	return s.putBatch(ctx, res)
}
func putAll(st store.ResultStore[int], res []store.Result[int]) {
	for _, r := range res {
		_ = st.Put(context.Background(), r)
	}
}

// A pool keeps no result that is saved.
func TestBatchKeepsNothing(t *testing.T) {
	type big struct{ p *[4]int } // too large to share its memory with another
	freed := make(chan struct{}, 50)
	p, err := pool.New(t.Context(), func(context.Context, int) (big, error) {
		v := new([4]int)
		runtime.AddCleanup(v, func(c chan struct{}) { c <- struct{}{} }, freed)
		return big{v}, nil
	}, &forgetfulStore[big]{}, &pool.Options{Workers: 2})
	require.NoError(t, err)
	for i := range 50 {
		_, err := p.Submit(t.Context(), i)
		require.NoError(t, err)
	}
	require.NoError(t, p.Wait(t.Context()))
	assert.Eventually(t, func() bool { runtime.GC(); return len(freed) == 50 }, 5*time.Second, time.Millisecond)
	require.NoError(t, p.Stop(t.Context()))
}

// forgetfulStore is a BatchPutter that keeps nothing.
type forgetfulStore[R any] struct{ store.ResultStore[R] }

func (*forgetfulStore[R]) Put(context.Context, store.Result[R]) error { return nil }

func (*forgetfulStore[R]) PutBatch(context.Context, []store.Result[R]) error { return nil }

// A result that is stored is not kept until the last one of its batch is.
func TestBatchStoredAreFreed(t *testing.T) {
	type big struct{ p *[8]int } // too large to share memory with another
	const n = 64
	freed := make(chan struct{}, n)
	gate := make(chan struct{})
	st := &lastFailsStore[big]{gate: gate, last: n}
	ctx, cancel := context.WithCancel(t.Context())
	p, err := pool.New(ctx, func(_ context.Context, i int) (big, error) {
		v := new([8]int)
		if i != n-1 {
			runtime.AddCleanup(v, func(c chan struct{}) { c <- struct{}{} }, freed)
		}
		return big{v}, nil
	}, st, &pool.Options{Workers: 1})
	require.NoError(t, err)
	for i := range n {
		_, err := p.Submit(t.Context(), i)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return p.Stats().Running == n }, 5*time.Second, time.Millisecond)
	close(gate)
	require.Eventually(t, func() bool { return p.Stats().Succeeded == n-1 }, 10*time.Second, time.Millisecond)
	assert.Eventually(t, func() bool { runtime.GC(); return len(freed) == n-1 }, 2*time.Second, time.Millisecond,
		"of those that are stored, only some are free")
	t.Log("freed", len(freed), "of", n-1)
	cancel()
	<-p.Done()
}

// lastFailsStore keeps nothing, and fails for one ID.
type lastFailsStore[R any] struct {
	store.ResultStore[R]
	gate <-chan struct{}
	last store.ID
}

func (s *lastFailsStore[R]) Put(ctx context.Context, res store.Result[R]) error {
	return s.PutBatch(ctx, []store.Result[R]{res})
}

func (s *lastFailsStore[R]) PutBatch(_ context.Context, res []store.Result[R]) error {
	<-s.gate
	for _, r := range res {
		if r.ID == s.last {
			return errDown
		}
	}
	return nil
}

type reservingStore = reserver

func newReservingStore(first store.ID) *reservingStore { return newReserver(first, 0) }
