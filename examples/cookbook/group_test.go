package cookbook_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// group runs tasks on a pool that others use as well, and returns their values in the order of in. The first error calls
// the others off, and so does the end of ctx. When group returns, all of its tasks have ended and nothing of them is stored.
func group[T, R any](ctx context.Context, p *pool.Pool[T, R], st store.ResultStore[R], in []T) ([]R, error) {
	ids, failed := p.SubmitAll(ctx, in)
	callOff := func(cause error) {
		for _, id := range ids {
			p.Cancel(id, cause)
		}
	}
	if failed != nil { // then ids are those of the tasks that were accepted
		callOff(failed)
	}
	defer context.AfterFunc(ctx, func() { callOff(context.Cause(ctx)) })()

	values := make([]R, len(in))
	uncancelled := context.WithoutCancel(ctx)
	for res, err := range p.GetAll(uncancelled, ids) {
		if err = errors.Join(err, res.Err); err != nil && failed == nil {
			failed = err
			callOff(err)
		}
		if i, ok := slices.BinarySearch(ids, res.ID); ok { // IDs increase
			values[i] = res.Value
		}
	}
	return values, errors.Join(failed, store.DeleteAll(uncancelled, st, ids))
}

// Two requests share one pool, and each waits for its own tasks. The error of one does not stop the other.
func Example_groupOnASharedPool() {
	ctx := context.Background()
	parse := func(ctx context.Context, s string) (int, error) {
		if s == "slow" {
			<-ctx.Done()
			return 0, context.Cause(ctx)
		}
		return strconv.Atoi(s)
	}
	st := dense.New[int]()
	p := must(pool.New(ctx, parse, st, nil))

	good, bad := make(chan string), make(chan string)
	go func() { good <- fmt.Sprint(group(ctx, p, st, []string{"1", "2", "3"})) }()
	go func() {
		_, err := group(ctx, p, st, []string{"4", "five", "slow"})
		bad <- err.Error()
	}()
	fmt.Println(<-good)
	fmt.Println(<-bad)

	fmt.Println(p.Stop(ctx), len(must(p.Results(ctx))), "results are left")
	// Output:
	// [1 2 3] <nil>
	// strconv.Atoi: parsing "five": invalid syntax
	// <nil> 0 results are left
}
