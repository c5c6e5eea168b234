package cookbook_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// logFailures says what has failed, and deletes all results, until p has ended.
func logFailures[T, R any](p *pool.Pool[T, R], log func(...any)) {
	for res, err := range p.Finished(context.Background()) {
		if err = errors.Join(err, res.Err); err != nil {
			log("task", res.ID, err)
		}
	}
}

type none = struct{}

// Tasks whose results nobody wants, but for their failures.
func Example_fireAndForget() {
	ctx := context.Background()
	p := must(pool.New(ctx, pool.Call[none], dense.New[none](), nil))
	logged := make(chan bool)
	go func() { logFailures(p, func(v ...any) { fmt.Println(v...) }); close(logged) }()

	for _, name := range []string{"ada", "", "bob"} {
		must(p.Submit(ctx, func(context.Context) (none, error) {
			if name == "" {
				return none{}, errors.New("no name to write to")
			}
			return none{}, nil // a mail was sent
		}))
	}
	report(p.Stop(ctx))
	<-logged
	fmt.Println(len(must(p.Results(ctx))), "results are left")
	// Output:
	// task 2 no name to write to
	// 0 results are left
}
