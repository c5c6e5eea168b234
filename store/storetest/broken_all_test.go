package storetest

import (
	"context"
	"io"
	"maps"
	"runtime"
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
