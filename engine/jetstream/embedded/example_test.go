package embedded_test

import (
	"context"
	"fmt"
	"os"

	"github.com/resultpool/resultpool/engine/jetstream/embedded"
	"github.com/resultpool/resultpool/pool"
)

// A pool whose tasks and results are on the disk, and which other processes may join.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()

	ctx := context.Background()
	eng, err := embedded.Open(ctx, dir, "squares", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = eng.Close() }()

	square := func(_ context.Context, n int) (int, error) { return n * n, nil }
	p, err := pool.Join(ctx, square, eng, &pool.Options{Workers: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := p.Submit(ctx, 7)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Get(ctx, id))
	fmt.Println(p.Stop(ctx))
	// Output:
	// 49 <nil>
	// <nil>
}
