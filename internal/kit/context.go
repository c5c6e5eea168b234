package kit

import (
	"context"
	"errors"
	"time"
)

// ErrCause is the cause with which checks cancel contexts.
var ErrCause = errors.New("conformance kit: the cause of a cancel")

// WithDone calls f with contexts of every kind that are done.
func WithDone(ctx context.Context, f func(done context.Context)) {
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	caused, cancelCause := context.WithCancelCause(ctx)
	cancelCause(ErrCause)
	expired, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Hour))
	defer cancel()
	Within("with a context that is cancelled", func() { f(canceled) })
	Within("with a context that is cancelled with a cause", func() { f(caused) })
	Within("with a context that is expired", func() { f(expired) })
}

// Refused reports whether err is how a method refuses to work, or to wait, with ctx.
func Refused(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}
