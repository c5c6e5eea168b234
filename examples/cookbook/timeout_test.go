package cookbook_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

var errTimeout = errors.New("took too long")

// withTimeout gives every call of fn its own deadline.
func withTimeout[T, R any](limit time.Duration, fn func(context.Context, T) (R, error)) func(context.Context, T) (R, error) {
	return func(ctx context.Context, in T) (R, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, limit, errTimeout)
		defer cancel()
		return fn(ctx, in)
	}
}

// A limit for each run of a task, and one for a task as a whole, from its submission on.
func Example_timeout() {
	hang := func(ctx context.Context, _ string) (string, error) {
		<-ctx.Done()
		return "", context.Cause(ctx)
	}
	ctx := context.Background()
	p := must(pool.New(ctx, withTimeout(10*time.Millisecond, hang), dense.New[string](), nil))
	_, err := p.Get(ctx, must(p.Submit(ctx, "a")))
	fmt.Println(err)
	report(p.Stop(ctx))

	errLate := errors.New("nobody waits for it any more")
	again := func(context.Context, string) (string, error) { return "", errors.New("down") }
	p = must(pool.New(ctx, pool.Retry(again, pool.Backoff{Attempts: 1000, First: time.Minute}), dense.New[string](), nil))
	id := must(p.Submit(ctx, "b"))
	timer := time.AfterFunc(10*time.Millisecond, func() { p.Cancel(id, errLate) })
	defer timer.Stop()
	_, err = p.Get(ctx, id)
	fmt.Println(errors.Is(err, errLate))
	report(p.Stop(ctx))
	// Output:
	// took too long
	// true
}
