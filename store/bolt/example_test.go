package bolt_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
)

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "squares.db")

	// run is what the program does each time that it is started.
	run := func(in int) store.ID {
		ctx := context.Background()
		st, err := bolt.Open[int](path, nil)
		if err != nil {
			log.Fatal(err)
		}
		defer st.Close()
		square := func(_ context.Context, n int) (int, error) { return n * n, nil }
		p, err := pool.New(ctx, square, st, nil)
		if err != nil {
			log.Fatal(err)
		}
		id, err := p.Submit(ctx, in)
		if err != nil {
			log.Fatal(err)
		}
		if err := p.Stop(ctx); err != nil { // before st.Close
			log.Fatal(err)
		}
		return id
	}
	first := run(3)
	second := run(4)

	// Another process, another day: all results are there.
	st, err := bolt.Open[int](path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer st.Close()
	for _, id := range []store.ID{first, second} {
		res, err := st.Get(context.Background(), id)
		fmt.Println(res.Value, err)
	}
	fmt.Println(first < second)
	// Output:
	// 9 <nil>
	// 16 <nil>
	// true
}
