package pool_test

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// withTimeout gives every call of fn its own deadline.
func withTimeout[T, R any](limit time.Duration, fn func(context.Context, T) (R, error)) func(context.Context, T) (R, error) {
	return func(ctx context.Context, in T) (R, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return fn(ctx, in)
	}
}

// withRetry calls fn up to attempts times, with pauses that double, until it
// succeeds or ctx is done. It returns the errors of all attempts.
// github.com/cenkalti/backoff has more to offer.
func withRetry[T, R any](attempts int, pause time.Duration, fn func(context.Context, T) (R, error)) func(context.Context, T) (R, error) {
	return func(ctx context.Context, in T) (R, error) {
		var errs []error
		for i := range attempts {
			v, err := fn(ctx, in)
			if err == nil {
				return v, nil
			}
			errs = append(errs, err)
			if i == attempts-1 {
				break
			}
			select {
			case <-time.After(pause << i):
			case <-ctx.Done():
				return v, errors.Join(append(errs, context.Cause(ctx))...)
			}
		}
		var zero R
		return zero, fmt.Errorf("%d attempts: %w", attempts, errors.Join(errs...))
	}
}

// Retries and timeouts are functions around the task function. The order says
// what they mean: here each attempt has its own deadline.
func ExampleNew_retryAndTimeout() {
	calls := 0
	flaky := func(ctx context.Context, n int) (int, error) {
		calls++
		if calls == 1 {
			<-ctx.Done() // hangs
			return 0, ctx.Err()
		}
		return n * 2, nil
	}

	ctx := context.Background()
	fn := withRetry(3, time.Millisecond, withTimeout(10*time.Millisecond, flaky))
	p, err := pool.New(ctx, fn, dense.New[int](), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := p.Submit(ctx, 21)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Get(ctx, id))
	fmt.Println(calls, "calls")
	fmt.Println(p.Stop(ctx))
	// Output:
	// 42 <nil>
	// 2 calls
	// <nil>
}

// withRate lets fn begin at most once for each tick. With bursts, and for rates
// that change, golang.org/x/time/rate does the same: limiter.Wait(ctx).
func withRate[T, R any](ticks <-chan time.Time, fn func(context.Context, T) (R, error)) func(context.Context, T) (R, error) {
	return func(ctx context.Context, in T) (R, error) {
		select {
		case <-ticks:
			return fn(ctx, in)
		case <-ctx.Done():
			var zero R
			return zero, context.Cause(ctx)
		}
	}
}

// A rate limit is a function around the task function too. Tasks that wait for
// their turn hold a worker, so the queue fills and Submit slows down to the rate.
func ExampleNew_rateLimit() {
	ctx := context.Background()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	ask := func(_ context.Context, question string) (string, error) { return question + " 42.", nil }

	p, err := pool.New(ctx, withRate(ticker.C, ask), dense.New[string](), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	begun := time.Now()
	for range 10 {
		if _, err := p.Submit(ctx, "The answer?"); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(p.Stop(ctx))
	fmt.Println(time.Since(begun) >= 9*5*time.Millisecond)
	// Output:
	// <nil>
	// true
}

// Stats is a plain struct, which expvar publishes as it is.
func ExamplePool_Stats() {
	ctx := context.Background()
	p, err := pool.New(ctx, func(_ context.Context, n int) (int, error) { return n, nil }, dense.New[int](), &pool.Options{Workers: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	var published expvar.Func = func() any { return p.Stats() }
	// In a program: expvar.Publish("thumbnails", published)

	for n := range 3 {
		if _, err := p.Submit(ctx, n); err != nil {
			fmt.Println(err)
		}
	}
	if err := p.Stop(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(published)
	// Output: {"Submitted":3,"Succeeded":3,"Failed":0,"Panicked":0,"NotRun":0,"Queued":0,"Running":0,"Unsaved":0,"Workers":4}
}
