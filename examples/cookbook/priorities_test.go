package cookbook_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// peekAny is Peek of the pool that has taken the task, whichever of pools that is.
func peekAny[T, R any](ctx context.Context, id store.ID, pools ...*pool.Pool[T, R]) (store.Result[R], pool.State, error) {
	for _, p := range pools {
		if res, state, err := p.Peek(ctx, id); state != pool.Unknown || err != nil {
			return res, state, err
		}
	}
	return store.Result[R]{}, pool.Unknown, nil
}

// What is urgent has workers of its own, and waits behind nothing else. The results are in one store.
func Example_priorities() {
	ctx := context.Background()
	finish := make(chan bool)
	work := func(_ context.Context, in string) (string, error) {
		if strings.HasPrefix(in, "slow") {
			<-finish
		}
		return in + " is done", nil
	}
	st := dense.New[string]()
	normal := must(pool.New(ctx, work, st, &pool.Options{Workers: 6}))
	urgent := must(pool.New(ctx, work, st, &pool.Options{Workers: 2}))

	first := must(normal.Submit(ctx, "slow 0"))
	for n := range 100 {
		must(normal.Submit(ctx, fmt.Sprint("slow ", n+1)))
	}
	id := must(urgent.Submit(ctx, "fast"))
	fmt.Println(urgent.Get(ctx, id))

	_, state, err := peekAny(ctx, first, normal, urgent)
	fmt.Println("slow 0 is", state, err)
	close(finish)
	fmt.Println(normal.Stop(ctx), urgent.Stop(ctx))
	res, state, err := peekAny(ctx, first, urgent, normal) // in the store it is for both
	fmt.Println("slow 0 is", state, res.Value, err)
	// Output:
	// fast is done <nil>
	// slow 0 is pending <nil>
	// <nil> <nil>
	// slow 0 is ended slow 0 is done <nil>
}
