package storetest

import (
	"context"
	"errors"
	"maps"
	"sync"

	"github.com/resultpool/resultpool/store"
)

// brokenDeletes break the promises of clauses 3 and 4.
var brokenDeletes = []brokenStore{
	{
		fault:      "Get of an absent ID returns a zero Result",
		rejectedBy: "clause=3/never-put",
		breakIt: func(b *broken) {
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				res, _ := b.reference.Get(ctx, id)
				return res, nil
			}
		},
	},
	{
		fault:      "a cache outlives Delete",
		rejectedBy: "clause=3/deleted",
		breakIt: func(b *broken) {
			var cache sync.Map
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				if res, ok := cache.Load(id); ok {
					return res.(store.Result[int]), nil
				}
				res, err := b.reference.Get(ctx, id)
				if err == nil {
					cache.Store(id, res)
				}
				return res, err
			}
		},
	},
	{
		fault:      "Get of an absent ID finds the next lower one",
		rejectedBy: "clause=3/neighbours",
		breakIt: func(b *broken) {
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				for lower := range min(id, 16) { // far enough to be seen
					if b.holds(id - lower) {
						return b.reference.Get(ctx, id-lower)
					}
				}
				return b.reference.Get(ctx, id)
			}
		},
	},
	{
		fault:      "Delete of an absent ID is an error",
		rejectedBy: "clause=4/delete-absent",
		breakIt: func(b *broken) {
			b.del = func(ctx context.Context, id store.ID) error {
				_, err := b.Get(ctx, id)
				return errors.Join(err, b.reference.Delete(ctx, id))
			}
		},
	},
	{
		fault:      "Delete of an absent ID deletes the next higher one",
		rejectedBy: "clause=4/delete-absent",
		breakIt: func(b *broken) {
			b.del = func(ctx context.Context, id store.ID) error {
				for higher := range min(-id, 16) {
					if b.holds(id + higher) {
						id += higher
						break
					}
				}
				return b.reference.Delete(ctx, id)
			}
		},
	},
	{
		fault:      "Put after Delete says ErrExists",
		rejectedBy: "clause=4/put-again",
		breakIt: func(b *broken) {
			once := make(map[store.ID]bool) // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				var again bool
				b.locked(func() { again, once[res.ID] = once[res.ID], true })
				if again {
					return store.ErrExists
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "the hundredth Delete of an ID does nothing",
		rejectedBy: "clause=4/many-rounds",
		breakIt: func(b *broken) {
			deletes := make(map[store.ID]int) // guarded by b.mu
			b.del = func(ctx context.Context, id store.ID) error {
				var n int
				b.locked(func() { deletes[id]++; n = deletes[id] })
				if n == 100 {
					return nil
				}
				return b.reference.Delete(ctx, id)
			}
		},
	},
	{
		fault:      "a segment is given back with what was just put in it",
		rejectedBy: "clause=4/concurrent-rounds",
		breakIt: func(b *broken) {
			// giveBack drops the segment of id, and reports whether it held something.
			giveBack := func(id store.ID) (lost bool) {
				b.locked(func() {
					n := len(b.m)
					maps.DeleteFunc(b.m, func(other store.ID, _ store.Result[int]) bool { return other/1024 == id/1024 })
					lost = len(b.m) < n
				})
				return lost
			}
			b.del = func(ctx context.Context, id store.ID) error {
				err := b.reference.Delete(ctx, id)
				if b.size() == 0 {
					b.window(func() bool { return giveBack(id) })
				}
				return err
			}
		},
	},
}
