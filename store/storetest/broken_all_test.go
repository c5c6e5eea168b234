package storetest

import (
	"context"
	"io"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

// brokenLoops break the promises of clauses 5 and 6.
var brokenLoops = []brokenStore{
	{
		fault:      "All repeats one in a thousand",
		rejectedBy: "clause=5/exactly-once",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res := range b.reference.All(ctx) {
					if !yield(res, nil) || res.ID%1000 == 0 && !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "All skips one in a thousand",
		rejectedBy: "clause=5/exactly-once",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res := range b.reference.All(ctx) {
					if res.ID%1000 != 0 && !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "All ends with an error that is not one",
		rejectedBy: "clause=5/exactly-once",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res := range b.reference.All(ctx) {
					if !yield(res, nil) {
						return
					}
				}
				yield(store.Result[int]{}, io.EOF)
			}
		},
	},
	{
		fault:      "All yields what was deleted",
		rejectedBy: "clause=5/not-the-deleted",
		breakIt: func(b *broken) {
			log := make(map[store.ID]store.Result[int]) // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				err := b.reference.Put(ctx, res)
				if err == nil {
					b.locked(func() { log[res.ID] = res })
				}
				return err
			}
			b.all = func(_ context.Context, yield func(store.Result[int], error) bool) {
				var logged map[store.ID]store.Result[int]
				b.locked(func() { logged = maps.Clone(log) })
				for _, res := range logged {
					if !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "All reads pages by their offset",
		rejectedBy: "clause=5/changes-in-body",
		breakIt:    func(b *broken) { b.all = b.pagesByOffset },
	},
	{
		fault:      "All begins again when the store has grown",
		rejectedBy: "clause=5/changes-in-body",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				ids := b.sortedIDs()
				size := len(ids)
				for i := 0; i < len(ids); i++ {
					if res, err := b.Get(ctx, ids[i]); err == nil && !yield(res, nil) {
						return
					}
					if i%500 != 499 {
						continue
					}
					if now := b.sortedIDs(); len(now) > size+size/10 {
						ids, size, i = now, len(now), -1
					}
				}
			}
		},
	},
	{
		fault:      "All reads pages by their offset, at the same time as others",
		rejectedBy: "clause=5/concurrent-changes",
		breakIt:    func(b *broken) { b.all = b.pagesByOffset },
	},
	{
		fault:      "All holds the mutex while the body runs",
		rejectedBy: "clause=6/calls-in-body",
		hangs:      true,
		breakIt: func(b *broken) {
			b.all = func(_ context.Context, yield func(store.Result[int], error) bool) {
				b.mu.Lock()
				defer b.mu.Unlock()
				for _, res := range b.m {
					if !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "All holds a read lock while the body runs",
		rejectedBy: "clause=6/body-waits-for-others",
		hangs:      true,
		breakIt: func(b *broken) {
			var rw sync.RWMutex
			b.put = func(ctx context.Context, res store.Result[int]) error {
				rw.Lock()
				defer rw.Unlock()
				return b.reference.Put(ctx, res)
			}
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				rw.RLock()
				defer rw.RUnlock()
				b.reference.All(ctx)(yield)
			}
		},
	},
	{
		fault:      "All counts along a list that shrinks",
		rejectedBy: "clause=6/delete-as-read",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				ids := b.sortedIDs()
				for i := 0; i < len(ids); i++ {
					if res, err := b.Get(ctx, ids[i]); err == nil && !yield(res, nil) {
						return
					}
					if b.size() != len(ids) {
						ids = b.sortedIDs()
					}
				}
			}
		},
	},
	{
		fault:      "all loops share one cursor",
		rejectedBy: "clause=6/nested-loops",
		breakIt: func(b *broken) {
			var cursor atomic.Int64
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				ids := b.sortedIDs()
				for cursor.Store(0); int(cursor.Load()) < len(ids); cursor.Add(1) {
					res, err := b.Get(ctx, ids[min(int(cursor.Load()), len(ids)-1)])
					if err == nil && !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "All goes on after a break",
		rejectedBy: "clause=6/break",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res := range b.reference.All(ctx) {
					yield(res, nil)
				}
			}
		},
	},
	{
		fault:      "All swallows a panic of the body",
		rejectedBy: "clause=6/panic",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				defer func() { _ = recover() }()
				b.reference.All(ctx)(yield)
			}
		},
	},
	{
		fault:      "deletes are put off until the end of a loop, and forgotten if it is left",
		rejectedBy: "clause=6/left-while-others-write",
		breakIt: func(b *broken) {
			loops := 0                     // guarded by b.mu
			off := make(map[store.ID]bool) // guarded by b.mu
			visible := func(id store.ID) (yes bool) {
				b.locked(func() { yes = !off[id] })
				return yes
			}
			b.put = func(ctx context.Context, res store.Result[int]) error {
				b.locked(func() {
					if off[res.ID] {
						delete(off, res.ID)
						delete(b.m, res.ID)
					}
				})
				return b.reference.Put(ctx, res)
			}
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				if !visible(id) {
					return store.Result[int]{}, store.ErrNotFound
				}
				return b.reference.Get(ctx, id)
			}
			b.del = func(_ context.Context, id store.ID) error {
				b.locked(func() {
					if _, held := b.m[id]; held && loops > 0 {
						off[id] = true
					} else {
						delete(b.m, id)
					}
				})
				return nil
			}
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				whole := false
				b.locked(func() { loops++ })
				defer b.locked(func() {
					for id := range off {
						if whole {
							delete(b.m, id)
						}
						delete(off, id)
					}
					loops--
				})
				for res := range b.reference.All(ctx) {
					if visible(res.ID) && !yield(res, nil) {
						return
					}
				}
				whole = true
			}
		},
	},
	{
		fault:      "a result is moved to a free place in front of a loop that is under way",
		rejectedBy: "clause=4-6/sweep-while-putting",
		breakIt: func(b *broken) {
			// All walks along an array. A Put that finds it full makes it half as long,
			// whatever loops have come to.
			var places []store.ID // 0 where there is room; guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				err := b.reference.Put(ctx, res)
				if err == nil {
					b.locked(func() {
						if len(places) >= 16+len(b.m)+len(b.m)/4 {
							places = slices.DeleteFunc(places, func(id store.ID) bool { return id == 0 })
						}
						places = append(places, res.ID)
					})
				}
				return err
			}
			b.del = func(ctx context.Context, id store.ID) error {
				b.locked(func() {
					if i := slices.Index(places, id); i >= 0 {
						places[i] = 0
					}
				})
				return b.reference.Delete(ctx, id)
			}
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for i := 0; ; i++ {
					var id store.ID
					end := false
					b.locked(func() {
						if end = i >= len(places); !end {
							id = places[i]
						}
					})
					if end {
						return
					}
					if res, err := b.Get(ctx, id); err == nil && !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "a panic of the body leaks one of three connections",
		rejectedBy: "clause=6/panic",
		hangs:      true,
		breakIt: func(b *broken) {
			connections := make(chan struct{}, 3)
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				connections <- struct{}{}
				b.reference.All(ctx)(yield)
				<-connections
			}
		},
	},
}

// pagesByOffset is an All like "ORDER BY id LIMIT 100 OFFSET n".
func (b *broken) pagesByOffset(ctx context.Context, yield func(store.Result[int], error) bool) {
	ids := b.sortedIDs()
	for offset := 0; offset < len(ids); offset += 100 {
		for _, id := range ids[offset:min(offset+100, len(ids))] {
			if res, err := b.Get(ctx, id); err == nil && !yield(res, nil) {
				return
			}
		}
		runtime.Gosched()
		if b.size() != len(ids) { // else they are most likely the same
			ids = b.sortedIDs()
		}
	}
}
