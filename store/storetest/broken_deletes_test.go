package storetest

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/resultpool/resultpool/store"
)

// brokenBatchDeletes break the promises of store.BatchDeleter.
var brokenBatchDeletes = []brokenStore{
	{"DeleteBatch deletes no more than 1000", "BatchDeleter/equals-deletes", withDelBatch(
		func(ctx context.Context, b *broken, ids []store.ID) error {
			return b.reference.DeleteBatch(ctx, ids[:min(len(ids), 1000)])
		},
	)},
	{"DeleteBatch deletes the range from the first ID to the last", "BatchDeleter/equals-deletes", withDelBatch(
		func(_ context.Context, b *broken, ids []store.ID) error {
			if len(ids) > 1 {
				low, high := slices.Min(ids), slices.Max(ids)
				b.locked(func() {
					maps.DeleteFunc(b.m, func(id store.ID, _ store.Result[int]) bool { return low <= id && id <= high })
				})
				return nil
			}
			return b.reference.DeleteBatch(context.Background(), ids)
		},
	)},
	{"DeleteBatch sorts the slice", "BatchDeleter/equals-deletes", withDelBatch(
		func(ctx context.Context, b *broken, ids []store.ID) error {
			slices.Sort(ids)
			return b.reference.DeleteBatch(ctx, ids)
		},
	)},
	{"DeleteBatch says which ID is not held", "BatchDeleter/equals-deletes BatchDeleter/absent", withDelBatch(
		func(ctx context.Context, b *broken, ids []store.ID) error {
			for _, id := range ids {
				if !b.holds(id) {
					return store.ErrNotFound
				}
				_ = b.reference.Delete(ctx, id)
			}
			return nil
		},
	)},
	{"DeleteBatch reads 32 bits of an ID", "BatchDeleter/absent", withDelBatch(
		func(ctx context.Context, b *broken, ids []store.ID) error {
			for _, id := range ids {
				_ = b.reference.Delete(ctx, store.ID(uint32(id)))
			}
			return b.reference.DeleteBatch(ctx, ids)
		},
	)},
	{"DeleteBatch keeps the slice and deletes once more with the next call", "BatchDeleter/does-not-keep", func(b *broken) {
		var last []store.ID // guarded by other
		b.delBatch = func(ctx context.Context, b *broken, ids []store.ID) error {
			b.other.Lock()
			defer b.other.Unlock()
			_ = b.reference.DeleteBatch(ctx, last)
			last = ids
			return b.reference.DeleteBatch(ctx, ids)
		}
	}},
	{"DeleteBatch puts another map in the place of the one that it has read", "BatchDeleter/at-once", withDelBatch(
		func(_ context.Context, b *broken, ids []store.ID) error {
			var rest map[store.ID]store.Result[int]
			b.locked(func() { rest = maps.Clone(b.m) })
			before := len(rest)
			b.window(func() bool { return b.size() > before })
			for _, id := range ids {
				delete(rest, id)
			}
			b.locked(func() { b.m = rest })
			return nil
		},
	)},
	{"DeleteBatch of more than 512 with a done context deletes a part", "BatchDeleter/done-context", withDelBatch(
		func(ctx context.Context, b *broken, ids []store.ID) error {
			if len(ids) > 512 && ctx.Err() != nil {
				return errors.Join(b.reference.DeleteBatch(ctx, ids[:512]), ctx.Err())
			}
			return b.reference.DeleteBatch(ctx, ids)
		},
	)},
}
