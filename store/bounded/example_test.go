package bounded_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bounded"
	"github.com/resultpool/resultpool/store/dense"
)

// A program that runs for long and whose results are not all fetched: it keeps the last three.
func ExampleNew() {
	ctx := context.Background()
	st, err := bounded.New(dense.New[int](), bounded.Options{MaxResults: 3, MaxAge: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	square := func(_ context.Context, n int) (int, error) { return n * n, nil }
	p, err := pool.New(ctx, square, st, &pool.Options{Workers: 1}) // one, so that tasks end in order
	if err != nil {
		fmt.Println(err)
		return
	}
	ids, err := p.SubmitAll(ctx, []int{1, 2, 3, 4, 5})
	fmt.Println(ids, err, p.Stop(ctx))

	_, err = p.Get(ctx, ids[1])
	fmt.Println("the second:", errors.Is(err, store.ErrNotFound))
	fmt.Println(p.Get(ctx, ids[2]))
	held, err := store.Snapshot(ctx, st)
	fmt.Println(len(held), "are held,", err)
	// Output:
	// [1 2 3 4 5] <nil> <nil>
	// the second: true
	// 9 <nil>
	// 3 are held, <nil>
}
