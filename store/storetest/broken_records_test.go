package storetest

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/resultpool/resultpool/store"
)

// brokenRecords break the promises of store.RecordPutter.
var brokenRecords = []brokenStore{
	{
		fault:      "Encode drops errors",
		rejectedBy: "RecordPutter/equals-puts",
		breakIt: func(b *broken) {
			b.encode = func(res store.Result[int]) ([]byte, error) {
				res.Err = nil
				return b.reference.Encode(res)
			}
		},
	},
	{
		fault:      "PutRecords writes parts of 512",
		rejectedBy: "RecordPutter/all-or-none",
		breakIt: func(b *broken) {
			b.putRecs = func(ctx context.Context, recs []store.Record) error {
				for part := range slices.Chunk(recs, 512) {
					if err := b.reference.PutRecords(ctx, part); err != nil {
						return err
					}
				}
				return nil
			}
		},
	},
	{
		fault:      "PutRecords overwrites within the batch",
		rejectedBy: "RecordPutter/same-id-twice",
		breakIt: func(b *broken) {
			b.putRecs = func(ctx context.Context, recs []store.Record) error {
				last := make(map[store.ID]store.Record)
				for _, rec := range recs {
					last[rec.ID] = rec
				}
				return b.reference.PutRecords(ctx, slices.Collect(maps.Values(last)))
			}
		},
	},
	{
		fault:      "PutRecords keeps the bytes",
		rejectedBy: "RecordPutter/does-not-keep",
		breakIt: func(b *broken) {
			kept := make(map[store.ID][]byte) // guarded by b.mu
			b.putRecs = func(ctx context.Context, recs []store.Record) error {
				if err := b.reference.PutRecords(ctx, recs); err != nil {
					return err
				}
				b.locked(func() {
					for _, rec := range recs {
						kept[rec.ID] = rec.Data
					}
				})
				return nil
			}
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				var data []byte
				b.locked(func() { data = kept[id] })
				if data != nil {
					return testCodec.Decode(id, data)
				}
				return b.reference.Get(ctx, id)
			}
		},
	},
	{
		fault:      "PutRecords sorts the slice",
		rejectedBy: "RecordPutter/does-not-change",
		breakIt: func(b *broken) {
			b.putRecs = func(ctx context.Context, recs []store.Record) error {
				slices.SortFunc(recs, func(x, y store.Record) int { return cmp.Compare(x.ID, y.ID) })
				return b.reference.PutRecords(ctx, recs)
			}
		},
	},
	{
		fault:      "PutRecords looks and then stores",
		rejectedBy: "RecordPutter/one-winner",
		breakIt: func(b *broken) {
			b.putRecs = func(ctx context.Context, recs []store.Record) error {
				for _, rec := range recs {
					if b.holds(rec.ID) {
						return store.ErrExists
					}
				}
				b.window(func() bool { return b.holds(recs[len(recs)-1].ID) })
				coming := newReference()
				err := coming.PutRecords(ctx, recs)
				b.locked(func() { maps.Copy(b.m, coming.m) })
				return err
			}
		},
	},
	{
		fault:      "PutRecords with a done context stores half",
		rejectedBy: "RecordPutter/done-context",
		breakIt: func(b *broken) {
			b.putRecs = func(ctx context.Context, recs []store.Record) error {
				if err := b.reference.PutRecords(ctx, recs[:len(recs)/2]); err != nil || ctx.Err() != nil {
					return errors.Join(err, ctx.Err())
				}
				return b.reference.PutRecords(ctx, recs[len(recs)/2:])
			}
		},
	},
	{
		fault:      "Encode takes the ID",
		rejectedBy: "RecordPutter/encode-puts-nothing",
		breakIt: func(b *broken) {
			b.encode = func(res store.Result[int]) ([]byte, error) {
				b.locked(func() {
					if _, held := b.m[res.ID]; !held {
						b.m[res.ID] = res
					}
				})
				return b.reference.Encode(res)
			}
			b.putRecs = func(ctx context.Context, recs []store.Record) error {
				for _, rec := range recs {
					b.locked(func() { delete(b.m, rec.ID) })
				}
				return b.reference.PutRecords(ctx, recs)
			}
		},
	},
	{
		fault:      "Encode uses one buffer again and again",
		rejectedBy: "RecordPutter/encode-at-once",
		breakIt: func(b *broken) {
			buffer := make([]byte, 0, 64) // guarded by b.mu
			b.encode = func(res store.Result[int]) (data []byte, err error) {
				data, err = b.reference.Encode(res)
				b.locked(func() { data = append(buffer[:0], data...) })
				return data, err
			}
			b.putRecs = func(ctx context.Context, recs []store.Record) (err error) {
				b.locked(func() { recs = cloneRecords(recs) })
				return b.reference.PutRecords(ctx, recs)
			}
		},
	},
	{
		fault:      "Encode says of what cannot be written that it may be tried again",
		rejectedBy: "RecordPutter/encode-rejects",
		breakIt: func(b *broken) {
			b.encode = func(res store.Result[int]) ([]byte, error) {
				data, err := b.reference.Encode(res)
				if err != nil {
					return nil, io.ErrShortWrite
				}
				return data, nil
			}
		},
	},
	{
		fault:      "All ends at what cannot be read",
		rejectedBy: "RecordPutter/unreadable",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res, err := range b.reference.All(ctx) {
					if !yield(res, err) || err != nil {
						return
					}
				}
			}
		},
	},
	{
		fault:      "All does not say what cannot be read",
		rejectedBy: "RecordPutter/unreadable",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res, err := range b.reference.All(ctx) {
					if err != nil {
						res.ID = 0
					}
					if !yield(res, err) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "All leaves out what cannot be read",
		rejectedBy: "RecordPutter/unreadable",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res, err := range b.reference.All(ctx) {
					if err == nil && !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "what cannot be read cannot be deleted",
		rejectedBy: "RecordPutter/unreadable",
		breakIt: func(b *broken) {
			b.del = func(ctx context.Context, id store.ID) error {
				if _, err := b.reference.Get(ctx, id); err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				}
				return b.reference.Delete(ctx, id)
			}
		},
	},
}

func cloneRecords(recs []store.Record) []store.Record {
	recs = slices.Clone(recs)
	for i := range recs {
		recs[i].Data = slices.Clone(recs[i].Data)
	}
	return recs
}
