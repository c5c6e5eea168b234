package storetest

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"weak"

	"github.com/resultpool/resultpool/store"
)

// brokenHolds break the promises of clauses 7, 8 and 10, and of several at once.
var brokenHolds = []brokenStore{
	{"the oldest is evicted beyond a hundred thousand", "clause=7/no-eviction BatchPutter/no-eviction", with(
		having(func(b *broken, res store.Result[int]) {
			if len(b.m) > 100_000 {
				delete(b.m, res.ID-100_000)
			}
		}),
		batching(inParts(1)),
	)},
	{"Put remembers the last hundred thousand IDs", "clause=7/no-eviction", withPut(
		func(ctx context.Context, b *broken, res store.Result[int]) error {
			b.locked(func() {
				if _, late := b.m[res.ID+100_000]; late {
					delete(b.m, res.ID)
				}
			})
			return b.reference.Put(ctx, res)
		},
	)},
	{"what was deleted comes back a hundred thousand IDs later", "clause=7/no-eviction", withDelete(
		func(ctx context.Context, b *broken, id store.ID) error {
			if id > 100_000 {
				_ = b.reference.Put(ctx, result(id-100_000, 0))
			}
			return b.reference.Delete(ctx, id)
		},
	)},
	{"results are held by weak pointers", "clause=7/no-eviction", with(
		having(func(b *broken, res store.Result[int]) { b.cache.Store(res.ID, weak.Make(&res)) }),
		getting(func(b *broken, res *store.Result[int], err error) error {
			if p, ok := b.cache.Load(res.ID); ok && p.(weak.Pointer[store.Result[int]]).Value() == nil {
				return store.ErrNotFound
			}
			return err
		}),
	)},
	{"IDs go through a float64", "clause=8/boundaries", with(
		putting(func(res *store.Result[int]) { res.ID = throughFloat(res.ID) }),
		withGet(func(ctx context.Context, b *broken, id store.ID) (store.Result[int], error) {
			res, err := b.reference.Get(ctx, throughFloat(id))
			res.ID = id
			return res, err
		}),
		withDelete(func(ctx context.Context, b *broken, id store.ID) error {
			return b.reference.Delete(ctx, throughFloat(id))
		}),
	)},
	{"All ends before the largest ID", "clause=8/boundaries", yielding(
		func(_ context.Context, res store.Result[int], err error, yield yielder) bool {
			return res.ID == math.MaxUint64 || yield(res, err)
		},
	)},
	{"stores share what is above 2^40", "clause=10/two-stores", sharing(newReference())},
	{"all stores encode into one buffer", "clause=4/concurrent-rounds", encodingInto(new(atomic.Int64))},
}

func throughFloat(id store.ID) store.ID {
	if id > math.MaxInt64 { // a conversion back could be out of range
		return id
	}
	return store.ID(float64(id))
}

// sharing has all stores hold large IDs in the same place.
func sharing(shared *reference) func(*broken) {
	of := func(b *broken, id store.ID) *reference {
		if id > 1<<40 {
			return shared
		}
		return b.reference
	}
	return with(
		withPut(func(ctx context.Context, b *broken, res store.Result[int]) error { return of(b, res.ID).Put(ctx, res) }),
		withGet(func(ctx context.Context, b *broken, id store.ID) (store.Result[int], error) {
			return of(b, id).Get(ctx, id)
		}),
		withDelete(func(ctx context.Context, b *broken, id store.ID) error { return of(b, id).Delete(ctx, id) }),
	)
}

// encodingInto has the values of all stores pass through one buffer.
func encodingInto(buffer *atomic.Int64) func(*broken) {
	return withPut(func(ctx context.Context, b *broken, res store.Result[int]) error {
		b.other.Lock()
		defer b.other.Unlock()
		buffer.Store(int64(res.Value))
		b.window(func() bool { return buffer.Load() != int64(res.Value) })
		res.Value = int(buffer.Load())
		return b.reference.Put(ctx, res)
	})
}

// brokenContexts break the promises of clause 9.
var brokenContexts = []brokenStore{
	{"Put with a done context stores and returns an error", "clause=9/put-with-done-context", withPut(
		func(ctx context.Context, b *broken, res store.Result[int]) error {
			return errors.Join(b.reference.Put(ctx, res), ctx.Err())
		},
	)},
	{"Get with a done context returns an error of its own", "clause=9/get-with-done-context", withGet(
		func(ctx context.Context, b *broken, id store.ID) (store.Result[int], error) {
			if ctx.Err() != nil {
				return store.Result[int]{}, errInterrupted
			}
			return b.reference.Get(ctx, id)
		},
	)},
	{"Delete with a done context deletes and returns an error", "clause=9/delete-with-done-context", withDelete(
		func(ctx context.Context, b *broken, id store.ID) error {
			return errors.Join(b.reference.Delete(ctx, id), context.Cause(ctx))
		},
	)},
	{"All blames a result for a context that is done", "clause=9/all-with-done-context", yielding(
		func(ctx context.Context, res store.Result[int], err error, yield yielder) bool {
			if ctx.Err() != nil {
				yield(store.Result[int]{ID: res.ID}, ctx.Err())
				return false
			}
			return yield(res, err)
		},
	)},
	{"All goes on after the error of a context that is done", "clause=9/all-with-done-context", yielding(
		func(ctx context.Context, res store.Result[int], err error, yield yielder) bool {
			return (ctx.Err() == nil || yield(store.Result[int]{}, ctx.Err())) && yield(res, err)
		},
	)},
	{"All ends without a word when the context is done", "clause=9/all-with-done-context clause=9/cancel-in-body", yielding(
		func(ctx context.Context, res store.Result[int], err error, yield yielder) bool {
			return yield(res, err) && ctx.Err() == nil
		},
	)},
	{"ReserveIDs with a done context returns an error of its own", "IDReserver/done-context", withReserve(
		func(ctx context.Context, b *broken, n uint64) (store.ID, error) {
			if ctx.Err() != nil {
				return 0, errInterrupted
			}
			return b.reference.ReserveIDs(ctx, n)
		},
	)},
}

var errInterrupted = errors.New("interrupted")
