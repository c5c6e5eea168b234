package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// Map runs fn over all of in and returns the values in the order of in, with all
// the errors. It needs no pool and no store.
//
//	thumbs, err := pool.Map(ctx, files, makeThumb, nil)
//
// values is as long as in: values[i] is what fn returned for in[i], also beside
// an error, and zero if fn did not return. The error is nil if every call
// succeeded. Otherwise it joins the errors of the calls that did not, in the
// order of in, each with its index in the text: a *[PanicError] for a panic,
// [ErrGoexit] for a Goexit. An error does not stop the others; to stop at the
// first, cancel ctx in fn.
//
// When ctx is done, no further call is started. Map waits for those that run,
// and adds one error that matches [ErrNotRun] and ctx's cause.
//
// opts.Workers calls run at once, on goroutines that have ended when Map
// returns. The error is [ErrNilFunc], [ErrNilTask] with the index, or one that
// names the field of opts that is wrong, and fn is not called then.
func Map[T, R any](ctx context.Context, in []T, fn func(context.Context, T) (R, error), opts *Options) (values []R, err error) {
	if ctx == nil {
		return nil, errNilContext
	}
	if fn == nil {
		return nil, ErrNilFunc
	}
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if i, ok := nilTask(in); ok {
		return nil, fmt.Errorf("%w at index %d", ErrNilTask, i)
	}

	m := mapping[T, R]{ctx: ctx, fn: fn, in: in, values: make([]R, len(in))}
	for range min(o.Workers, len(in)) {
		m.crew.Go(m.work)
	}
	m.crew.Wait()
	return m.values, m.err()
}

// mapping is one call of Map under way.
type mapping[T, R any] struct {
	ctx    context.Context
	fn     func(context.Context, T) (R, error)
	in     []T
	values []R // each written by the worker that claimed its index

	claimed atomic.Int64 // how many of in have been claimed; may pass len(in)
	crew    sync.WaitGroup

	mu     sync.Mutex
	failed []failure // guarded by mu
}

type failure struct {
	index int
	err   error
}

func (m *mapping[T, R]) work() {
	for m.ctx.Err() == nil {
		i := int(m.claimed.Add(1)) - 1
		if i >= len(m.in) {
			return
		}
		m.call(i)
	}
}

func (m *mapping[T, R]) call(i int) {
	returned := false
	defer func() {
		if !returned {
			m.fail(i, ErrGoexit)
			m.crew.Go(m.work) // in place of this goroutine
		}
	}()
	v, _, err := protect(m.ctx, m.fn, m.in[i])
	m.values[i] = v
	if err != nil {
		m.fail(i, err)
	}
	returned = true
}

func (m *mapping[T, R]) fail(i int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = append(m.failed, failure{i, err})
}

func (m *mapping[T, R]) err() error {
	slices.SortFunc(m.failed, func(a, b failure) int { return cmp.Compare(a.index, b.index) })
	var errs []error
	for _, f := range m.failed {
		errs = append(errs, fmt.Errorf("pool: input %d: %w", f.index, f.err))
	}
	if unrun := len(m.in) - int(m.claimed.Load()); unrun > 0 {
		errs = append(errs, fmt.Errorf("%d of %d inputs: %w", unrun, len(m.in), notRunBecause(context.Cause(m.ctx))))
	}
	return errors.Join(errs...)
}
