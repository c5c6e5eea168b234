package storetest

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"

	"github.com/resultpool/resultpool/store"
)

func onlyText(err error) error {
	if err != nil {
		err = errors.New(err.Error())
	}
	return err
}

// brokenPuts break the promises of clauses 1 and 2. Some do nothing wrong as long as one call
// ends before the next one begins.
var brokenPuts = []brokenStore{
	{"the zero value is taken for absent", "clause=1/round-trip", getting(func(_ *broken, res *store.Result[int], err error) error {
		if res.Value == 0 {
			return store.ErrNotFound
		}
		return err
	})},
	{"the value beside an error is dropped", "clause=1/error-identity", putting(func(res *store.Result[int]) {
		if res.Err != nil {
			res.Value = 0
		}
	})},
	{"of three joined errors the third is dropped", "clause=1/error-identity", keeping(func(err error) error {
		if joined, ok := err.(interface{ Unwrap() []error }); ok && len(joined.Unwrap()) > 2 {
			return errors.Join(joined.Unwrap()[:2]...)
		}
		return err
	})},
	{"a chain is followed 32 deep", "clause=1/error-identity", keeping(func(err error) error {
		depth := 0
		for inner := err; inner != nil; inner = errors.Unwrap(inner) {
			depth++
		}
		if depth > 32 {
			return onlyText(err)
		}
		return err
	})},
	{"a task that was not run is stored as one that failed", "clause=1/error-identity", keeping(func(err error) error {
		if errors.Is(err, store.ErrNotRun) {
			return onlyText(err)
		}
		return err
	})},
	{"All leaves out results with an error", "clause=1/error-identity", yielding(
		func(_ context.Context, res store.Result[int], err error, yield yielder) bool {
			return res.Err != nil || yield(res, err)
		},
	)},
	{"a result is buffered until the next Put", "clause=1/seen-by-others", withPut(func(ctx context.Context, b *broken, res store.Result[int]) error {
		var before []store.Result[int]
		b.locked(func() {
			before = slices.Collect(maps.Values(b.log))
			clear(b.log)
			b.log[res.ID] = res
		})
		return b.PutBatch(ctx, before)
	})},
	{"Put overwrites and says ErrExists", "clause=2/put-held-id", withPut(func(ctx context.Context, b *broken, res store.Result[int]) error {
		err := b.reference.Put(ctx, res)
		b.locked(func() { b.m[res.ID] = res })
		return err
	})},
	{"ErrExists is only its text", "clause=2/put-held-id", withPut(func(ctx context.Context, b *broken, res store.Result[int]) error {
		return onlyText(b.reference.Put(ctx, res))
	})},
	{"Put of the same result succeeds again", "clause=2/put-held-id", withPut(func(ctx context.Context, b *broken, res store.Result[int]) error {
		err := b.reference.Put(ctx, res)
		if held, _ := b.Get(ctx, res.ID); held == res {
			return nil
		}
		return err
	})},
	{"Put looks and then stores", "clause=2/one-winner", withPut(func(ctx context.Context, b *broken, res store.Result[int]) error {
		return lookThenStoreAll(ctx, b, []store.Result[int]{res})
	})},
	{"losers are told before the result is there", "clause=2/one-winner", with(
		withPut(func(ctx context.Context, b *broken, res store.Result[int]) error {
			if _, lost := b.cache.LoadOrStore(res.ID, true); lost {
				return store.ErrExists
			}
			runtime.Gosched()
			return b.reference.Put(ctx, res)
		}),
		withDelete(func(ctx context.Context, b *broken, id store.ID) error {
			b.cache.Delete(id)
			return b.reference.Delete(ctx, id)
		}),
	)},
	{"Delete deletes twice", "clause=1-4/races", withDelete(func(ctx context.Context, b *broken, id store.ID) error {
		if err := b.reference.Delete(ctx, id); err != nil {
			return err
		}
		b.window(func() bool { return b.holds(id) })
		return b.reference.Delete(ctx, id)
	})},
	{"a cache outlives Delete", "clause=4/many-rounds", withGet(cachingGet)},
	{"a Get fills the cache which a Delete has just emptied", "clause=1-4/races", with(
		withGet(cachingGet),
		withDelete(func(ctx context.Context, b *broken, id store.ID) error {
			err := b.reference.Delete(ctx, id)
			b.cache.Delete(id)
			return err
		}),
	)},
	{"a Put that is refused shows for a moment", "clause=1-4/races", with(
		getting(func(b *broken, _ *store.Result[int], err error) error {
			b.n.Add(1)
			return err
		}),
		withPut(func(_ context.Context, b *broken, res store.Result[int]) error {
			var other store.Result[int]
			var held bool
			b.locked(func() {
				other, held = b.m[res.ID]
				b.m[res.ID] = res
			})
			if !held {
				return nil
			}
			gets := b.n.Load()
			b.window(func() bool { return b.n.Load() > gets })
			b.locked(func() { b.m[res.ID] = other })
			return store.ErrExists
		}),
	)},
}

// cachingGet is a Get that remembers what it has found.
func cachingGet(ctx context.Context, b *broken, id store.ID) (store.Result[int], error) {
	if res, ok := b.cache.Load(id); ok {
		return res.(store.Result[int]), nil
	}
	res, err := b.reference.Get(ctx, id)
	if err == nil {
		b.window(func() bool { return !b.holds(id) })
		b.cache.Store(id, res)
	}
	return res, err
}

// brokenDeletes break the promises of clauses 3 and 4.
var brokenDeletes = []brokenStore{
	{"ErrNotFound is only its text", "clause=3/never-put", getting(
		func(_ *broken, _ *store.Result[int], err error) error { return onlyText(err) },
	)},
	{"Get of an absent ID finds the next lower one", "clause=3/neighbours", withGet(
		func(ctx context.Context, b *broken, id store.ID) (store.Result[int], error) {
			return b.reference.Get(ctx, b.near(id, -1))
		},
	)},
	{"Delete of an absent ID is an error", "clause=4/delete-absent", withDelete(func(ctx context.Context, b *broken, id store.ID) error {
		_, err := b.Get(ctx, id)
		return errors.Join(err, b.reference.Delete(ctx, id))
	})},
	{"Delete of an absent ID deletes the next higher one", "clause=4/delete-absent", withDelete(
		func(ctx context.Context, b *broken, id store.ID) error { return b.reference.Delete(ctx, b.near(id, 1)) },
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
	{"the third Put of an ID brings the first result back", "clause=4/many-rounds", having(func(b *broken, res store.Result[int]) {
		switch b.marks[res.ID]++; b.marks[res.ID] {
		case 1:
			b.log[res.ID] = res
		case 3:
			b.m[res.ID] = b.log[res.ID]
		}
	})},
}
