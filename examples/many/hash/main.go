// Hash prints the SHA-256 sums of all files below a directory, as sha256sum does. All
// processes that are called with the same WHERE and the same DIR share the work: each reads a
// part of the files, and prints all sums. If one is killed, the others finish.
//
//	hash WHERE DIR
//
// WHERE is nats://HOST:PORT, or a folder for processes of this user on this machine. The NATS
// server is in one of them then; when that ends, in whatever way, another one starts it again.
// On several machines DIR must have the same real path and the same files.
//
// One process at a time has the turn. It looks for files, submits those that are new or have
// another size or mtime, waits until they are read, by whomever, and prints. The next one finds
// their sums. So does a later run, even after all were killed.
//
// After Ctrl-C the files that are being read are finished, and the sums that are done printed.
// What was not begun is left to the others, or to the next run. The second Ctrl-C kills.
package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/pool"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("hash: ")
	if len(os.Args) != 3 {
		log.Fatal("want WHERE, which is a folder or nats://HOST:PORT, and DIR")
	}
	s := &share{reading: func(string) {}}
	if err := s.run(os.Args[1], os.Args[2], 10*time.Second); err != nil { // for which one that was killed is waited for
		log.Fatal(err)
	}
}

func (s *share) run(where, dir string, lease time.Duration) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s.root = must(os.OpenRoot(dir))
	s.real = must(filepath.EvalSymlinks(must(filepath.Abs(dir))))
	s.dir = strings.TrimSuffix(dir, "/") + "/"
	if !strings.Contains(where, "://") {
		defer serve(where)()
	}

	name := fmt.Sprintf("hash-%.8x", sha256.Sum256([]byte(s.real)))
	s.engine = must(open(ctx, where, name, &jetstream.Options{Lease: lease, NATS: []nats.Option{
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Print("the server does not answer: waiting for it: ", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Print("the server answers again") }),
	}}))
	defer s.engine.Close()
	turns := must(open(ctx, where, name+"-turn", &jetstream.Options{Lease: lease, QueueBound: 1}))
	defer turns.Close()
	s.folder, _ = filepath.EvalSymlinks(must(filepath.Abs(where))) // an error says that there is none
	s.pool = must(again(ctx, s.engine.Retryable, func() (*pool.Pool[task, sum], error) {
		return pool.Join(context.Background(), s.hash, s.engine, nil) // after a Ctrl-C it finishes what it reads
	}))
	defer func() { _ = s.pool.Stop(context.Background()) }()
	defer context.AfterFunc(ctx, func() {
		stop()               // the next signal kills
		_ = s.pool.Stop(ctx) // gives back what was not begun
		log.Print("interrupted: finishing the files that are being read")
	})()
	return inTurn(ctx, turns, s.turn)
}

// must returns v, or ends the program with err.
func must[V any](v V, err error) V {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
