package storetest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/resultpool/resultpool/store"
)

// brokenOffers break the promises of the optional interfaces.
var brokenOffers = []brokenStore{
	{
		fault:      "PutBatch drops the last result",
		rejectedBy: "BatchPutter/equals-puts",
		breakIt: func(b *broken) {
			b.putBatch = func(ctx context.Context, res []store.Result[int]) error {
				return b.reference.PutBatch(ctx, res[:max(0, len(res)-1)])
			}
		},
	},
	{
		fault:      "PutBatch stores what comes before a held ID",
		rejectedBy: "BatchPutter/all-or-none",
		breakIt: func(b *broken) {
			b.putBatch = func(ctx context.Context, res []store.Result[int]) error {
				for _, one := range res {
					if err := b.Put(ctx, one); err != nil {
						return err
					}
				}
				return nil
			}
		},
	},
	{
		fault:      "PutBatch overwrites within the batch",
		rejectedBy: "BatchPutter/same-id-twice",
		breakIt: func(b *broken) {
			b.putBatch = func(_ context.Context, res []store.Result[int]) error {
				b.mu.Lock()
				defer b.mu.Unlock()
				for _, one := range res {
					if _, held := b.m[one.ID]; held {
						return store.ErrExists
					}
				}
				maps.Copy(b.m, byID(res))
				return nil
			}
		},
	},
	{
		fault:      "PutBatch keeps the slice",
		rejectedBy: "BatchPutter/does-not-keep",
		breakIt: func(b *broken) {
			var kept [][]store.Result[int] // guarded by b.mu
			b.putBatch = func(_ context.Context, res []store.Result[int]) error {
				b.locked(func() { kept = append(kept, res) })
				return nil
			}
			b.get = func(ctx context.Context, id store.ID) (held store.Result[int], err error) {
				found := false
				b.locked(func() {
					for _, res := range kept {
						for _, one := range res {
							if one.ID == id {
								held, found = one, true
							}
						}
					}
				})
				if found {
					return held, nil
				}
				return b.reference.Get(ctx, id)
			}
		},
	},
	{
		fault:      "PutBatch sorts the slice",
		rejectedBy: "BatchPutter/does-not-change",
		breakIt: func(b *broken) {
			b.putBatch = func(ctx context.Context, res []store.Result[int]) error {
				slices.SortFunc(res, func(x, y store.Result[int]) int { return cmp.Compare(x.ID, y.ID) })
				return b.reference.PutBatch(ctx, res)
			}
		},
	},
	{
		fault:      "PutBatch looks and then stores",
		rejectedBy: "BatchPutter/one-winner",
		breakIt: func(b *broken) {
			b.putBatch = func(_ context.Context, res []store.Result[int]) error {
				for _, one := range res {
					if b.holds(one.ID) {
						return store.ErrExists
					}
				}
				b.window(func() bool { return b.holds(res[len(res)-1].ID) })
				b.locked(func() { maps.Copy(b.m, byID(res)) })
				return nil
			}
		},
	},
	{
		fault:      "PutBatch has a lock of its own, which Put does not take",
		rejectedBy: "BatchPutter/one-winner",
		breakIt: func(b *broken) {
			var mu sync.Mutex
			b.putBatch = func(_ context.Context, res []store.Result[int]) error {
				mu.Lock()
				defer mu.Unlock()
				coming := byID(res)
				for id := range coming {
					if b.holds(id) {
						return store.ErrExists
					}
				}
				if len(coming) < len(res) {
					return store.ErrExists
				}
				b.window(func() bool { return len(res) > 0 && b.holds(res[len(res)-1].ID) })
				b.locked(func() { maps.Copy(b.m, coming) })
				return nil
			}
		},
	},
	{
		fault:      "PutBatch drops errors",
		rejectedBy: "BatchPutter/equals-puts",
		breakIt: func(b *broken) {
			b.putBatch = func(ctx context.Context, res []store.Result[int]) error {
				plain := slices.Clone(res)
				for i := range plain {
					plain[i].Err = nil
				}
				return b.reference.PutBatch(ctx, plain)
			}
		},
	},
	{
		fault:      "PutBatch with a done context stores half",
		rejectedBy: "BatchPutter/done-context",
		breakIt: func(b *broken) {
			b.putBatch = func(ctx context.Context, res []store.Result[int]) error {
				if err := b.reference.PutBatch(ctx, res[:len(res)/2]); err != nil || ctx.Err() != nil {
					return errors.Join(err, ctx.Err())
				}
				return b.reference.PutBatch(ctx, res[len(res)/2:])
			}
		},
	},
	{
		fault:      "the first ID is 0",
		rejectedBy: "IDReserver/increasing",
		breakIt: func(b *broken) {
			b.reserve = func(ctx context.Context, n uint64) (store.ID, error) {
				first, err := b.reference.ReserveIDs(ctx, n)
				return first - 1, err
			}
		},
	},
	{
		fault:      "each call reserves one ID",
		rejectedBy: "IDReserver/increasing",
		breakIt: func(b *broken) {
			b.reserve = func(ctx context.Context, _ uint64) (store.ID, error) {
				return b.reference.ReserveIDs(ctx, 1)
			}
		},
	},
	{
		fault:      "ReserveIDs counts in 32 bits",
		rejectedBy: "IDReserver/increasing",
		breakIt: func(b *broken) {
			b.reserve = func(_ context.Context, n uint64) (first store.ID, err error) {
				b.locked(func() {
					first = b.last + 1
					b.last = store.ID(uint32(b.last) + uint32(n))
				})
				return first, nil
			}
		},
	},
	{
		fault:      "ReserveIDs begins again after the last ID",
		rejectedBy: "IDReserver/runs-out",
		breakIt: func(b *broken) {
			b.reserve = func(_ context.Context, n uint64) (first store.ID, err error) {
				b.locked(func() {
					first = b.last + 1
					b.last += store.ID(n)
				})
				return first, nil
			}
		},
	},
	{
		fault:      "ReserveIDs looks and then adds",
		rejectedBy: "IDReserver/concurrent",
		breakIt: func(b *broken) {
			b.reserve = func(_ context.Context, n uint64) (first store.ID, err error) {
				b.locked(func() { first = b.last + 1 })
				b.window(func() (shows bool) {
					b.locked(func() { shows = b.last >= first })
					return shows
				})
				b.locked(func() { b.last = max(b.last, first+store.ID(n)-1) })
				return first, nil
			}
		},
	},
	{
		fault:      "ReserveIDs with a done context returns an error of its own",
		rejectedBy: "IDReserver/done-context",
		breakIt: func(b *broken) {
			b.reserve = func(ctx context.Context, n uint64) (store.ID, error) {
				if ctx.Err() != nil {
					return 0, errors.New("interrupted")
				}
				return b.reference.ReserveIDs(ctx, n)
			}
		},
	},
}
