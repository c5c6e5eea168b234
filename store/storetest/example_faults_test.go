package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/storetest"
)

// A database that is down for the first three calls, and that never takes the
// result with ID 2: the pool loses nothing.
func ExampleWithFaults() {
	ctx := context.Background()
	st := storetest.WithFaults(dense.New[string](), storetest.Faults{
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
	fmt.Println(p.SubmitAll(ctx, []string{"first", "second", "third"}))
	fmt.Println(p.Stop(ctx))
	for res := range st.All(ctx) {
		fmt.Printf("%q %v\n", res.Value, errors.Is(res.Err, store.ErrRejected))
	}
	// Output:
	// [1 2 3] <nil>
	// <nil>
	// "FIRST" false
	// "" true
	// "THIRD" false
}
