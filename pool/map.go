package pool

import (
	"context"
	"errors"
	"fmt"

	"github.com/resultpool/resultpool/internal/deal"
	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/internal/text"
)

// Map runs fn over all of in and returns the values in the order of in, with all the errors. It needs no pool and
// no store.
//
//	thumbs, err := pool.Map(ctx, files, makeThumb, nil)
//
// values is as long as in: values[i] is what fn returned for in[i], also with an error, and zero if fn did not
// return. The error is nil if every call succeeded. Otherwise it joins the errors of the calls that failed, in the
// order of in, each with its index in the text: a *[PanicError] for a panic, [ErrGoexit] for a Goexit. An error
// does not stop the other calls; to stop at the first, cancel ctx in fn.
//
// When ctx is done, no further call is started. Map waits for the calls that run, and adds one error that matches
// [ErrNotRun] and ctx's cause.
//
// Map blocks until the last call has returned. opts.Workers calls run at once, on goroutines that are started when
// needed and have ended when Map returns. The error is [ErrNilFunc], [ErrNilTask] with the index, or one that names
// the field of opts that is wrong; then fn is not called.
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
	if i, ok := guard.NilTask(in); ok {
		return nil, fmt.Errorf("%w at index %d", ErrNilTask, i)
	}

	values, failures, calls := deal.Run(ctx, in, min(o.Workers, len(in)), fn, deal.Errors{
		Goexit: ErrGoexit,
		Panic:  func(value any, stack []byte) error { return &PanicError{Value: value, Stack: stack} },
	})
	var errs []error
	for _, f := range failures {
		errs = append(errs, text.Wrap(fmt.Sprintf("pool: input %d", f.Index), f.Err))
	}
	if unrun := len(in) - calls; unrun > 0 {
		errs = append(errs, text.Wrap(fmt.Sprintf("%d of %d inputs", unrun, len(in)), notRunBecause(context.Cause(ctx))))
	}
	return values, errors.Join(errs...)
}
