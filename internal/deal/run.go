package deal

import (
	"cmp"
	"context"
	"runtime/debug"
	"slices"
	"sync"
)

// A Failure is a call that did not succeed.
type Failure struct {
	Index int
	Err   error
}

// Errors are those of calls that do not return.
type Errors struct {
	Goexit error
	Panic  func(value any, stack []byte) error
}

// Run calls fn for each of in, on so many workers at most, until ctx is done. It returns what fn
// returned, in the order of in, the calls that did not succeed, in that order, and the number of
// calls. A call that panics or ends its goroutine by runtime.Goexit has an error of errs.
func Run[T, R any](ctx context.Context, in []T, workers int, fn func(context.Context, T) (R, error), errs Errors) (values []R, failures []Failure, calls int) {
	r := run[T, R]{
		ctx: ctx, fn: fn, in: in, errs: errs,
		values:    make([]R, len(in)),
		dealer:    New(len(in), workers),
		unstarted: workers,
	}
	r.start()
	r.workers.Wait()
	slices.SortFunc(r.failures, func(a, b Failure) int { return cmp.Compare(a.Index, b.Index) })
	return r.values, r.failures, r.calls
}

// run is one call of Run.
//
// The worker that was started last starts the next one when it has taken its first input, before it
// calls fn with it. So calls that wait for each other all run at once, while calls that do not
// wait are over before there are many workers, however many are allowed.
type run[T, R any] struct {
	ctx    context.Context
	fn     func(context.Context, T) (R, error)
	in     []T
	errs   Errors
	values []R // each written by the worker that took its index

	dealer    *Dealer
	unstarted int // workers that may still be started; belongs to the newest worker
	workers   sync.WaitGroup

	mu       sync.Mutex
	calls    int       // of fn, by workers that have ended; guarded by mu
	failures []Failure // guarded by mu
}

// A worker calls fn. All but its hand belongs to the goroutine that it is on.
type worker struct {
	hand    Hand
	newest  bool
	over    bool    // it makes no more calls
	calling bool    // fn is being called
	last    Failure // the last call, and its error if it ended by a panic
	calls   int     // that are not counted in run.calls

	_ [64]byte // each worker writes to its own for every input
}

// start starts another worker, if there may be one. Run calls it, and then the newest worker, which
// is not the newest any more afterwards.
func (r *run[T, R]) start() {
	if r.unstarted > 0 {
		r.unstarted--
		w := &worker{newest: true}
		r.workers.Go(func() { r.work(w) })
	}
}

// work calls fn for as long as there are inputs. If fn calls runtime.Goexit, the worker goes on
// on another goroutine.
func (r *run[T, R]) work(w *worker) {
	defer func() {
		r.mu.Lock()
		r.calls += w.calls
		r.mu.Unlock()
		if !w.over {
			r.fail(Failure{w.last.Index, r.errs.Goexit})
			w.calls = 0
			r.workers.Go(func() { r.work(w) })
		}
	}()
	for r.callUntilPanic(w); !w.over; r.callUntilPanic(w) {
		r.fail(w.last)
	}
}

// callUntilPanic calls fn until no input is left, ctx is done, or fn panics. One deferred function
// guards many calls: beside a call that does almost nothing, one each would be felt.
func (r *run[T, R]) callUntilPanic(w *worker) {
	w.calling = false
	defer func() {
		if w.calling { // otherwise ctx has panicked, which is not to be recovered from here
			w.last.Err = r.errs.Panic(recover(), debug.Stack()) // in a Goexit, work has another error
		}
	}()
	for h := range r.dealer.Hands(&w.hand) {
		if !r.play(h, w) {
			break
		}
	}
	w.over = true
}

// play calls fn for what is left in a hand. It returns false if ctx is done.
func (r *run[T, R]) play(h *Hand, w *worker) bool {
	ctx, fn := r.ctx, r.fn
	for ctx.Err() == nil {
		i, ok := r.dealer.Take(h)
		if !ok {
			return true
		}
		if w.newest { // before the call, which may wait for other calls
			w.newest = false
			r.start()
		}
		w.calls++
		w.last.Index, w.calling = i, true
		v, err := fn(ctx, r.in[i])
		w.calling = false
		r.values[i] = v
		if err != nil {
			r.fail(Failure{Index: i, Err: err})
		}
	}
	return false
}

func (r *run[T, R]) fail(f Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, f)
}
