package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// Submit tasks, get their results.
func Example() {
	ctx := context.Background()
	shout := func(_ context.Context, word string) (string, error) {
		if word == "" {
			return "", errors.New("nothing to shout")
		}
		return strings.ToUpper(word) + "!", nil
	}
	p, err := pool.New(ctx, shout, dense.New[string](), &pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	ids, err := p.SubmitAll(ctx, []string{"ready", "", "go"})
	if err != nil {
		log.Fatal(err)
	}
	for _, id := range ids {
		loud, err := p.Get(ctx, id)
		fmt.Println(id, loud, err)
	}
	fmt.Println(p.Stop(ctx))
	// Output:
	// 1 READY! <nil>
	// 2  nothing to shout
	// 3 GO! <nil>
	// <nil>
}

// A pool whose tasks are closures.
func ExampleCall() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Call[int], dense.New[int](), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	base := 6
	id, err := p.Submit(ctx, func(context.Context) (int, error) { return base * 7, nil })
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Get(ctx, id))
	fmt.Println(p.Stop(ctx))
	// Output:
	// 42 <nil>
	// <nil>
}

// One function over a slice, with neither pool nor store to look after.
func ExampleMap() {
	lengths, err := pool.Map(context.Background(), []string{"a", "bb", "", "dddd"},
		func(_ context.Context, s string) (int, error) {
			if s == "" {
				return 0, errors.New("empty")
			}
			return len(s), nil
		}, nil)
	fmt.Println(lengths)
	fmt.Println(err)
	// Output:
	// [1 2 0 4]
	// pool: input 2: empty
}

// Shut down on a signal: let what was accepted finish, but not for longer than a
// deadline; after that run no more, and wait only for what is running.
func ExamplePool_Stop() {
	sigint, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithCancelCause(context.Background()) // not sigint: that would cancel the tasks
	defer cancel(nil)
	p, err := pool.New(ctx, func(_ context.Context, n int) (int, error) { return n * n, nil }, dense.New[int](), nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	for n := range 3 {
		if _, err := p.Submit(sigint, n); err != nil { // a signal ends the wait for room
			fmt.Println(err)
			break
		}
	}
	// A server would wait here: <-sigint.Done().

	deadline, cancelDeadline := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancelDeadline()
	if err = p.Stop(deadline); errors.Is(err, context.DeadlineExceeded) {
		cancel(errors.New("shutting down"))
		err = p.Stop(context.Background()) // what runs sees its context end
	}
	fmt.Println(err, p.Stats().Succeeded)
	// Output: <nil> 3
}

// End a pool soon, but not in the middle of a task: let those that run finish and
// leave those that wait unrun.
func ExamplePool_Resize() {
	ctx := context.Background()
	begun, finish := make(chan struct{}, 3), make(chan struct{})
	slow := func(_ context.Context, n int) (int, error) {
		begun <- struct{}{}
		<-finish
		return n * n, nil
	}
	p, err := pool.New(ctx, slow, dense.New[int](), &pool.Options{Workers: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	ids, err := p.SubmitAll(ctx, []int{2, 3, 4})
	if err != nil {
		fmt.Println(err)
		return
	}

	<-begun // one runs, two wait
	if err := p.Resize(0); err != nil {
		fmt.Println(err)
	}
	close(finish)
	fmt.Println(p.Stop(ctx))
	for _, id := range ids {
		fmt.Println(p.Get(ctx, id))
	}
	// Output:
	// pool: task not run: pool: no workers
	// 4 <nil>
	// 0 pool: task not run: pool: no workers
	// 0 pool: task not run: pool: no workers
}

// fullDisk is a store that cannot write for now.
type fullDisk struct{ store.ResultStore[string] }

func (fullDisk) Put(context.Context, store.Result[string]) error { return errors.New("disk full") }

// A store that fails is tried again until it works. If the pool is cancelled
// first, Stop hands the results back.
func ExampleUnsavedError() {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	double := func(_ context.Context, s string) (string, error) { return s + s, nil }
	p, err := pool.New(ctx, double, fullDisk{dense.New[string]()}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := p.Submit(ctx, "ab"); err != nil {
		fmt.Println(err)
	}

	deadline, cancelDeadline := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancelDeadline()
	fmt.Println(p.Stop(deadline), p.Stats().Unsaved)
	cancel(errors.New("shutting down"))
	err = p.Stop(context.Background())
	fmt.Println(err)

	var unsaved *pool.UnsavedError[string]
	if errors.As(err, &unsaved) {
		for _, res := range unsaved.Results {
			fmt.Println("to be kept elsewhere:", res.ID, res.Value, res.Err)
		}
	}
	// Output:
	// context deadline exceeded 1
	// pool: the result of task 1 could not be saved: disk full: shutting down
	// to be kept elsewhere: 1 abab <nil>
}

// withTimeout gives every call of fn its own deadline.
func withTimeout[T, R any](limit time.Duration, fn func(context.Context, T) (R, error)) func(context.Context, T) (R, error) {
	return func(ctx context.Context, in T) (R, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return fn(ctx, in)
	}
}

// withRetry calls fn up to attempts times, with pauses that double, until it succeeds or ctx is
// done. github.com/cenkalti/backoff has more to offer.
func withRetry[T, R any](attempts int, pause time.Duration, fn func(context.Context, T) (R, error)) func(context.Context, T) (R, error) {
	return func(ctx context.Context, in T) (R, error) {
		for i := 1; ; i++ {
			v, err := fn(ctx, in)
			if err == nil || i == attempts {
				return v, err
			}
			select {
			case <-time.After(pause << (i - 1)):
			case <-ctx.Done():
				return v, errors.Join(err, context.Cause(ctx))
			}
		}
	}
}

// Retries, timeouts, rate limits and tracing are functions around the task function. The order
// says what they mean: here each attempt has its own deadline.
func ExampleNew_retryAndTimeout() {
	ctx := context.Background()
	calls := 0
	flaky := func(ctx context.Context, n int) (int, error) {
		if calls++; calls == 1 {
			<-ctx.Done() // hangs
			return 0, ctx.Err()
		}
		return n * 2, nil
	}
	p, err := pool.New(ctx, withRetry(3, time.Millisecond, withTimeout(10*time.Millisecond, flaky)), dense.New[int](), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := p.Submit(ctx, 21)
	fmt.Println(id, err)
	fmt.Println(p.Get(ctx, id))
	fmt.Println(p.Stop(ctx))
	fmt.Println(calls, "calls")
	// Output:
	// 1 <nil>
	// 42 <nil>
	// <nil>
	// 2 calls
}
