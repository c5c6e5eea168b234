package storetest

import (
	"context"
	"errors"
	"maps"

	"github.com/resultpool/resultpool/store"
)

// brokenDeletes break the promises of clauses 3 and 4.
var brokenDeletes = []brokenStore{
	{"ErrNotFound is only its text", "clause=3/never-put", getting(
		func(_ *broken, _ *store.Result[int], err error) error { return onlyText(err) },
	)},
	{"Get of an absent ID finds the next lower one", "clause=3/neighbours", withGet(
		func(ctx context.Context, b *broken, id store.ID) (store.Result[int], error) {
			for lower := range min(id, 16) { // far enough to be seen
				if b.holds(id - lower) {
					return b.reference.Get(ctx, id-lower)
				}
			}
			return b.reference.Get(ctx, id)
		},
	)},
	{"Delete of an absent ID is an error", "clause=4/delete-absent", withDelete(func(ctx context.Context, b *broken, id store.ID) error {
		_, err := b.Get(ctx, id)
		return errors.Join(err, b.reference.Delete(ctx, id))
	})},
	{"Delete of an absent ID deletes the next higher one", "clause=4/delete-absent", withDelete(
		func(ctx context.Context, b *broken, id store.ID) error {
			for higher := range min(-id, 16) {
				if b.holds(id + higher) {
					return b.reference.Delete(ctx, id+higher)
				}
			}
			return nil
		},
	)},
	{"Delete of one ID in 64 deletes the next one too", "clause=4/many-rounds", withDelete(
		func(ctx context.Context, b *broken, id store.ID) error {
			err := b.reference.Delete(ctx, id)
			if id%64 == 20 {
				err = errors.Join(err, b.reference.Delete(ctx, id+1))
			}
			return err
		},
	)},
	{"IDs below those that were all deleted are taken for deleted", "clause=4/many-rounds", with(
		withPut(func(ctx context.Context, b *broken, res store.Result[int]) error {
			if uint64(res.ID) < uint64(b.n.Load()) {
				return nil
			}
			return b.reference.Put(ctx, res)
		}),
		withDelete(func(ctx context.Context, b *broken, id store.ID) error {
			if b.holds(id) && !b.holds(id-1) {
				b.n.Store(int64(id + 1))
			}
			return b.reference.Delete(ctx, id)
		}),
	)},
	{"Put after Delete says ErrExists", "clause=4/many-rounds", withPut(func(ctx context.Context, b *broken, res store.Result[int]) error {
		if b.mark(res.ID) > 1 {
			return store.ErrExists
		}
		return b.reference.Put(ctx, res)
	})},
	{"the hundredth Delete of an ID does nothing", "clause=4/many-rounds", withDelete(func(ctx context.Context, b *broken, id store.ID) error {
		if b.mark(id) == 100 {
			return nil
		}
		return b.reference.Delete(ctx, id)
	})},
	{"deleted results are cleared away late, with what was put there since", "clause=4/many-rounds", with(
		hidingMarked,
		withDelete(func(_ context.Context, b *broken, id store.ID) error {
			b.locked(func() {
				if _, held := b.m[id]; !held {
					return
				}
				b.marks[id]++
				if b.order = append(b.order, id); len(b.order) == 100 {
					for _, id := range b.order {
						delete(b.m, id)
						delete(b.marks, id)
					}
					b.order = nil
				}
			})
			return nil
		}),
	)},
	{"a segment is given back with what was just put in it", "clause=4/concurrent-rounds", withDelete(
		func(ctx context.Context, b *broken, id store.ID) error {
			err := b.reference.Delete(ctx, id)
			if b.size() > 0 {
				return err
			}
			b.window(func() (lost bool) {
				b.locked(func() {
					n := len(b.m)
					maps.DeleteFunc(b.m, func(other store.ID, _ store.Result[int]) bool { return other/1024 == id/1024 })
					lost = len(b.m) < n
				})
				return lost
			})
			return err
		},
	)},
	{"what is put again keeps the error from before", "clause=4/many-rounds", withPut(
		func(ctx context.Context, b *broken, res store.Result[int]) error {
			b.locked(func() {
				if res.Err == nil {
					res.Err = b.log[res.ID].Err
				} else if _, held := b.m[res.ID]; !held {
					b.log[res.ID] = res
				}
			})
			return b.reference.Put(ctx, res)
		},
	)},
	{"the third Put of an ID brings the first result back", "clause=4/many-rounds", having(func(b *broken, res store.Result[int]) {
		switch b.marks[res.ID]++; b.marks[res.ID] {
		case 1:
			b.log[res.ID] = res
		case 3:
			b.m[res.ID] = b.log[res.ID]
		}
	})},
}

// hidingMarked has results that are marked stay, but not be seen.
func hidingMarked(b *broken) {
	b.put = func(ctx context.Context, b *broken, res store.Result[int]) error {
		b.locked(func() {
			if b.marks[res.ID] > 0 {
				delete(b.marks, res.ID)
				delete(b.m, res.ID)
			}
		})
		return b.reference.Put(ctx, res)
	}
	b.get = func(ctx context.Context, b *broken, id store.ID) (store.Result[int], error) {
		if b.marked(id) > 0 {
			return store.Result[int]{}, store.ErrNotFound
		}
		return b.reference.Get(ctx, id)
	}
	walking(func(_ *broken, ids []store.ID, i int) ([]store.ID, int) { return ids, i + 1 })(b)
}
