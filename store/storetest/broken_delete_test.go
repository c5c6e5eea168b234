package storetest

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

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
		fault:      "ErrNotFound is only its text",
		rejectedBy: "clause=3/never-put",
		breakIt: func(b *broken) {
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				res, err := b.reference.Get(ctx, id)
				if err != nil {
					err = errors.New(err.Error())
				}
				return res, err
			}
		},
	},
	{
		fault:      "Get waits until the ID is put",
		rejectedBy: "clause=3/never-put",
		hangs:      true,
		breakIt: func(b *broken) {
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				for !b.holds(id) {
					select {
					case <-ctx.Done():
						return store.Result[int]{}, ctx.Err()
					case <-time.After(time.Millisecond):
					}
				}
				return b.reference.Get(ctx, id)
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
		fault:      "Delete of one ID in 64 deletes the next one too",
		rejectedBy: "clause=5/not-the-deleted",
		breakIt: func(b *broken) {
			b.del = func(ctx context.Context, id store.ID) error {
				err := b.reference.Delete(ctx, id)
				if id%64 == 20 {
					err = errors.Join(err, b.reference.Delete(ctx, id+1))
				}
				return err
			}
		},
	},
	{
		fault:      "IDs below those that were all deleted are taken for deleted",
		rejectedBy: "clause=4/put-again",
		breakIt: func(b *broken) {
			var below store.ID // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				var late bool
				b.locked(func() { late = res.ID < below })
				if late {
					return nil
				}
				return b.reference.Put(ctx, res)
			}
			b.del = func(ctx context.Context, id store.ID) error {
				if b.holds(id) && !b.holds(id-1) {
					b.locked(func() { below = max(below, id+1) })
				}
				return b.reference.Delete(ctx, id)
			}
		},
	},
	{
		fault:      "deleted results are cleared away late, with what was put there since",
		rejectedBy: "clause=4/many-rounds",
		breakIt: func(b *broken) {
			dead := make(map[store.ID]bool) // guarded by b.mu
			var due []store.ID              // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				b.locked(func() {
					if dead[res.ID] {
						delete(dead, res.ID)
						delete(b.m, res.ID)
					}
				})
				return b.reference.Put(ctx, res)
			}
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				var gone bool
				b.locked(func() { gone = dead[id] })
				if gone {
					return store.Result[int]{}, store.ErrNotFound
				}
				return b.reference.Get(ctx, id)
			}
			b.del = func(_ context.Context, id store.ID) error {
				b.locked(func() {
					if _, held := b.m[id]; !held {
						return
					}
					dead[id] = true
					if due = append(due, id); len(due) == 100 {
						for _, id := range due {
							delete(b.m, id)
							delete(dead, id)
						}
						due = nil
					}
				})
				return nil
			}
			b.all = func(_ context.Context, yield func(store.Result[int], error) bool) {
				var live []store.Result[int]
				b.locked(func() {
					for id, res := range b.m {
						if !dead[id] {
							live = append(live, res)
						}
					}
				})
				for _, res := range live {
					if !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "what is put again keeps the error from before",
		rejectedBy: "clause=1-5/random-operations",
		breakIt: func(b *broken) {
			errs := make(map[store.ID]error) // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				b.locked(func() {
					if res.Err == nil {
						res.Err = errs[res.ID]
					} else if _, held := b.m[res.ID]; !held {
						errs[res.ID] = res.Err
					}
				})
				return b.reference.Put(ctx, res)
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
