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
// ten to fifteen minutes, the second two to three, and the third makes the page again from the raw figures:
//
//	go run ./bench/choose page
//	go run -race ./bench/choose page
//	go run ./bench/choose page -again
//
// # What is measured
//
// A measurement is of one store. It is filled, and then as many goroutines as you say do Puts and Gets in
// the ratio that you say. A Put takes the next ID from a counter, as in a pool; with -scattered that is hashed,
// and dense, which needs a segment for each such ID, is not measured. A Get reads an ID drawn
// evenly from those that are held; if results are deleted, so many Gets in a hundred read the oldest
// instead, and delete it. That the right result comes back is checked. An operation is a Put, a Get or a
// Delete, and the time for each is that of all goroutines together, divided by the number of operations.
//
// The number of results held is the most. A store that grows does so from half of that number on, so
// that each table doubles about once; two further ones end at 79 % and 63 % of that number, because
// the time for each Put depends on when the table doubles. Where there is no time for all of these operations
// (see -for), fewer are done, in 16 parts that are spread evenly over the growth, and the store is filled
// between them; garbage is collected before each part, so that none of that work is charged to the mix.
// Of small stores several are measured. All stores do the same operations. The clock runs from when all
// goroutines are awake until the last has finished.
//
// The row "none" is the loop itself, with a store that keeps nothing: the counter of the IDs, the drawing of those that are
// read, and the check. Subtract it to know the time in the store.
//
// The longest pause is the longest time in which one of the goroutines did not finish 16
// operations, also while the store is filled between two parts: it is that of the longest Put, within
// microseconds. With more goroutines than processors it contains the wait for a processor.
//
// Values have no pointers. Strings and most structs do: say so with -pointers. It costs dense most, since the
// collector has to look into the other stores anyway. All the pointers are equal: what yours point to costs the
// collector the same in each store.
//
// What is allocated for each result is counted from the empty store on, growth included.
//
// In each repetition the stores take their turns, each time another one first, so that what else the machine does
// meets them all. One store is faster than another if it was so in more repetitions than chance would have
// (sign test, 5 %). Compare within a run, not between machines or days.
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
	for _, note := range o.notes {
		at.say("%s\n", note)
	}
	all, err := o.measure(ctx, at.progress, []mix{o.mix})
	if err != nil {
		return err
	}
	found := all[o.mix]
	at.say("\n%s\n%s\n", table(found), verdict(found)) // first: a picture may fail
	picture, err := drawStores(o.mix, found)
	if err != nil {
		return fmt.Errorf("drawing %s: %w", o.out, err)
	}
	if err := os.WriteFile(o.out, picture, 0o666); err != nil {
		return fmt.Errorf("writing the picture: %w; -out names another file", err)
	}
	at.say("The picture is in %s.\n", o.out)
	return nil
}
