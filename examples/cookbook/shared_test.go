package cookbook_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// within has fn run only while it has one of slots, which others may share.
func within[T, R any](slots chan struct{}, fn func(context.Context, T) (R, error)) func(context.Context, T) (R, error) {
	return func(ctx context.Context, in T) (R, error) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			return fn(ctx, in)
		case <-ctx.Done():
			var none R
			return none, context.Cause(ctx)
		}
	}
}

// Two pools with tasks of different types, and a database that takes two queries at once.
func Example_oneLimitForSeveralPools() {
	var running atomic.Int64
	meet := make(chan bool)
	query := func() {
		if n := running.Add(1); n > 2 {
			fmt.Println(n, "queries at once")
		}
		select { // each one takes as long as it takes another to come
		case meet <- true:
		case <-meet:
		}
		running.Add(-1)
	}
	double := func(_ context.Context, n int) (int, error) { query(); return 2 * n, nil }
	shout := func(_ context.Context, s string) (string, error) { query(); return strings.ToUpper(s), nil }

	ctx := context.Background()
	slots := make(chan struct{}, 2)
	numbers := must(pool.New(ctx, within(slots, double), dense.New[int](), &pool.Options{Workers: 4}))
	words := must(pool.New(ctx, within(slots, shout), dense.New[string](), &pool.Options{Workers: 4}))

	for range 100 {
		must(numbers.Submit(ctx, 21))
		must(words.Submit(ctx, "go"))
	}
	fmt.Println(numbers.Stop(ctx), words.Stop(ctx))
	fmt.Println(numbers.Stats().Succeeded, words.Stats().Succeeded)
	// Output:
	// <nil> <nil>
	// 100 100
}
