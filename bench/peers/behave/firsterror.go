package behave

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	pondpool "github.com/alitto/pond/v2"
	concpool "github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"
)

// The first of ten tasks fails: which of the others start, and is their context done.
var firstError = row{
	name:  "first-error",
	title: "a call by which the first error ends the rest",
	cells: map[string]program{
		ours:      nil, // of an option of Map, or of New: a task has to cancel the context itself
		conc:      firstErrorConc,
		pond:      firstErrorPond,
		ants:      nil, // of tasks that return errors
		gammazero: nil, // of tasks that return errors
		errGroup:  firstErrorErrgroup,
		riverPool: nil, // of jobs that belong together
		channel:   nil,
	},
}

// rest counts the tasks that were called after the first, and those whose context was done then.
type rest struct{ starts, ended atomic.Int32 }

func (r *rest) task(ctx context.Context, in int) error {
	if in == 0 {
		return errors.New("the first")
	}
	r.starts.Add(1)
	if ctx.Err() != nil {
		r.ended.Add(1)
	}
	return nil
}

func (r *rest) said() string {
	if n := r.starts.Load(); n > 0 && n == r.ended.Load() {
		return fmt.Sprintf("yes, %d start cancelled", n)
	}
	if r.ended.Load() == 0 && r.starts.Load() == 0 {
		return "yes, 0 start"
	}
	return fmt.Sprintf("%d start", r.starts.Load())
}

func firstErrorConc(ctx context.Context) string {
	var r rest
	p := concpool.New().WithMaxGoroutines(1).WithContext(ctx).WithCancelOnError()
	for in := range 10 {
		p.Go(func(ctx context.Context) error { return r.task(ctx, in) })
	}
	if p.Wait() == nil {
		return "no error"
	}
	return r.said()
}

func firstErrorPond(context.Context) string {
	var r rest
	p := pondpool.NewPool(1)
	g := p.NewGroup()
	for in := range 10 {
		g.SubmitErr(func() error { return r.task(g.Context(), in) })
	}
	if g.Wait() == nil {
		return "no error"
	}
	p.StopAndWait()
	return r.said()
}

func firstErrorErrgroup(ctx context.Context) string {
	var r rest
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(1)
	for in := range 10 {
		g.Go(func() error { return r.task(ctx, in) })
	}
	if g.Wait() == nil {
		return "no error"
	}
	return r.said()
}
