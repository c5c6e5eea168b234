// Memory counts the words of files, on the processors of this machine. See
// docs/many-machines.md.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	p := must(pool.New(ctx, words, dense.New[int](), nil))

	ids := must(p.SubmitAll(ctx, os.Args[1:]))
	for i, id := range ids {
		fmt.Println(must(p.Get(ctx, id)), os.Args[1+i])
	}
	if err := p.Stop(ctx); err != nil {
		log.Fatal(err)
	}
}

// words returns how many words a file has.
func words(_ context.Context, file string) (int, error) {
	text, err := os.ReadFile(file)
	return len(bytes.Fields(text)), err
}

// must returns v, or ends the program with err.
func must[V any](v V, err error) V {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
