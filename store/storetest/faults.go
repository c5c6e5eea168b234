package storetest

import (
	"context"
	"sync"
	"time"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

// Fail has every call return err, with nothing done.
//
// To a pool, store.ErrRejected means that this result can never be stored, any
// other error that the store fails for now. err must not be nil.
func Fail(err error) Fault { return kit.Failing[store.ID](err) }

// Lose has every call do its work and then return err all the same, as when a
// database has committed but its answer is lost on the way. err must not be nil.
func Lose(err error) Fault { return kit.Losing[store.ID](err) }

// Slow has every call wait for d before it is made. If its context is done
// before, it returns context.Cause, with nothing done.
func Slow(d time.Duration) Fault {
	return func(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
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

// First is f for the first n calls. Those after them work.
func First(n int, f Fault) Fault { return kit.First[store.ID](n, f) }

// For is f from the first call on and for as long as d. Calls after that work.
func For(d time.Duration, f Fault) Fault {
	begun := sync.OnceValue(time.Now)
	return func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		if time.Since(begun()) >= d {
			return do(ctx)
		}
		return kit.Call(ctx, f, ids, do)
	}
}

// Only is f for calls that are about one of these IDs. All others work.
func Only(f Fault, ids ...store.ID) Fault { return kit.Only(f, ids...) }

// Chain has every call go through all faults in their order, as far as they let
// it: Chain(Slow(time.Second), First(3, Fail(err))) waits for a second, and then
// fails three times.
func Chain(faults ...Fault) Fault { return kit.Chain(faults...) }
