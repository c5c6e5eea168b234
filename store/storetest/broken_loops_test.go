package storetest

import (
	"context"
	"io"
	"maps"
	"slices"

	"github.com/resultpool/resultpool/store"
)

// brokenLoops break the promises of clauses 5 and 6.
var brokenLoops = []brokenStore{
	{"All repeats one in a thousand", "clause=5/exactly-once", yielding(
		func(_ context.Context, res store.Result[int], err error, yield yielder) bool {
			return yield(res, err) && (res.ID%1000 != 0 || yield(res, err))
		},
	)},
	{"All skips one in a thousand", "clause=5/exactly-once", yielding(
		func(_ context.Context, res store.Result[int], err error, yield yielder) bool {
			return res.ID%1000 == 0 || yield(res, err)
		},
	)},
	{"All yields other values", "clause=5/exactly-once", yielding(
		func(_ context.Context, res store.Result[int], err error, yield yielder) bool {
			res.Value++
			return yield(res, err)
		},
	)},
	{"All ends with an error that is not one", "clause=5/exactly-once", withAll(func(ctx context.Context, b *broken, yield yielder) {
		for res, err := range b.reference.All(ctx) {
			if !yield(res, err) {
				return
			}
		}
		yield(store.Result[int]{}, io.EOF)
	})},
	{"All yields what was deleted", "clause=4-6/sweep-while-putting", with(
		having(func(b *broken, res store.Result[int]) { b.log[res.ID] = res }),
		withAll(func(_ context.Context, b *broken, yield yielder) {
			var logged []store.Result[int]
			b.locked(func() { logged = slices.Collect(maps.Values(b.log)) })
			for _, res := range logged {
				if !yield(res, nil) {
					return
				}
			}
		}),
	)},
	// Like "ORDER BY id LIMIT 100 OFFSET n".
	{"All reads pages by their offset", "clause=5/concurrent-changes", walking(
		func(b *broken, ids []store.ID, i int) ([]store.ID, int) {
			if i%100 == 99 && b.size() != len(ids) { // else they are most likely the same
				ids = b.sortedIDs()
			}
			return ids, i + 1
		},
	)},
	{"All counts along a list that shrinks", "clause=4-6/sweep-while-putting", walking(
		func(b *broken, ids []store.ID, i int) ([]store.ID, int) {
			if b.size() != len(ids) {
				ids = b.sortedIDs()
			}
			return ids, i + 1
		},
	)},
	{"all loops share one cursor", "clause=6/calls-in-body", withAll(func(ctx context.Context, b *broken, yield yielder) {
		ids := b.sortedIDs()
		for b.n.Store(0); int(b.n.Load()) < len(ids); b.n.Add(1) {
			res, err := b.Get(ctx, ids[min(int(b.n.Load()), len(ids)-1)])
			if err == nil && !yield(res, nil) {
				return
			}
		}
	})},
	{"All goes on after a break", "clause=6/break", yielding(
		func(_ context.Context, res store.Result[int], err error, yield yielder) bool {
			yield(res, err)
			return true
		},
	)},
	{"All swallows a panic of the body", "clause=6/panic", withAll(func(ctx context.Context, b *broken, yield yielder) {
		defer func() { _ = recover() }()
		b.reference.All(ctx)(yield)
	})},
	{"what was put and deleted in a loop comes back if the loop is left", "clause=6/break clause=6/panic", with(
		having(func(b *broken, res store.Result[int]) { b.log[res.ID] = res }),
		withAll(func(ctx context.Context, b *broken, yield yielder) {
			left := false
			b.locked(func() { clear(b.log) })
			defer b.locked(func() {
				if left {
					maps.Copy(b.m, b.log)
				}
			})
			b.reference.All(ctx)(func(res store.Result[int], err error) bool {
				left = true // by a panic, if yield does not return
				left = !yield(res, err)
				return !left
			})
		}),
	)},
}

// hangingStores have checks that do not end, but for their context.
var hangingStores = []brokenStore{
	{"All holds a read lock while the body runs", "clause=6/calls-in-body", with(
		withPut(func(ctx context.Context, b *broken, res store.Result[int]) error {
			if err := b.wait(ctx, func() bool { return b.n.Load() == 0 }); err != nil {
				return err
			}
			return b.reference.Put(ctx, res)
		}),
		withAll(func(ctx context.Context, b *broken, yield yielder) {
			b.n.Add(1)
			defer b.n.Add(-1)
			b.reference.All(ctx)(yield)
		}),
	)},
	{"a panic of the body leaks one of three connections", "clause=6/panic", withAll(func(ctx context.Context, b *broken, yield yielder) {
		if b.wait(ctx, func() bool { return b.n.Load() < 3 }) == nil {
			b.n.Add(1)
			b.reference.All(ctx)(yield)
			b.n.Add(-1)
		}
	})},
}
