package pool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// Tell a task that has failed from a result that cannot be had.
func ExamplePool_Result() {
	ctx := context.Background()
	half := func(_ context.Context, in int) (int, error) {
		if in%2 != 0 {
			return in / 2, errors.New("odd")
		}
		return in / 2, nil
	}
	p, err := pool.New(ctx, half, dense.New[int](), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := p.Submit(ctx, 7)
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := p.Result(ctx, id)
	fmt.Println(res.Value, res.Err, err)
	_, err = p.Result(ctx, 100)
	fmt.Println(errors.Is(err, store.ErrNotFound))
	fmt.Println(p.Stop(ctx))
	// Output:
	// 3 odd <nil>
	// true
	// <nil>
}

// Say how far a job is, as the URL of a job in an HTTP service does.
func ExamplePool_Peek() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Call[int], dense.New[int](), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	gate := make(chan struct{})
	id, err := p.Submit(ctx, func(context.Context) (int, error) { <-gate; return 42, nil })
	if err != nil {
		fmt.Println(err)
		return
	}
	_, state, err := p.Peek(ctx, id)
	fmt.Println(state, err)
	close(gate)
	fmt.Println(p.Stop(ctx))
	res, state, err := p.Peek(ctx, id)
	fmt.Println(state, res.Value, err)
	_, state, err = p.Peek(ctx, 100)
	fmt.Println(state, err)
	// Output:
	// pending <nil>
	// <nil>
	// ended 42 <nil>
	// unknown <nil>
}

// Use results as tasks end, whichever is first.
func ExamplePool_GetAll() {
	ctx := context.Background()
	sleep := func(_ context.Context, d time.Duration) (time.Duration, error) {
		time.Sleep(d)
		return d, nil
	}
	p, err := pool.New(ctx, sleep, dense.New[time.Duration](), &pool.Options{Workers: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	ids, err := p.SubmitAll(ctx, []time.Duration{300 * time.Millisecond, 150 * time.Millisecond, time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	for res, err := range p.GetAll(ctx, ids) {
		if err != nil && res.ID == 0 {
			fmt.Println(err) // ctx is done, or the store has failed
			break
		}
		fmt.Println(res.Value, res.Err, err)
	}
	fmt.Println(p.Stop(ctx))
	// Output:
	// 1ms <nil> <nil>
	// 150ms <nil> <nil>
	// 300ms <nil> <nil>
	// <nil>
}

// A service that runs for ever takes each result, and deletes it, when its task has ended.
func ExamplePool_Finished() {
	ctx := context.Background()
	square := func(_ context.Context, in int) (int, error) { return in * in, nil }
	st := dense.New[int]()
	p, err := pool.New(ctx, square, st, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	sum, over := 0, make(chan struct{})
	go func() {
		defer close(over)
		for res, err := range p.Finished(ctx) {
			if err != nil {
				fmt.Println(err)
			}
			sum += res.Value
		}
	}()
	if _, err := p.SubmitAll(ctx, []int{1, 2, 3}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(p.Stop(ctx))
	<-over // the loop ends when nothing is left
	left, err := p.Results(ctx)
	fmt.Println(sum, len(left), err)
	// Output:
	// <nil>
	// 14 0 <nil>
}

// Map an endless sequence, in order, as far as it is needed.
func ExampleMapSeq() {
	var naturals iter.Seq[int] = func(yield func(int) bool) {
		for i := 1; yield(i); i++ {
		}
	}
	square := func(_ context.Context, in int) (int, error) { return in * in, nil }
	for n, err := range pool.MapSeq(context.Background(), naturals, square, nil) {
		if err != nil || n > 30 {
			break
		}
		fmt.Println(n)
	}
	// Output:
	// 1
	// 4
	// 9
	// 16
	// 25
}
