// Engines compares a pool over JetStream with two other systems that keep tasks
// and their results on a server: River, over PostgreSQL, and asynq, over Redis or
// Valkey. It starts the servers itself, in a temporary folder, measures for
// about three minutes, prints a report in Markdown, and draws
// docs/plots/engines.svg:
//
//	GOWORK=off go -C bench/engines run . run
//	GOWORK=off go -C bench/engines run . run -o report.md -plots . -only asynq
//
// "run . run -h" lists the flags; paths start from bench/engines. What is not
// installed is skipped, and the report says what to install.
//
// # What is measured
//
// Tasks that do nothing, from an int to an int. Each write is synced before it is
// acknowledged: PostgreSQL has synchronous_commit on, Redis appendfsync always, and
// the NATS server in this process its sync for each message.
//
//   - Batches: tasks a second, from the first submit until all results are stored and
//     acknowledged. One goroutine submits 5,000 tasks by one call. asynq has no such
//     call, and gets them from 64 goroutines.
//   - 64 and 256 goroutines: the same, each submitting one task after another.
//   - From submit to result: the median time of that for one task at a time, with nothing else to
//     do. Who waits does what the library has for that: Get of the pool,
//     a subscription of River, and where there is nothing, a look every millisecond.
//   - A write of 200 bytes with an fsync, in a file on the same disk.
//
// Afterwards all results are read and compared with what they should be. Each
// measurement has servers that were just started, on empty stores. A repetition
// is one measurement of each in turn; the report shows medians.
//
// Pools have two workers. River and asynq have what is best for them of some
// numbers of workers, servers and pauses, which a short try of each decides on this machine:
// one for batches and one for those who submit one by one. Rows with two
// workers are there, too.
//
// # What is not fair about it
//
//   - We wrote it. We know the options of ours best.
//   - The NATS server is in this process and is called without a socket. The others'
//     servers are processes of their own, on Unix sockets, which is the fastest that
//     they have. On several machines all three use a network.
//   - Tasks that do nothing share messages, by hundreds. Tasks of a second do not, and for them
//     all three are fast enough.
//   - River and asynq do more: schedules, retries on other machines, priorities, unique
//     tasks. A job of River can be inserted in the transaction that writes your data.
//   - On two cores the servers and the libraries share them. With more, those whose
//     work is in several processes gain more.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
)

// docs is the folder of the picture, from bench/engines, where go -C runs this program.
const docs = "../../docs"

func main() {
	log.SetFlags(0)
	log.SetPrefix("engines: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Stdout, os.Args[1:]...); err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal(err)
	}
}

// command is engines without the process around it.
func command(ctx context.Context, stdout io.Writer, args ...string) error {
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	if name != "run" {
		return fmt.Errorf("%q is no command: say run; go doc ./bench/engines says how", name)
	}
	o, err := parseRun(flag.NewFlagSet(name, flag.ContinueOnError), args)
	if err != nil {
		return err
	}
	return o.run(ctx, stdout)
}
