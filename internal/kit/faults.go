package kit

import (
	"context"
	"slices"
	"sync/atomic"
)

// A Fault stands between a caller and a method. It makes the call with do, at most once, and
// returns the error that the caller is to see: do's, or one of its own. It may do so late,
// or not at all, or panic instead. ids are those that the call is about. It is called on the
// caller's goroutine, by several at once. A nil Fault makes the call: see [Call].
type Fault[ID comparable] = func(ctx context.Context, ids []ID, do func(context.Context) error) error

// Call calls do through f, which may be nil.
func Call[ID comparable](ctx context.Context, f Fault[ID], ids []ID, do func(context.Context) error) error {
	if f == nil {
		return do(ctx)
	}
	return f(ctx, ids, do)
}

// Failing has every call return err, with nothing done.
func Failing[ID comparable](err error) Fault[ID] {
	return func(context.Context, []ID, func(context.Context) error) error { return err }
}

// Losing has every call do its work and then return err all the same.
func Losing[ID comparable](err error) Fault[ID] {
	return func(ctx context.Context, _ []ID, do func(context.Context) error) error {
		_ = do(ctx)
		return err
	}
}

// when is f for calls of which is says so. The others work.
func when[ID comparable](f Fault[ID], is func(ids []ID) bool) Fault[ID] {
	return func(ctx context.Context, ids []ID, do func(context.Context) error) error {
		if is(ids) {
			return Call(ctx, f, ids, do)
		}
		return do(ctx)
	}
}

// First is f for the first n calls. Those after them work.
func First[ID comparable](n int, f Fault[ID]) Fault[ID] {
	var calls atomic.Int64
	return when(f, func([]ID) bool { return calls.Add(1) <= int64(n) })
}

// After is the opposite of First: the first n calls work, and it is f for the others.
func After[ID comparable](n int, f Fault[ID]) Fault[ID] {
	var calls atomic.Int64
	return when(f, func([]ID) bool { return calls.Add(1) > int64(n) })
}

// Only is f for calls that are about one of these IDs. All others work.
func Only[ID comparable](f Fault[ID], ids ...ID) Fault[ID] {
	return when(f, func(of []ID) bool {
		return slices.ContainsFunc(of, func(id ID) bool { return slices.Contains(ids, id) })
	})
}

// Chain has every call go through all faults in their order, as far as they let it.
func Chain[F ~func(context.Context, []ID, func(context.Context) error) error, ID comparable](faults ...F) F {
	return func(ctx context.Context, ids []ID, do func(context.Context) error) error {
		for _, f := range slices.Backward(faults) {
			next := do
			do = func(ctx context.Context) error { return Call(ctx, Fault[ID](f), ids, next) }
		}
		return do(ctx)
	}
}
