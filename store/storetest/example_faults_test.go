package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/storetest"
)

// A database that is down for the first three calls, and that never takes the
// result with ID 2: the pool loses nothing.
func ExampleWithFaults() {
	ctx := context.Background()
	st := storetest.WithFaults(rwmutex.New[string](), storetest.Faults{
		Put: storetest.Chain(
			storetest.First(3, storetest.Fail(errors.New("the database is down"))),
			storetest.Only(storetest.First(1, storetest.Fail(store.ErrRejected)), 2),
		),
	})
	upper := func(_ context.Context, s string) (string, error) { return strings.ToUpper(s), nil }
	p, err := pool.New(ctx, upper, st, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ids, err := p.SubmitAll(ctx, []string{"first", "second", "third"})
	fmt.Println(ids, err)
	fmt.Println(p.Stop(ctx))
	for _, id := range ids {
		res, err := st.Get(ctx, id)
		fmt.Printf("%d %q %v\n", id, res.Value, errors.Is(res.Err, store.ErrRejected))
		if err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// [1 2 3] <nil>
	// <nil>
	// 1 "FIRST" false
	// 2 "" true
	// 3 "THIRD" false
}
