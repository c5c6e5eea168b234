// Jetstream counts the words of files, on all machines that run it. NATS_URL says where
// the servers are. See docs/many-machines.md.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/pool"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	p := must(pool.Join(ctx, words, must(jetstream.Open(ctx, os.Getenv("NATS_URL"), "words", nil)), nil))

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
