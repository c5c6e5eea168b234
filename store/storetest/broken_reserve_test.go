package storetest

import (
	"context"
	"errors"

	"github.com/resultpool/resultpool/store"
)

// brokenReservers break the promises of store.IDReserver.
var brokenReservers = []brokenStore{
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
