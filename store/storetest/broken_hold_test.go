package storetest

import (
	"context"
	"errors"
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/resultpool/resultpool/store"
)

// brokenHolds break the promises of the other clauses, and of several at once.
var brokenHolds = []brokenStore{
	{
		fault:      "the oldest is evicted beyond ten thousand",
		rejectedBy: "clause=7/no-eviction",
		breakIt: func(b *broken) {
			var order []store.ID // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				err := b.reference.Put(ctx, res)
				b.locked(func() {
					if order = append(order, res.ID); len(order) > 10_000 {
						delete(b.m, order[0])
						order = order[1:]
					}
				})
				return err
			}
		},
	},
	{
		fault:      "who was not read for long is evicted beyond forty thousand",
		rejectedBy: "clause=7/no-eviction",
		breakIt: func(b *broken) {
			var order []store.ID           // as they were used last; guarded by b.mu
			last := make(map[store.ID]int) // where in it an ID was last; guarded by b.mu
			use := func(id store.ID) {
				order = append(order, id)
				last[id] = len(order)
			}
			next := 0 // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				err := b.reference.Put(ctx, res)
				b.locked(func() {
					for use(res.ID); len(b.m) > 40_000; next++ {
						if id := order[next]; last[id] == next+1 {
							delete(b.m, id)
						}
					}
				})
				return err
			}
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				b.locked(func() { use(id) })
				return b.reference.Get(ctx, id)
			}
		},
	},
	{
		fault:      "the oldest is evicted beyond a hundred thousand",
		rejectedBy: "clause=7/no-eviction",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				err := b.reference.Put(ctx, res)
				b.locked(func() {
					if len(b.m) > 100_000 {
						delete(b.m, res.ID-100_000)
					}
				})
				return err
			}
		},
	},
	{
		fault:      "the index of Get forgets beyond a hundred and twenty thousand",
		rejectedBy: "clause=7/no-eviction",
		breakIt: func(b *broken) {
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				if b.size() > 120_000 && id < 50 {
					return store.Result[int]{}, store.ErrNotFound
				}
				return b.reference.Get(ctx, id)
			}
		},
	},
	{
		fault:      "Put remembers the last hundred thousand IDs",
		rejectedBy: "clause=7/no-eviction",
		breakIt: func(b *broken) {
			var last store.ID // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				overwrites := false
				b.locked(func() {
					last = max(last, res.ID)
					_, held := b.m[res.ID]
					if overwrites = held && res.ID+100_000 < last; overwrites {
						b.m[res.ID] = res
					}
				})
				if overwrites {
					return nil
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "beyond a hundred thousand, what was deleted first comes back",
		rejectedBy: "clause=7/no-eviction",
		breakIt: func(b *broken) {
			var deleted []store.Result[int] // guarded by b.mu
			b.del = func(ctx context.Context, id store.ID) error {
				b.locked(func() {
					if res, held := b.m[id]; held {
						deleted = append(deleted, res)
					}
					if len(deleted) > 100_000 {
						b.m[deleted[0].ID] = deleted[0]
						deleted = deleted[1:]
					}
				})
				return b.reference.Delete(ctx, id)
			}
		},
	},
	{
		fault:      "results are held by weak pointers",
		rejectedBy: "clause=7/survives-collection",
		breakIt: func(b *broken) {
			weakly := make(map[store.ID]weak.Pointer[store.Result[int]]) // guarded by b.mu
			b.put = func(_ context.Context, res store.Result[int]) error {
				b.locked(func() { weakly[res.ID] = weak.Make(&res) })
				return nil
			}
			b.get = func(_ context.Context, id store.ID) (res store.Result[int], err error) {
				b.locked(func() {
					if p := weakly[id].Value(); p != nil {
						res = *p
					} else {
						err = store.ErrNotFound
					}
				})
				return res, err
			}
		},
	},
	{
		fault:      "IDs have 32 bits",
		rejectedBy: "clause=8/boundaries",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				res.ID = store.ID(uint32(res.ID))
				return b.reference.Put(ctx, res)
			}
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				res, err := b.reference.Get(ctx, store.ID(uint32(id)))
				res.ID = id
				return res, err
			}
		},
	},
	{
		fault:      "IDs go through a float64",
		rejectedBy: "clause=8/boundaries",
		breakIt: func(b *broken) {
			near := func(id store.ID) store.ID {
				if id > math.MaxInt64 { // a conversion back could be out of range
					return id
				}
				return store.ID(float64(id))
			}
			b.put = func(ctx context.Context, res store.Result[int]) error {
				res.ID = near(res.ID)
				return b.reference.Put(ctx, res)
			}
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				res, err := b.reference.Get(ctx, near(id))
				res.ID = id
				return res, err
			}
			b.del = func(ctx context.Context, id store.ID) error { return b.reference.Delete(ctx, near(id)) }
		},
	},
	{
		fault:      "a segment's number has 32 bits",
		rejectedBy: "clause=8/boundaries",
		breakIt: func(b *broken) {
			short := func(id store.ID) store.ID { return store.ID(uint32(id>>10))<<10 | id%1024 }
			b.put = func(ctx context.Context, res store.Result[int]) error {
				res.ID = short(res.ID)
				return b.reference.Put(ctx, res)
			}
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				res, err := b.reference.Get(ctx, short(id))
				res.ID = id
				return res, err
			}
			b.del = func(ctx context.Context, id store.ID) error { return b.reference.Delete(ctx, short(id)) }
		},
	},
	{
		fault:      "All ends before the largest ID",
		rejectedBy: "clause=8/boundaries",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res := range b.reference.All(ctx) {
					if res.ID < math.MaxUint64 && !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "Put looks and then stores, but only from 2^63 on",
		rejectedBy: "clause=8/concurrent-boundaries",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				if res.ID >= 1<<63 {
					return b.lookThenStore(ctx, res)
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "IDs above the largest int64 panic",
		rejectedBy: "clause=8/boundaries",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				if int64(res.ID) < 0 {
					panic("negative ID")
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "Put with a done context stores and returns an error",
		rejectedBy: "clause=9/put-with-done-context",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				if err := b.reference.Put(ctx, res); err != nil {
					return err
				}
				return ctx.Err()
			}
		},
	},
	{
		fault:      "Get with a done context returns an error of its own",
		rejectedBy: "clause=9/get-with-done-context",
		breakIt: func(b *broken) {
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				if ctx.Err() != nil {
					return store.Result[int]{}, errors.New("interrupted")
				}
				return b.reference.Get(ctx, id)
			}
		},
	},
	{
		fault:      "Delete with a done context deletes and returns an error",
		rejectedBy: "clause=9/delete-with-done-context",
		breakIt: func(b *broken) {
			b.del = func(ctx context.Context, id store.ID) error {
				return errors.Join(b.reference.Delete(ctx, id), context.Cause(ctx))
			}
		},
	},
	{
		fault:      "All with a done context yields nothing",
		rejectedBy: "clause=9/all-with-done-context",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				if ctx.Err() == nil {
					b.reference.All(ctx)(yield)
				}
			}
		},
	},
	{
		fault:      "All blames a result for a context that is done",
		rejectedBy: "clause=9/all-with-done-context",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res, err := range b.reference.All(ctx) {
					if ctx.Err() != nil {
						yield(store.Result[int]{ID: res.ID}, ctx.Err())
						return
					}
					if !yield(res, err) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "All goes on after the error of a context that is done",
		rejectedBy: "clause=9/all-with-done-context",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res, err := range b.reference.All(ctx) {
					if ctx.Err() != nil && !yield(store.Result[int]{}, ctx.Err()) || !yield(res, err) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "a context that is done breaks the connection for good",
		rejectedBy: "clause=9/get-with-done-context",
		breakIt: func(b *broken) {
			var lost atomic.Bool
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				if ctx.Err() != nil {
					lost.Store(true)
					return store.Result[int]{}, ctx.Err()
				}
				if lost.Load() {
					return store.Result[int]{}, errors.New("connection lost")
				}
				return b.reference.Get(ctx, id)
			}
		},
	},
	{
		fault:      "All ends without a word when the context is cancelled",
		rejectedBy: "clause=9/cancel-in-body",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res, err := range b.reference.All(ctx) {
					if !yield(res, err) || ctx.Err() != nil {
						return
					}
				}
			}
		},
	},
	{
		fault:      "all stores are one",
		rejectedBy: "clause=10/two-stores",
		breakIt:    func(b *broken) { b.reference = sharedByAll },
	},
	{
		fault:      "stores share what is above 2^40",
		rejectedBy: "clause=10/two-stores",
		breakIt: func(b *broken) {
			of := func(id store.ID) *reference {
				if id > 1<<40 {
					return farSharedByAll
				}
				return b.reference
			}
			b.put = func(ctx context.Context, res store.Result[int]) error { return of(res.ID).Put(ctx, res) }
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) { return of(id).Get(ctx, id) }
			b.del = func(ctx context.Context, id store.ID) error { return of(id).Delete(ctx, id) }
		},
	},
	{
		fault:      "all stores encode into one buffer",
		rejectedBy: "clause=10/two-stores-at-once",
		breakIt: func(b *broken) {
			var mu sync.Mutex // of this store
			b.put = func(ctx context.Context, res store.Result[int]) error {
				mu.Lock()
				defer mu.Unlock()
				bufferSharedByAll.Store(int64(res.Value))
				b.window(func() bool { return bufferSharedByAll.Load() != int64(res.Value) })
				res.Value = int(bufferSharedByAll.Load())
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "the third Put of an ID brings the first result back",
		rejectedBy: "clause=1-5/random-operations",
		breakIt: func(b *broken) {
			puts := make(map[store.ID][]store.Result[int]) // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				err := b.reference.Put(ctx, res)
				b.locked(func() {
					if err == nil {
						puts[res.ID] = append(puts[res.ID], res)
					}
					if past := puts[res.ID]; len(past) == 3 {
						b.m[res.ID] = past[0]
					}
				})
				return err
			}
		},
	},
	{
		fault:      "growing loses what is put meanwhile",
		rejectedBy: "clause=1-7/concurrent-growth",
		breakIt: func(b *broken) {
			room := 256 // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				var bigger map[store.ID]store.Result[int]
				b.locked(func() {
					if len(b.m) >= room {
						room += 256
						bigger = maps.Clone(b.m)
					}
				})
				if bigger != nil {
					b.window(func() (shows bool) {
						b.locked(func() { shows = len(b.m) > len(bigger) })
						return shows
					})
					b.locked(func() { b.m = bigger })
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
}

// The faults of some of the stores above.
var (
	sharedByAll       = newReference()
	farSharedByAll    = newReference()
	bufferSharedByAll atomic.Int64
)
