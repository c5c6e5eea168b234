package enginetest

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Fail has every call return err, and nothing done. err must not be nil.
func Fail(err error) Fault {
	return func(context.Context, []uint64, func(context.Context) error) error { return err }
}

// Lose has every call do its work and then return err all the same, as when the
// answer is lost on the way: what was pushed is in the queue, what was pulled is held
// by nobody. err must not be nil.
func Lose(err error) Fault {
	return func(ctx context.Context, _ []uint64, do func(context.Context) error) error {
		_ = do(ctx)
		return err
	}
}

// Drop has every call return nil, and nothing done, as an Ack that is only sent, and
// lost. It is for Ack, Nack and Extend: of a method that returns something it would
// be nothing, which no engine does.
func Drop() Fault {
	return func(context.Context, []uint64, func(context.Context) error) error { return nil }
}

// Slow has every call wait for d before it is made. If its context is done before, it
// returns context.Cause, and nothing is done.
func Slow(d time.Duration) Fault {
	return func(ctx context.Context, _ []uint64, do func(context.Context) error) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return do(ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Block has every call wait until its context is done, and then return context.Cause,
// and nothing done. With a context that cannot be done, it waits until Down or Close.
func Block() Fault {
	return func(ctx context.Context, _ []uint64, _ func(context.Context) error) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
}

// Panic has every call panic with v.
func Panic(v any) Fault {
	return func(context.Context, []uint64, func(context.Context) error) error { panic(v) }
}

// Goexit has every call end its goroutine, as runtime.Goexit does, and nothing done.
func Goexit() Fault {
	return func(context.Context, []uint64, func(context.Context) error) error {
		runtime.Goexit()
		return nil
	}
}

// First is f for the first n calls. Those after them work.
func First(n int, f Fault) Fault {
	var calls atomic.Int64
	return func(ctx context.Context, ids []uint64, do func(context.Context) error) error {
		if calls.Add(1) > int64(n) {
			return do(ctx)
		}
		return f.call(ctx, ids, do)
	}
}

// After is the opposite of First: the first n calls work, and it is f for the others.
func After(n int, f Fault) Fault {
	var calls atomic.Int64
	return func(ctx context.Context, ids []uint64, do func(context.Context) error) error {
		if calls.Add(1) <= int64(n) {
			return do(ctx)
		}
		return f.call(ctx, ids, do)
	}
}

// For is f from the first call on and for as long as d. Calls after that work.
func For(d time.Duration, f Fault) Fault {
	begun := sync.OnceValue(time.Now)
	return func(ctx context.Context, ids []uint64, do func(context.Context) error) error {
		if time.Since(begun()) >= d {
			return do(ctx)
		}
		return f.call(ctx, ids, do)
	}
}

// Only is f for calls that are about one of these IDs. All others work.
func Only(f Fault, ids ...uint64) Fault {
	return func(ctx context.Context, of []uint64, do func(context.Context) error) error {
		if !slices.ContainsFunc(of, func(id uint64) bool { return slices.Contains(ids, id) }) {
			return do(ctx)
		}
		return f.call(ctx, of, do)
	}
}

// Chain has every call go through all faults in their order, as far as they let it:
// Chain(Slow(time.Second), First(3, Fail(err))) waits for a second, and then fails
// three times.
func Chain(faults ...Fault) Fault {
	return func(ctx context.Context, ids []uint64, do func(context.Context) error) error {
		if len(faults) == 0 {
			return do(ctx)
		}
		return faults[0].call(ctx, ids, func(ctx context.Context) error {
			return Chain(faults[1:]...)(ctx, ids, do)
		})
	}
}
