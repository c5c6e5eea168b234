package pool_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// A user has closed the page: his task is not wanted any more, whether it runs or waits.
func ExamplePool_Cancel() {
	ctx := context.Background()
	begun := make(chan store.ID)
	work := func(ctx context.Context, page string) (string, error) {
		task, _ := pool.TaskFromContext(ctx)
		begun <- task.ID
		<-ctx.Done() // it would take hours
		return "half of " + page, context.Cause(ctx)
	}
	p, err := pool.New(ctx, work, dense.New[string](), &pool.Options{Workers: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	ids, err := p.SubmitAll(ctx, []string{"a", "b"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("task", <-begun, "has begun; running:", p.Running())

	errLeft := errors.New("the user has left")
	for _, id := range []store.ID{ids[1], ids[0]} {
		fmt.Println(p.Cancel(id, errLeft))
		fmt.Println(p.Get(ctx, id))
	}
	fmt.Println(p.Cancel(ids[0], nil), p.Stop(ctx))
	// Output:
	// task 1 has begun; running: [1]
	// true
	//  pool: task not run: the user has left
	// true
	// half of a the user has left
	// false <nil>
}
