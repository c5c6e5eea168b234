// Peers compares this module with other worker pools, all results kept, and
// writes the report docs/benchmarks.md. It takes about ten minutes:
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
// "go -C bench/peers run . -h" lists the flags. Another picture, the cost of each
// store against the share of writes, is drawn from what package bench prints:
//
//	go test -run=NONE -bench Store -count=6 ./bench > stores.txt
//	GOWORK=off go -C bench/peers run . stores ../../stores.txt
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
//   - 1us, 10us: arithmetic that takes about as long and touches no memory;
//   - mix: 99 % of 0.1 µs, 0.9 % of 10 µs and 0.1 % of 0.5 ms, in an order that
//     is random and the same for all;
//   - sleep: 1 ms of waiting, by a thousand workers.
//
// Bare/work=…: one of these functions in a loop, without a pool.
//
// Map/work=trivial/n=…/workers=…/pool=…: one function over a slice. Of the
// libraries only conc has one; a loop of errgroup.Go is in Tasks.
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
// goroutines. In it the rival first runs all tasks (a million at most) once for
// nothing, so that the heap has grown; then the garbage is collected, and the
// clock runs. That all results are there, each once, is checked when it has
// stopped; tests check that errors are kept as well. The collector runs as it does in
// any program.
//
// A repetition is one measurement of each rival in turn. What else the machine
// does in these minutes meets them all. Those that take long or hardly vary are
// left out of every second repetition, and Stall, which repeats by itself, is
// done once. The report shows medians.
//
// All have the same number of workers, two by default, and the same functions,
// each called through a variable. Where the length of a queue can be chosen and
// its default is none, it is 1,024, as by default with ours.
//
// Each rival keeps values and errors in the best way it has; the file rival_….go of each
// is short and says why. Inputs lie in a slice that is there before the clock
// starts. dense-all is SubmitAll of that slice, in one call for each submitter.
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
	"os"
	"os/signal"
)

// Exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

const usage = `Usage: peers run [-count N] [-only REGEXP] [-quick] [-workers N] [-out DIR]
       peers report [-out DIR] FILE
       peers stores [-o FILE] [FILE]

Compare resultpool with other worker pools.

run measures, which takes about ten minutes, and writes the raw figures, the
report and its pictures: DIR/benchmarks.txt, DIR/benchmarks.md, DIR/plots/*.svg.

  -count N      repetitions of each measurement (default 6)
  -only REGEXP  the measurements whose names match, for example Tasks/work=1us
  -quick        sizes that say nothing: to see whether it works
  -workers N    workers of each pool (default 2)
  -out DIR      default: docs of the repository; with -only or -quick there is
                no default, for docs holds the report of a whole run

report makes the report and the pictures again from raw figures, without
measuring.

stores draws the cost of each store against the share of writes, from the output
of go test -bench . ./bench in FILE, or on standard input, into another FILE.

  -o FILE       default: docs/plots/stores.svg of the repository

Examples, from the root of the repository:
  export GOWORK=off
  go -C bench/peers run . run
  go -C bench/peers run . run -only conc -count 3 -out /tmp/conc
  go -C bench/peers run . report -out /tmp/again ../../docs/benchmarks.txt
  go test -run=NONE -bench Store ./bench | go -C bench/peers run . stores

(-C changes the directory: paths on the command line start from bench/peers.)

The exit status is 0 if all went well, 1 if something could not be measured, read
or written, 2 for a wrong call, and 130 after Ctrl-C.
`

// A usageError is a wrong call.
type usageError struct{ error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is peers without the process around it. It returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := command(ctx, args, stdin, stdout, stderr)
	var wrong usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		if _, err := io.WriteString(stdout, usage); err != nil {
			return exitFailed
		}
		return exitOK
	case ctx.Err() != nil:
		say(stderr, "interrupted: nothing was written")
		return exitInterrupted
	case errors.As(err, &wrong):
		say(stderr, "%v\nsee peers -h", err)
		return exitUsage
	default:
		say(stderr, "%v", err)
		return exitFailed
	}
}

// say prints a line, or more, on standard error.
func say(stderr io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(stderr, "peers: "+format+"\n", args...) // nobody is left to tell of an error
}

func command(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usageError{errors.New("nothing to do: say run, report or stores")}
	}
	switch name, args := args[0], args[1:]; name {
	case "run":
		return cmdRun(ctx, args, stderr)
	case "report":
		return cmdReport(args)
	case "stores":
		return cmdStores(args, stdin)
	case "measure":
		return cmdMeasure(ctx, args, stdout)
	case "-h", "-help", "--help", "help":
		return flag.ErrHelp
	default:
		return usageError{fmt.Errorf("unknown command %q: want run, report or stores", name)}
	}
}

// parseFlags parses args and leaves telling of errors to run.
func parseFlags(flags *flag.FlagSet, args []string) error {
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return usageError{fmt.Errorf("%s: %w", flags.Name(), err)}
	}
	return err
}
