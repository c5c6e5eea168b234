package enginetest

import (
	"context"
	"runtime"

	"github.com/resultpool/resultpool/internal/kit"
)

// A Fault stands between a caller and a method of an engine. It makes the call with
// do, at most once, and returns the error that the caller is to see: do's, or one of
// its own. It may do so late, or not at all, or panic instead. What a method returns
// beside an error is nothing, but for the IDs beside ErrFull. An error of its own that
// matches engine.ErrRefused or engine.ErrGone means what these mean, so it must be true.
//
// ids are those that the call is about, which the Fault must neither keep nor change. A
// Fault is called on the caller's goroutine, and by several at once. A nil Fault makes the
// call, inside another as well.
//
// One of your own is a few lines. This one saves nothing until the test opens the gate,
// and ignores its context:
//
//	func(ctx context.Context, _ []uint64, do func(context.Context) error) error {
//		<-gate
//		return do(ctx)
//	}
type Fault = func(ctx context.Context, ids []uint64, do func(context.Context) error) error

// Fail has every call return err, and nothing done. err must not be nil.
func Fail(err error) Fault { return kit.Failing[uint64](err) }

// Lose has every call do its work and then return err all the same, as when the
// answer is lost on the way: what was pushed is in the queue, what was pulled is held
// by nobody. err must not be nil.
func Lose(err error) Fault { return kit.Losing[uint64](err) }

// Drop has every call return nil, and nothing done, as an Ack that is only sent, and
// lost. It is for Ack, Nack and Extend: a method that returns something would return
// nothing, which no engine does.
func Drop() Fault {
	return func(context.Context, []uint64, func(context.Context) error) error { return nil }
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
func First(n int, f Fault) Fault { return kit.First(n, f) }

// After is the opposite of First: the first n calls work, and it is f for the others.
func After(n int, f Fault) Fault { return kit.After(n, f) }

// Only is f for calls that are about one of these IDs. All others work.
func Only(f Fault, ids ...uint64) Fault { return kit.Only(f, ids...) }

// Chain has every call go through all faults in their order, as far as they let it:
// Chain(After(1, Fail(err)), First(3, Panic(v))) panics once, and then fails.
func Chain(faults ...Fault) Fault { return kit.Chain(faults...) }
