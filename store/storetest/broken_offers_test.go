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

// brokenBatches break the promises of store.BatchPutter, and where a record is put as a result
// is, those of store.RecordPutter.
var brokenBatches = []brokenStore{
	{"PutBatch drops errors", "BatchPutter/equals-puts RecordPutter/equals-puts", batching(func(ctx context.Context, b *broken, res []store.Result[int]) error {
		res = slices.Clone(res)
		for i := range res {
			res[i].Err = nil
		}
		return b.reference.PutBatch(ctx, res)
	})},
	{"PutBatch stores what comes before a held ID", "BatchPutter/all-or-none RecordPutter/all-or-none", batching(inParts(1))},
	{"PutBatch writes parts of 512", "BatchPutter/all-or-none RecordPutter/all-or-none", batching(inParts(512))},
	{"PutBatch looks for an ID twice in parts of 512", "BatchPutter/same-id-twice RecordPutter/same-id-twice", batching(
		func(ctx context.Context, b *broken, res []store.Result[int]) error {
			for part := range slices.Chunk(res, 512) {
				if len(byID(part)) < len(part) {
					return store.ErrExists
				}
			}
			return b.reference.PutBatch(ctx, slices.Collect(maps.Values(byID(res)))) // the later ones of each ID
		},
	)},
	{"PutBatch has a lock of its own, which Put does not take", "BatchPutter/one-winner RecordPutter/one-winner", batching(
		func(ctx context.Context, b *broken, res []store.Result[int]) error {
			b.other.Lock()
			defer b.other.Unlock()
			return lookThenStoreAll(ctx, b, res)
		},
	)},
	{"PutBatch of more than 512 with a done context stores a part", "BatchPutter/done-context RecordPutter/done-context", batching(
		func(ctx context.Context, b *broken, res []store.Result[int]) error {
			if len(res) > 512 && ctx.Err() != nil {
				return errors.Join(b.reference.PutBatch(ctx, res[:512]), ctx.Err())
			}
			return b.reference.PutBatch(ctx, res)
		},
	)},
	{"PutBatch keeps the part of the slice beyond 512", "BatchPutter/does-not-keep", with(
		withBatch(func(ctx context.Context, b *broken, res []store.Result[int]) error {
			err := b.reference.PutBatch(ctx, res)
			for i := 512; err == nil && i < len(res); i++ {
				b.cache.Store(res[i].ID, &res[i])
			}
			return err
		}),
		getting(func(b *broken, res *store.Result[int], err error) error {
			if p, ok := b.cache.Load(res.ID); ok {
				*res = *p.(*store.Result[int])
			}
			return err
		}),
	)},
	{"PutBatch sorts the slice", "BatchPutter/equals-puts", withBatch(
		func(ctx context.Context, b *broken, res []store.Result[int]) error {
			slices.SortFunc(res, func(x, y store.Result[int]) int { return cmp.Compare(x.ID, y.ID) })
			return b.reference.PutBatch(ctx, res)
		},
	)},
}

// inParts is a PutBatch that is all or nothing in each part.
func inParts(n int) batchFunc {
	return func(ctx context.Context, b *broken, res []store.Result[int]) error {
		for part := range slices.Chunk(res, n) {
			if n == 1 {
				if err := b.Put(ctx, part[0]); err != nil {
					return err
				}
			} else if err := b.reference.PutBatch(ctx, part); err != nil {
				return err
			}
		}
		return nil
	}
}

// lookThenStoreAll is a PutBatch in two steps between which others may come.
func lookThenStoreAll(_ context.Context, b *broken, res []store.Result[int]) error {
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

// brokenRecords break the promises of store.RecordPutter.
var brokenRecords = []brokenStore{
	{"Encode takes the ID", "RecordPutter/encode-puts-nothing", with(
		withEncode(func(b *broken, res store.Result[int]) ([]byte, error) {
			_ = b.reference.Put(context.Background(), res)
			return b.reference.Encode(res)
		}),
		withRecords(func(ctx context.Context, b *broken, recs []store.Record) error {
			for _, rec := range recs {
				_ = b.reference.Delete(ctx, rec.ID)
			}
			return b.reference.PutRecords(ctx, recs)
		}),
	)},
	{"Encode uses one buffer again and again", "RecordPutter/encode-at-once", func(b *broken) {
		buffer := make([]byte, 0, 64) // guarded by mu
		b.encode = func(b *broken, res store.Result[int]) (data []byte, err error) {
			data, err = b.reference.Encode(res)
			b.locked(func() { data = append(buffer[:0], data...) })
			return data, err
		}
		b.putRecs = func(ctx context.Context, b *broken, recs []store.Record) error {
			var res []store.Result[int]
			b.locked(func() { res = decoded(recs) })
			return b.reference.PutBatch(ctx, res)
		}
	}},
	{"Encode says of what cannot be written that it may be tried again", "RecordPutter/encode-rejects", withEncode(
		func(b *broken, res store.Result[int]) ([]byte, error) {
			data, err := b.reference.Encode(res)
			if err != nil {
				err = io.ErrShortWrite
			}
			return data, err
		},
	)},
	{"PutRecords keeps the bytes", "RecordPutter/does-not-keep", with(
		withRecords(func(ctx context.Context, b *broken, recs []store.Record) error {
			for _, rec := range recs {
				b.cache.Store(rec.ID, rec)
			}
			return b.reference.PutRecords(ctx, recs)
		}),
		getting(func(b *broken, res *store.Result[int], err error) error {
			if rec, ok := b.cache.Load(res.ID); ok && err == nil {
				*res = decoded([]store.Record{rec.(store.Record)})[0]
			}
			return err
		}),
	)},
	{"PutRecords sorts the slice", "RecordPutter/equals-puts", withRecords(func(ctx context.Context, b *broken, recs []store.Record) error {
		slices.SortFunc(recs, func(x, y store.Record) int { return cmp.Compare(x.ID, y.ID) })
		return b.reference.PutRecords(ctx, recs)
	})},
	{"All ends at what cannot be read", "RecordPutter/unreadable", yielding(
		func(_ context.Context, res store.Result[int], err error, yield yielder) bool {
			return yield(res, err) && err == nil
		},
	)},
	{"All does not say what cannot be read", "RecordPutter/unreadable", yielding(
		func(_ context.Context, res store.Result[int], err error, yield yielder) bool {
			if err != nil {
				res.ID = 0
			}
			return yield(res, err)
		},
	)},
	{"what cannot be read cannot be deleted", "RecordPutter/unreadable", withDelete(func(ctx context.Context, b *broken, id store.ID) error {
		if _, err := b.reference.Get(ctx, id); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return b.reference.Delete(ctx, id)
	})},
}

// brokenReservers break the promises of store.IDReserver.
var brokenReservers = []brokenStore{
	{"the first ID is 0", "IDReserver/increasing", reserving(
		func(first store.ID, err error) (store.ID, error) { return first - 1, err },
	)},
	{"ReserveIDs counts in 32 bits", "IDReserver/increasing", reserving(
		func(first store.ID, err error) (store.ID, error) { return store.ID(uint32(first)), err },
	)},
	{"ReserveIDs begins again after the last ID", "IDReserver/runs-out", reserving(
		func(first store.ID, _ error) (store.ID, error) { return max(first, 1), nil },
	)},
	{"ReserveIDs looks and then adds", "IDReserver/concurrent", withReserve(func(_ context.Context, b *broken, n uint64) (store.ID, error) {
		last := uint64(b.n.Load())
		b.window(func() bool { return uint64(b.n.Load()) > last })
		b.n.Store(int64(last + n))
		return store.ID(last + 1), nil
	})},
}

// reserving has ReserveIDs return something else.
func reserving(change func(first store.ID, err error) (store.ID, error)) func(*broken) {
	return withReserve(func(ctx context.Context, b *broken, n uint64) (store.ID, error) {
		return change(b.reference.ReserveIDs(ctx, n))
	})
}
