package pool_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/pool"
)

// Two pools share tasks, as two machines do. The engine of this example is in memory; with
// that of package engine/jetstream the pools may be anywhere.
func ExampleJoin() {
	ctx := context.Background()
	shout := func(_ context.Context, word string) (string, error) { return strings.ToUpper(word) + "!", nil }
	eng := enginetest.NewMemory(nil)

	// This one runs tasks.
	worker, err := pool.Join(ctx, shout, eng.Open(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	// This one submits them, and reads their results.
	p, err := pool.Join[string, string](ctx, nil, eng.Open(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := p.Submit(ctx, "go")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Get(ctx, id))
	fmt.Println(p.Stop(ctx), worker.Stop(ctx))
	// Output:
	// GO! <nil>
	// <nil> <nil>
}
