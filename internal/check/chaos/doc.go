// Package chaos is an oracle for pools. From one seed it makes a random pool over
// a random store, random tasks and random callers, lets them race, and compares
// what it was told with what it has seen:
//
//   - a task is accepted if and only if its result is stored once under its ID,
//     or handed back by Stop: the right kind, value and very error of that task;
//   - it ran once, or never if its result says so; a refused task never ran;
//   - no more tasks run at once than there may be workers;
//   - IDs increase from one Submit to every one that begins after it;
//   - each Stats adds up, fits what was seen, and no count goes backwards;
//   - every error is one that the contract allows at that moment;
//   - when Done is closed all of that is final and no goroutine is left.
//
// The seed determines all but the scheduling: one half of the rounds runs in real
// time and the other in a synctest bubble, where time is free and a deadlock is
// seen at once.
//
// The oracle knows the pool by the interface [Pool] only, so that it can be run
// on pools that are broken on purpose.
package chaos

import (
	"context"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A Pool is what the oracle calls. *pool.Pool[*Task, int] is one.
type Pool interface {
	Submit(ctx context.Context, in *Task) (store.ID, error)
	TrySubmit(in *Task) (store.ID, error)
	SubmitAll(ctx context.Context, in []*Task) ([]store.ID, error)
	Get(ctx context.Context, id store.ID) (int, error)
	Results(ctx context.Context) (map[store.ID]store.Result[int], error)
	Wait(ctx context.Context) error
	Stop(ctx context.Context) error
	Done() <-chan struct{}
	Resize(workers int) error
	Stats() pool.Stats
}

// A Func is the task function of a round.
type Func = func(context.Context, *Task) (int, error)

// A Maker makes the pool of a round.
type Maker func(ctx context.Context, fn Func, st store.ResultStore[int], opts *pool.Options) (Pool, error)

// Real makes the pool that all of this is for.
func Real(ctx context.Context, fn Func, st store.ResultStore[int], opts *pool.Options) (Pool, error) {
	p, err := pool.New(ctx, fn, st, opts)
	if err != nil {
		return nil, err // a nil *pool.Pool in a Pool would not be nil
	}
	return p, nil
}
