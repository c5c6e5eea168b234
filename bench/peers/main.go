// Peers compares this module with other worker pools, all results kept, and
// writes the report docs/benchmarks.md. It takes about a quarter of an hour:
//
//	GOWORK=off go -C bench/peers run . run
//
// The raw figures go to docs/benchmarks.txt, in the format that benchstat reads,
// and the pictures to docs/plots. To measure only some, in fewer repetitions,
// write elsewhere; to make the report again, measure nothing:
//
//	GOWORK=off go -C bench/peers run . run -only work=1us -count 3 -out /tmp/1us
//	GOWORK=off go -C bench/peers run . report ../../docs/benchmarks.txt
//
// "run . run -h" lists the flags; all paths start from bench/peers.
//
// What these pools do where they differ, as when a task panics or the context is
// cancelled, is a table in README.md. Each of its cells is what a program has shown
// that was run just now: see package behave. A row alone, with what its programs write
// to standard error, takes seconds, or half a minute, as the table does:
//
//	GOWORK=off go -C bench/peers run . behaviours
//	GOWORK=off go -C bench/peers run . behaviours -v -row panic -pool errgroup
//
// # What is measured
//
// Tasks/work=…/n=…/submitters=…/workers=…/pool=…: a whole run, from making the
// pool, over submitting n tasks, until every result can be read and the pool has
// been told to end. ns/op is the time of that for each task; B/op and allocs/op
// are what was allocated; kept-B/op is how much larger the heap is afterwards,
// collected, while the results are alive. The works are
//
//   - trivial: the function returns its input. All that is measured is the pool;
//   - 1us, 10us, 100us, 1ms: arithmetic that takes about as long and touches no memory;
//   - mix: 99 % of 0.1 µs, 0.9 % of 10 µs and 0.1 % of 0.5 ms, in an order that
//     is random and the same for all;
//   - sleep: 1 ms of waiting, by a thousand workers.
//
// Bare/work=…: one of these functions in a loop, without a pool.
//
// Requests/work=…/n=…/clients=…/workers=…/pool=…: clients, each of which submits
// a task, waits for its result, and submits the next. ns/op is the time of all
// together for each request. Each client has a context of its own, as requests
// have; ours and channel-ctx stop waiting when it is done, the others cannot.
// sleep10 is 10 ms of waiting, by as many workers as there are clients.
//
// Reading/work=…/n=…/workers=…/pool=…: a whole run in which one goroutine submits
// and another handles each result while other tasks run.
//
// Waiting/work=1us/n=…/slow=…/waiting=…/workers=…/pool=dense: tasks that flow past
// slow ones, which have workers of their own; waiting goroutines are in Get of a
// slow one each.
//
// Map/work=…/n=…/workers=…/pool=…: one function over a slice.
//
// Idle/workers=…/pool=…: processor time of a process whose pool has run a thousand
// tasks and gets no more for two seconds. (Not on Windows.)
//
// Blocked/workers=…/pool=…: heap and stacks of a pool whose ten thousand workers
// are all in tasks that wait, for each of them. pool=chunked is a goroutine for
// each task and nothing else.
//
// Stall/held=…/store=…: see package bench, which does these.
//
// # How it is measured
//
// Every measurement is a process of its own: no rival inherits a heap, threads or
// goroutines. In it the rival first runs all tasks, four million at most, once for
// nothing, so that the heap has grown; then the garbage is collected, and the
// clock runs. That all results are there, each once, is checked when it has
// stopped; tests check that errors are kept. The collector runs as in any program.
//
// A repetition is one measurement of each rival in turn. What else the machine
// does in these minutes meets them all. Those that take long or hardly vary are
// left out of every second repetition, or of two in three, and Stall, which
// repeats by itself, is done once. The report shows medians.
//
// All have the same number of workers, two by default, and the same functions,
// each called through a variable. Where the length of a queue can be chosen and
// its default is none, it is 1,024, as by default with ours.
//
// Each rival keeps values and errors in the best way it has: see rivals_….go.
// Inputs lie in a slice that is there before the clock starts. dense-all is
// SubmitAll of that slice, in one call for each submitter.
//
// # What is not fair about it
//
//   - A slice for the results is made at once, in the right length, by those who
//     can write one (…-slice, channel, chunked): this needs the number of tasks
//     to be known beforehand. Ours, pond and conc need not know it.
//   - "channel" does nothing but this: no panic is recovered, no context looked
//     at, nothing can be stopped, and no result be read before the end. It is a
//     lower bound for pools with a queue, and where it is ahead, that is the
//     price of the rest. Loops by hand know all tasks beforehand too.
//   - The libraries do other things than keeping results: ants reuses goroutines,
//     errgroup ends at the first error, pond and conc recover panics. The closure
//     that keeps a result is ours, not theirs.
//   - Ours, pond and conc's Stream give a reader the results in the order of
//     submission, and one long task holds up those behind it; a channel of
//     results does not, and does not say whose result it is. Where a
//     request brings a channel for its reply, nothing is sent if its task panics;
//     ours and pond answer.
//   - xsync v4 is in a store that was written for this comparison only.
//   - conc is measured at its last release. In a later state of its main branch
//     (5f936abd7ae8) a ResultPool copies all results again and again as they
//     become more: eighty thousand took half a minute.
//   - We wrote it. The order of what is tried first was ours, and so is the choice
//     of the works. Two workers on two processors show little of what a lock
//     costs among thirty-two: try -workers on a larger machine.
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

	"github.com/resultpool/resultpool/bench/peers/behave"
)

// docs is the folder of a whole run's report, from bench/peers, where go -C runs
// this program.
const docs = "../../docs"

func main() {
	log.SetFlags(0)
	log.SetPrefix("peers: ")
	if len(os.Args) > 1 && os.Args[1] == behave.Child {
		if err := behave.Cell(os.Stdout, os.Args[2:]); err != nil {
			log.Fatal(err)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Stdout, os.Args[1:]...); err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal(err)
	}
}

// command is peers without the process around it.
func command(ctx context.Context, stdout io.Writer, args ...string) error {
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	switch name {
	case "behaviours":
		return behave.Table(ctx, stdout, args)
	case "run":
		o, err := parseRun(flags, args)
		if err != nil {
			return err
		}
		return o.run(ctx)
	case "report":
		out := flags.String("out", docs, "the folder to write to")
		if err := flags.Parse(args); err != nil {
			return err
		}
		raw, err := readFile(flags.Arg(0))
		if err != nil {
			return err
		}
		return writeReport(*out, raw)
	case "measure": // what run calls; to profile one rival, call it yourself
		return measure(ctx, stdout, flags, args)
	default:
		return fmt.Errorf("%q is no command: say run, report FILE or behaviours; go doc ./bench/peers says how", name)
	}
}
