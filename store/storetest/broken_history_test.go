package storetest

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

// brokenHistories do nothing wrong as long as one call ends before the next one
// begins.
var brokenHistories = []brokenStore{
	{
		fault:      "Get reads one of two copies, which are written one after the other",
		rejectedBy: "clause=1-5/histories",
		breakIt: func(b *broken) {
			var mu sync.Mutex // of those who write
			var copied sync.Map
			var gets atomic.Int64
			b.put = func(ctx context.Context, res store.Result[int]) error {
				mu.Lock()
				defer mu.Unlock()
				if err := b.reference.Put(ctx, res); err != nil {
					return err
				}
				before := gets.Load()
				b.window(func() bool { return gets.Load() > before+1 })
				copied.Store(res.ID, res)
				return nil
			}
			b.del = func(ctx context.Context, id store.ID) error {
				mu.Lock()
				defer mu.Unlock()
				copied.Delete(id)
				return b.reference.Delete(ctx, id)
			}
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				if gets.Add(1)%2 == 0 {
					return b.reference.Get(ctx, id)
				}
				if res, held := copied.Load(id); held {
					return res.(store.Result[int]), nil
				}
				return store.Result[int]{}, store.ErrNotFound
			}
		},
	},
	{
		fault:      "a Get fills the cache which a Delete has just emptied",
		rejectedBy: "clause=1-5/histories",
		breakIt: func(b *broken) {
			var cache sync.Map
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				if res, ok := cache.Load(id); ok {
					return res.(store.Result[int]), nil
				}
				res, err := b.reference.Get(ctx, id)
				if err == nil {
					b.window(func() bool { return !b.holds(id) })
					cache.Store(id, res)
				}
				return res, err
			}
			b.del = func(ctx context.Context, id store.ID) error {
				err := b.reference.Delete(ctx, id)
				cache.Delete(id)
				return err
			}
		},
	},
	{
		fault:      "a Put that is refused shows for a moment",
		rejectedBy: "clause=1-5/histories",
		breakIt: func(b *broken) {
			var gets atomic.Int64
			b.put = func(_ context.Context, res store.Result[int]) error {
				var other store.Result[int]
				var held bool
				b.locked(func() {
					other, held = b.m[res.ID]
					b.m[res.ID] = res
				})
				if !held {
					return nil
				}
				before := gets.Load()
				b.window(func() bool { return gets.Load() > before })
				b.locked(func() { b.m[res.ID] = other })
				return store.ErrExists
			}
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				defer gets.Add(1)
				return b.reference.Get(ctx, id)
			}
		},
	},
	{
		fault:      "a result can be seen before its error is there",
		rejectedBy: "clause=1-5/histories",
		breakIt: func(b *broken) {
			var gets atomic.Int64
			b.put = func(ctx context.Context, res store.Result[int]) error {
				value := store.Result[int]{ID: res.ID, Value: res.Value}
				if err := b.reference.Put(ctx, value); err != nil || res.Err == nil {
					return err
				}
				before := gets.Load()
				b.window(func() bool { return gets.Load() > before })
				b.locked(func() {
					if held, ok := b.m[res.ID]; ok && held == value {
						b.m[res.ID] = res
					}
				})
				return nil
			}
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				defer gets.Add(1)
				return b.reference.Get(ctx, id)
			}
		},
	},
}
