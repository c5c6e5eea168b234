package cookbook_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/resultpool/resultpool/pool"
)

// mapAll is pool.Map, except that the first error ends it: it cancels the calls that run, no other one starts,
// and it is the error that mapAll returns.
func mapAll[T, R any](ctx context.Context, in []T, fn func(context.Context, T) (R, error), opts *pool.Options) ([]R, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	values, err := pool.Map(ctx, in, func(ctx context.Context, v T) (R, error) {
		r, err := fn(ctx, v)
		if err != nil {
			cancel(err) // later ones change nothing
		}
		return r, err
	}, opts)
	if first := context.Cause(ctx); first != nil {
		return nil, first
	}
	return values, err // that of a panic, which stops nobody else
}

// As errgroup.WithContext does: one task fails, another one that runs is told to stop, and the rest is not run.
func Example_firstErrorStopsTheRest() {
	slow := make(chan bool)
	check := func(ctx context.Context, file string) (string, error) {
		switch file {
		case "slow":
			close(slow)
			<-ctx.Done()
			fmt.Println("slow was told:", context.Cause(ctx))
		case "bad":
			<-slow
			return "", errors.New("bad is damaged")
		case "never":
			fmt.Println("never was run")
		}
		return "", ctx.Err()
	}
	_, err := mapAll(context.Background(), []string{"slow", "bad", "never"}, check, &pool.Options{Workers: 2})
	fmt.Println(err)
	// Output:
	// slow was told: bad is damaged
	// bad is damaged
}
