package storetest

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/resultpool/resultpool/store"
)

// brokenPuts break the promises of clauses 1 and 2.
var brokenPuts = []brokenStore{
	{
		fault:      "the zero value is taken for absent",
		rejectedBy: "clause=1/round-trip",
		breakIt: func(b *broken) {
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				res, err := b.reference.Get(ctx, id)
				if res.Value == 0 {
					err = store.ErrNotFound
				}
				return res, err
			}
		},
	},
	{
		fault:      "the value beside an error is dropped",
		rejectedBy: "clause=1/value-beside-error",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				if res.Err != nil {
					res.Value = 0
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "errors become text",
		rejectedBy: "clause=1/error-identity",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				if res.Err != nil {
					res.Err = errors.New(res.Err.Error())
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "a wrapped error keeps only the first that it wraps",
		rejectedBy: "clause=1/error-identity",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				for _, s := range sentinels {
					if errors.Is(res.Err, s) {
						res.Err = s
						break
					}
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "of joined errors only the outer ones are kept",
		rejectedBy: "clause=1/error-identity",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				if joined, ok := res.Err.(interface{ Unwrap() []error }); ok {
					var outer []error
					for _, err := range joined.Unwrap() {
						if errors.Unwrap(err) != nil {
							err = errors.Unwrap(err)
						}
						for _, s := range sentinels {
							if err == s {
								outer = append(outer, err)
							}
						}
					}
					res.Err = errors.Join(append(outer, errors.New("joined"))...)
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "of three joined errors the third is dropped",
		rejectedBy: "clause=1/error-identity",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				if joined, ok := res.Err.(interface{ Unwrap() []error }); ok && len(joined.Unwrap()) > 2 {
					res.Err = errors.Join(joined.Unwrap()[:2]...)
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "of joined errors four are kept",
		rejectedBy: "clause=1/error-identity",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				if res.Err != nil {
					kept := []error{errors.New(res.Err.Error())}
					for _, s := range sentinels {
						if errors.Is(res.Err, s) && len(kept) <= 4 {
							kept = append(kept, s)
						}
					}
					res.Err = errors.Join(kept...)
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "a chain is followed 32 deep",
		rejectedBy: "clause=1/error-identity",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				depth := 0
				for err := res.Err; err != nil; err = errors.Unwrap(err) {
					depth++
				}
				if depth > 32 {
					res.Err = errors.New(res.Err.Error())
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "a task that was not run is stored as one that failed",
		rejectedBy: "clause=1/error-identity",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				if errors.Is(res.Err, store.ErrNotRun) {
					res.Err = errors.New(res.Err.Error())
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "All leaves out results with an error",
		rejectedBy: "clause=1/value-beside-error",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res := range b.reference.All(ctx) {
					if res.Err == nil && !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "a result is forgotten once it was read",
		rejectedBy: "clause=1/round-trip",
		breakIt: func(b *broken) {
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				res, err := b.reference.Get(ctx, id)
				return res, errors.Join(err, b.reference.Delete(ctx, id))
			}
		},
	},
	{
		fault:      "a result is buffered until the next Put",
		rejectedBy: "clause=1/seen-by-others",
		breakIt: func(b *broken) {
			var mu sync.Mutex
			var buffer []store.Result[int]
			b.put = func(ctx context.Context, res store.Result[int]) error {
				mu.Lock()
				defer mu.Unlock()
				err := b.PutBatch(ctx, buffer)
				buffer = []store.Result[int]{res}
				return err
			}
		},
	},
	{
		fault:      "Put overwrites",
		rejectedBy: "clause=2/put-held-id",
		breakIt: func(b *broken) {
			b.put = func(_ context.Context, res store.Result[int]) error {
				b.locked(func() { b.m[res.ID] = res })
				return nil
			}
		},
	},
	{
		fault:      "Put overwrites and says ErrExists",
		rejectedBy: "clause=2/put-held-id",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				err := b.reference.Put(ctx, res)
				b.locked(func() { b.m[res.ID] = res })
				return err
			}
		},
	},
	{
		fault:      "ErrExists is only its text",
		rejectedBy: "clause=2/put-held-id",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				if err := b.reference.Put(ctx, res); err != nil {
					return errors.New(err.Error())
				}
				return nil
			}
		},
	},
	{
		fault:      "a Put that is refused leaves a lock behind",
		rejectedBy: "clause=2/put-held-id",
		hangs:      true,
		breakIt: func(b *broken) {
			var mu sync.Mutex
			b.put = func(ctx context.Context, res store.Result[int]) error {
				mu.Lock()
				if err := b.reference.Put(ctx, res); err != nil {
					return err
				}
				mu.Unlock()
				return nil
			}
		},
	},
	{
		fault:      "Put of the same result succeeds again",
		rejectedBy: "clause=2/put-held-result",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				err := b.reference.Put(ctx, res)
				if held, _ := b.Get(ctx, res.ID); held == res {
					return nil
				}
				return err
			}
		},
	},
	{
		fault:      "Put looks and then stores",
		rejectedBy: "clause=2/one-winner",
		breakIt: func(b *broken) {
			b.put = b.lookThenStore
		},
	},
	{
		fault:      "losers are told before the result is there",
		rejectedBy: "clause=2/one-winner",
		breakIt: func(b *broken) {
			taken := make(map[store.ID]bool) // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				var late bool
				b.locked(func() { late, taken[res.ID] = taken[res.ID], true })
				if late {
					return store.ErrExists
				}
				runtime.Gosched()
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "only the first Put of an ID is atomic",
		rejectedBy: "clause=2/one-winner-again",
		breakIt: func(b *broken) {
			deleted := make(map[store.ID]bool) // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				var again bool
				b.locked(func() { again = deleted[res.ID] })
				if again {
					return b.lookThenStore(ctx, res)
				}
				return b.reference.Put(ctx, res)
			}
			b.del = func(ctx context.Context, id store.ID) error {
				b.locked(func() { deleted[id] = true })
				return b.reference.Delete(ctx, id)
			}
		},
	},
	{
		fault:      "Delete deletes twice",
		rejectedBy: "clause=2/one-owner",
		breakIt: func(b *broken) {
			b.del = func(ctx context.Context, id store.ID) error {
				if err := b.reference.Delete(ctx, id); err != nil {
					return err
				}
				b.window(func() bool { return b.holds(id) })
				return b.reference.Delete(ctx, id)
			}
		},
	},
}

// lookThenStore is a Put in two steps between which others may come.
func (b *broken) lookThenStore(_ context.Context, res store.Result[int]) error {
	if b.holds(res.ID) {
		return store.ErrExists
	}
	b.window(func() bool { return b.holds(res.ID) })
	b.locked(func() { b.m[res.ID] = res })
	return nil
}
