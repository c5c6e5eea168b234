package pool_test

import (
	"context"
	"iter"

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
