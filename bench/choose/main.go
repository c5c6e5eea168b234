// Choose measures the four stores in memory with your own mix of calls, on your own machine, and says
// which is best for it:
//
//	go run ./bench/choose
//	go run ./bench/choose -puts 10 -goroutines 8 -held 200000 -value 64
//	go run ./bench/choose -h
//
// Without flags, on a terminal, it asks three questions first. It prints a table and a verdict, and draws
// choose.svg. With the defaults it takes about half a minute.
//
// To measure the mix that your program has, let it record the mix with package
// [github.com/resultpool/resultpool/bench/choose/recorder]:
//
//	go run ./bench/choose -mix mix.json
//
// With the race detector it measures what the stores cost in tests that are run with -race:
//
//	go run -race ./bench/choose
//
// The page docs/choosing-a-store.md is written from measurements of this program. The first command takes
// about ten minutes, the second about three, and the third makes the page again from the raw figures:
//
//	go run ./bench/choose page
//	go run -race ./bench/choose page
//	go run ./bench/choose page -again
//
// # What is measured
//
// A measurement is of one store. It is filled, and then as many goroutines as you say do Puts and Gets in
// the ratio that you say. A Put takes the next ID from a counter, as in a pool. A Get reads an ID drawn
// evenly from those that are held; if results are deleted, so many Gets in a hundred read the oldest
// instead, and delete it. That the right result comes back is checked. An operation is a Put, a Get or a
// Delete, and the time for each is that of all goroutines together, divided by the number of operations.
//
// The number of results held is the most. A store that grows does so from half of that number on, so
// that each table doubles about once; two further ones end at 79 % and 63 % of that number, because
// the time for each Put depends on when the table doubles. Where there is no time for all of these operations
// (see -for), fewer are done, in 16 parts that are spread evenly over the growth, and the store is filled
// between them. Of small stores several are measured. All stores do the same operations.
//
// The longest pause is the longest time in which one of the goroutines did not finish 16
// operations: it is that of the longest Put, within microseconds. With more goroutines than processors it
// contains the wait for a processor.
//
// Values are arrays without pointers. With pointers in them the collector has more to do, in each of the stores.
//
// What is allocated for each result is counted from the empty store on, growth included.
//
// In each repetition the stores take their turns, so that what else the machine does meets them all, and the
// garbage of the one before is collected first. Compare within a run, not between machines or days.
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

	"golang.org/x/term"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("choose: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	at := console{in: os.Stdin, out: os.Stdout, progress: os.Stderr, asks: term.IsTerminal(int(os.Stdin.Fd()))}
	err := command(ctx, at, os.Args[1:]...)
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.Is(err, context.Canceled):
		log.Fatal("interrupted; nothing was written")
	default:
		log.Fatal(err)
	}
}

// A console is where the program is used.
type console struct {
	in            io.Reader
	out, progress io.Writer
	asks          bool // somebody is there to answer
}

// say prints. Nothing can be done when that fails.
func (at console) say(format string, args ...any) { _, _ = fmt.Fprintf(at.out, format, args...) }

// command is choose without the process around it.
func command(ctx context.Context, at console, args ...string) error {
	if len(args) > 0 && args[0] == "page" {
		return page(ctx, at, args[1:])
	}
	o, err := parse(at, args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		if o.mix, err = ask(ctx, at, o.mix); err != nil {
			return err
		}
	}
	if err := o.check(); err != nil {
		return err
	}
	at.say("%v\n%v\n", o.mix, machine())
	if raced {
		at.say("The race detector is on: these numbers hold for programs that are tested with -race, and for no others.\n")
	}
	if o.loops > 0 {
		at.say("The recorded mix also loops over All, %s; that is not replayed.\n", several(int(o.loops), "time"))
	}
	all, err := o.measure(ctx, at.progress, []mix{o.mix})
	if err != nil {
		return err
	}
	found := all[o.mix]
	picture, err := drawStores(o.mix, found)
	if err != nil {
		return fmt.Errorf("drawing %s: %w", o.out, err)
	}
	if err := os.WriteFile(o.out, picture, 0o666); err != nil {
		return fmt.Errorf("writing the picture: %w; -out names another file", err)
	}
	at.say("\n%s\n%s\nThe picture is in %s.\n", table(found), verdict(found), o.out)
	return nil
}
