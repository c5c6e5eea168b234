// Package broken has pools that are the real one with one fault each. The checks of
// pools are tried on them.
package broken

import (
	"context"
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/check/oracle"
	"github.com/resultpool/resultpool/pool"
)

// A Fault is what is wrong with a pool.
type Fault struct {
	Name string

	// Who need not find it: the state machine, whose calls do not race, or chaos, which
	// does not know exactly what is to be seen.
	NoMachine, NoChaos bool
	Hangs              bool // it holds up its callers, which is seen soon in a bubble only

	spoil func(*broken)                      // replaces methods of the pool, or its task function
	put   func(*broken, oracle.Result) error // is called in the place of the store's Put
}

// A broken is a real pool some of whose methods are replaced.
type broken struct {
	oracle.Pool
	real  oracle.Pool
	ctx   context.Context
	st    oracle.Store
	fn    oracle.Func
	calls atomic.Int64 // of the method that is spoiled
	last  atomic.Pointer[oracle.Result]
	seen  atomic.Pointer[pool.Stats]
}

// Make makes a pool with that fault.
func (f Fault) Make(ctx context.Context, fn oracle.Func, st oracle.Store, opts *pool.Options) (oracle.Pool, error) {
	b := &broken{ctx: ctx, st: st, fn: fn}
	if f.put != nil {
		st = spoiled{st, func(res oracle.Result) error { return f.put(b, res) }}
	}
	p, err := oracle.Real(ctx, func(ctx context.Context, t *oracle.Task) (int, error) { return b.fn(ctx, t) }, st, opts)
	if err != nil {
		return p, err
	}
	b.Pool, b.real = p, p
	if f.spoil != nil {
		f.spoil(b)
	}
	return b.Pool, nil
}

// now tells, for one call in three, that it is to go wrong.
func (b *broken) now() bool { return b.calls.Add(1)%3 == 0 }

// store puts res as it should be.
func (b *broken) store(res oracle.Result) error { return b.st.Put(context.Background(), res) }

// spoiled hides what st can do beside [store.ResultStore].
type spoiled struct {
	oracle.Store
	put func(oracle.Result) error
}

// Put implements [store.ResultStore].
func (s spoiled) Put(_ context.Context, res oracle.Result) error { return s.put(res) }

// done returns a context that is done.
func done(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}
