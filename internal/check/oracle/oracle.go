// Package oracle is one pool and the account of all that happened to it: who
// submitted what, what each task did, what the store was given and what every call
// returned. It finds fault with a pool that breaks one of these rules:
//
//   - a task is accepted if and only if its result is stored once under its ID,
//     or handed back by Stop: the right kind, value and very error of that task;
//   - it ran once, or never if its result says so; a refused task never ran;
//   - no more tasks run at once than there may be workers;
//   - IDs increase from one Submit to every one that begins after it;
//   - each Stats adds up, fits what was seen, and no count goes backwards;
//   - every error is one that the contract allows at that moment;
//   - when Done is closed all of that is final.
//
// The oracle knows the pool by the functions of a [Pool] only, so that it can be tried
// on pools that are broken on purpose. Package chaos makes the load.
package oracle

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

type (
	// A Func is the task function of a pool.
	Func = func(context.Context, *Task) (int, error)
	// A Result is what a pool stores for a task.
	Result = store.Result[int]
	// A Store is where a pool stores them.
	Store = store.ResultStore[int]
	// A Maker makes a pool.
	Maker func(ctx context.Context, fn Func, st Store, opts *pool.Options) (Pool, error)
)

// A Pool is what is judged: the methods of a *pool.Pool[*Task, int], or what stands in
// for one of them.
type Pool struct {
	Submit    func(ctx context.Context, in *Task) (store.ID, error)
	TrySubmit func(in *Task) (store.ID, error)
	SubmitAll func(ctx context.Context, in []*Task) ([]store.ID, error)
	Get       func(ctx context.Context, id store.ID) (int, error)
	Wait      func(ctx context.Context) error
	Stop      func(ctx context.Context) error
	Done      func() <-chan struct{}
	Resize    func(workers int) error
	Stats     func() pool.Stats
}

// Real makes the pool that all of this is for.
func Real(ctx context.Context, fn Func, st Store, opts *pool.Options) (Pool, error) {
	p, err := pool.New(ctx, fn, st, opts)
	if err != nil {
		return Pool{}, err
	}
	return Pool{p.Submit, p.TrySubmit, p.SubmitAll, p.Get, p.Wait, p.Stop, p.Done, p.Resize, p.Stats}, nil
}

// An Oracle judges one pool.
//
// What it knows of the pool's state is set in such an order that it can be wrong to
// one side only: what may happen is noted before the call that makes it happen, and
// what must not happen any more after that call has returned.
type Oracle struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	cause   error // of the cancel
	room    int
	workers int // at first
	pool    Pool
	st      Store

	full       atomic.Uint64 // submissions that were refused for want of room
	allowed    atomic.Int64  // the most workers there may ever have been
	running    atomic.Int64  // tasks
	lateStarts atomic.Int64  // after the cancel
	floor      atomic.Uint64 // the highest ID that was returned

	closing   atomic.Bool // Stop or the cancel has begun
	closed    atomic.Bool // … and has closed the pool
	cancelled atomic.Bool
	zeroed    atomic.Bool // a Resize(0) has begun

	mu       sync.Mutex
	offered  []*Task               // guarded by mu
	ids      []*Task               // accepted, in the order in which that was noticed; guarded by mu
	accounts map[store.ID]*account // guarded by mu
	verdicts []error               // of Stops that have waited for the end; guarded by mu
	faults   []error               // guarded by mu
	sum      pool.Stats            // of the tasks that settle has looked at
}

type key struct{}

// New returns an oracle for a pool of that size, which may be cancelled with that cause.
func New(cause error, opts *pool.Options) *Oracle {
	o := &Oracle{cause: cause, room: opts.Queue, accounts: make(map[store.ID]*account)}
	o.ctx, o.cancel = context.WithCancelCause(context.WithValue(context.Background(), key{}, o))
	if o.room == 0 {
		o.room = 1024
	}
	if o.workers = opts.Workers; o.workers == 0 {
		o.workers = runtime.GOMAXPROCS(0)
	}
	o.allowed.Store(int64(o.workers))
	return o
}

// Open makes the pool, whose task function is fn between two looks. Before it, the
// pool's context may be cancelled.
func (o *Oracle) Open(newPool Maker, fn Func, st Store, opts *pool.Options) error {
	o.st = st
	run := func(ctx context.Context, t *Task) (int, error) {
		if t == nil {
			o.Fault("a nil task was run")
			return 0, nil
		}
		o.enter(ctx, t)
		defer o.leave(ctx, t)
		return t.run(ctx, fn)
	}
	p, err := newPool(o.ctx, run, st, opts)
	if err != nil {
		return fmt.Errorf("making the pool: %w", err)
	}
	o.pool = p
	if s := p.Stats(); s != (pool.Stats{Workers: o.workers, Capacity: o.room}) {
		o.Fault("Stats of a new pool: %+v", s)
	}
	return nil
}

// enter checks what has to be so when a task starts.
func (o *Oracle) enter(ctx context.Context, t *Task) {
	cancelled := o.cancelled.Load()
	if n := o.running.Add(1); n > o.allowed.Load() {
		o.Fault("%d tasks run at once, and there were never more than %d workers", n, o.allowed.Load())
	}
	if n := t.ran.Add(1); n > 1 {
		o.Fault("%v ran again", t)
	}
	if ctx.Value(key{}) != o {
		o.Fault("%v does not see the values of the pool's context", t)
	}
	if cancelled {
		o.lateStarts.Add(1)
	}
}

// leave checks what has to be so when a task ends.
func (o *Oracle) leave(ctx context.Context, t *Task) {
	if o.cancelled.Load() && context.Cause(ctx) != o.cause { //nolint:errorlint // the very error
		o.Fault("%v: after the cancel the cause of its context is %v", t, context.Cause(ctx))
	}
	if o.hasEnded() {
		o.Fault("%v was running when Done was closed", t)
	}
	o.running.Add(-1)
}

// Fault notes that the pool has done what it must not.
func (o *Oracle) Fault(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults = append(o.faults, fmt.Errorf(format, args...))
}

// Guard is deferred by a goroutine that calls the pool. It turns a panic into a fault.
func (o *Oracle) Guard() {
	if v := recover(); v != nil {
		o.Fault("a call panicked: %v\n%s", v, debug.Stack())
	}
}

// Err returns the first faults.
func (o *Oracle) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w\n%+v", errors.Join(o.faults[:min(len(o.faults), 10)]...), o.pool.Stats())
}

// Pick returns one of the tasks that are known to be accepted, or nil. The newest are
// the most interesting.
func (o *Oracle) Pick(n int) *Task {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.ids) == 0 {
		return nil
	}
	return o.ids[len(o.ids)-1-n%min(len(o.ids), 8)]
}

func (o *Oracle) hasEnded() bool {
	select {
	case <-o.pool.Done():
		return true
	default:
		return false
	}
}
