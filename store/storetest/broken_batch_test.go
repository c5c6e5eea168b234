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

// brokenBatches break the promises of store.BatchPutter.
var brokenBatches = []brokenStore{
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
		fault:      "PutBatch writes parts of 512",
		rejectedBy: "BatchPutter/all-or-none",
		breakIt:    func(b *broken) { b.putBatch = b.inParts(512) },
	},
	{
		fault:      "PutBatch writes parts of 1000",
		rejectedBy: "BatchPutter/all-or-none",
		breakIt:    func(b *broken) { b.putBatch = b.inParts(1000) },
	},
	{
		fault:      "PutBatch looks for an ID twice in parts of 512",
		rejectedBy: "BatchPutter/same-id-twice",
		breakIt: func(b *broken) {
			b.putBatch = func(ctx context.Context, res []store.Result[int]) error {
				for part := range slices.Chunk(res, 512) {
					if len(byID(part)) < len(part) {
						return store.ErrExists
					}
				}
				for _, one := range res {
					if b.holds(one.ID) {
						return store.ErrExists
					}
				}
				b.locked(func() { maps.Copy(b.m, byID(res)) })
				return nil
			}
		},
	},
	{
		fault:      "PutBatch keeps the part of the slice beyond 512",
		rejectedBy: "BatchPutter/does-not-keep",
		breakIt: func(b *broken) {
			var late []store.Result[int] // guarded by b.mu
			b.putBatch = func(ctx context.Context, res []store.Result[int]) error {
				n := min(512, len(res))
				b.locked(func() { late = append(late[:0:0], late...) })
				if err := b.reference.PutBatch(ctx, res[:n]); err != nil {
					return err
				}
				b.locked(func() {
					if n < len(res) {
						late = res[n:]
					}
				})
				return nil
			}
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				var rest []store.Result[int]
				b.locked(func() { rest, late = late, nil })
				_ = b.reference.PutBatch(ctx, rest)
				return b.reference.Get(ctx, id)
			}
		},
	},
	{
		fault:      "PutBatch of more than 512 with a done context stores a part",
		rejectedBy: "BatchPutter/done-context",
		breakIt: func(b *broken) {
			b.putBatch = func(ctx context.Context, res []store.Result[int]) error {
				for part := range slices.Chunk(res, 512) {
					if err := b.reference.PutBatch(ctx, part); err != nil {
						return err
					}
					if ctx.Err() != nil && len(part) < len(res) {
						return ctx.Err()
					}
				}
				return nil
			}
		},
	},
	{
		fault:      "PutBatch evicts beyond a hundred thousand",
		rejectedBy: "BatchPutter/no-eviction",
		breakIt: func(b *broken) {
			b.putBatch = func(ctx context.Context, res []store.Result[int]) error {
				err := b.reference.PutBatch(ctx, res)
				b.locked(func() {
					if len(b.m) > 100_000 {
						maps.DeleteFunc(b.m, func(id store.ID, _ store.Result[int]) bool { return id <= res[0].ID-100_000 })
					}
				})
				return err
			}
		},
	},
}

// inParts is a PutBatch that is all or nothing in each part.
func (b *broken) inParts(n int) func(context.Context, []store.Result[int]) error {
	return func(ctx context.Context, res []store.Result[int]) error {
		for part := range slices.Chunk(res, n) {
			if err := b.reference.PutBatch(ctx, part); err != nil {
				return err
			}
		}
		return nil
	}
}
