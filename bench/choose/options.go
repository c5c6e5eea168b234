package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/resultpool/resultpool/bench/choose/recorder"
)

// plan is how often and how long to measure.
type plan struct {
	count int           // repetitions
	each  time.Duration // how long one measurement of the slowest store takes, about
}

// options is the command line.
type options struct {
	plan
	mix   mix
	notes []string // what of a recorded mix is not measured
	out   string   // the picture's file
}

func defaults() options {
	o := options{
		plan: plan{count: 6, each: 2 * time.Second},
		mix:  mix{puts: 50, goroutines: runtime.GOMAXPROCS(0), held: 1_000_000, value: 8, procs: runtime.GOMAXPROCS(0)},
		out:  "choose.svg",
	}
	if raced {
		o.mix.held /= 20
	}
	return o
}

func parse(at console, args []string) (options, error) {
	o := defaults()
	flags := flag.NewFlagSet("choose", flag.ContinueOnError)
	flags.SetOutput(at.progress)
	recorded := flags.String("mix", "", "the `file` of a mix that package recorder has written; other flags override what is in it")
	flags.Float64Var(&o.mix.puts, "puts", o.mix.puts, "percent of Puts; the others are Gets")
	flags.Float64Var(&o.mix.deletes, "deletes", o.mix.deletes, "percent of Gets after which the result is deleted")
	flags.IntVar(&o.mix.goroutines, "goroutines", o.mix.goroutines, "goroutines that call the store at the same time")
	flags.IntVar(&o.mix.held, "held", o.mix.held, "results that are held at most")
	flags.IntVar(&o.mix.value, "value", o.mix.value, "bytes of a value, rounded up to a power of two; a string is 16, a slice 24")
	flags.BoolVar(&o.mix.pointers, "pointers", o.mix.pointers, "a pointer is in each value, as in a string or a slice; at least 16 bytes then")
	flags.BoolVar(&o.mix.scattered, "scattered", o.mix.scattered, "the IDs have large gaps; dense is not measured")
	flags.IntVar(&o.count, "count", o.count, "repetitions")
	flags.DurationVar(&o.each, "for", o.each, "how long one measurement of the slowest store takes, at most, about")
	flags.StringVar(&o.out, "out", o.out, "the `file` for the picture")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag: -h lists them", flags.Arg(0))
	}
	if *recorded == "" {
		return o, nil
	}
	if err := o.replay(*recorded); err != nil {
		return o, err
	}
	return o, flags.Parse(args) // once more: what is given wins over what was recorded
}

// replay takes the mix from a file of package recorder.
func (o *options) replay(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the mix: %w", err)
	}
	var c recorder.Counts
	if err := json.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("%s is no file that package recorder has written: %w", file, err)
	}
	calls := float64(c.Puts + c.Gets)
	if calls == 0 {
		return fmt.Errorf("%s has neither Puts nor Gets: write it after the program has used the store", file)
	}
	o.mix.puts = 100 * float64(c.Puts) / calls
	o.mix.deletes = 0
	if c.Gets > 0 {
		// What is deleted unread, or twice, counts as read before.
		o.mix.deletes = 100 * min(1, float64(min(c.Deletes, c.Puts))/float64(c.Gets))
	}
	within := func(recorded uint64, least, most int, thing string) int {
		if recorded > uint64(most) {
			o.note("The recorded mix has %d %s; at most %d are measured.", recorded, thing, most)
		}
		return int(min(max(recorded, uint64(least)), uint64(most)))
	}
	o.mix.held = within(c.MostHeld, leastHeld, mostHeld, "results")
	o.mix.goroutines = within(c.MostCalls, 1, mostGoroutines, "calls at the same time")
	o.mix.value = within(c.ValueBytes, 1, largest, "bytes in a value")
	o.mix.pointers = c.Pointers
	if c.Loops > 0 {
		o.note("The recorded mix also loops over All, %s; that is not replayed.", several(int(c.Loops), "time"))
	}
	return nil
}

func (o *options) note(format string, args ...any) {
	o.notes = append(o.notes, fmt.Sprintf(format, args...))
}

// The bounds of what can be measured.
const (
	leastHeld, mostHeld = 1_000, 100_000_000
	mostGoroutines      = 10_000
	mostBytes           = int64(4 << 30)
	mostCount           = 1_000 // of more, the sign test's figures leave the range of a float64
)

// check returns what is wrong, and what to do.
func (o *options) check() error {
	m := &o.mix
	switch {
	case !(m.puts >= 0 && m.puts <= 100): // also of NaN
		return fmt.Errorf("-puts is %v: want a percentage from 0 to 100", m.puts)
	case !(m.deletes >= 0 && m.deletes <= 100):
		return fmt.Errorf("-deletes is %v: want a percentage from 0 to 100", m.deletes)
	case m.puts == 100 && m.deletes > 0:
		return errors.New("-puts is 100, so nothing is read, and nothing deleted after it was read: lower it, or leave -deletes out")
	case m.deletesEach() > m.puts+1e-9:
		return fmt.Errorf("-deletes is %v: with %v %% of Puts the store would become empty; want at most %.4g",
			m.deletes, m.puts, 100*m.puts/(100-m.puts))
	case m.goroutines < 1 || m.goroutines > mostGoroutines:
		return fmt.Errorf("-goroutines is %d: want 1 to %d", m.goroutines, mostGoroutines)
	case m.held < leastHeld || m.held > mostHeld:
		return fmt.Errorf("-held is %d: want %d to %d; of fewer results any store is fast enough", m.held, leastHeld, mostHeld)
	case m.value < 1 || m.value > largest:
		return fmt.Errorf("-value is %d: want 1 to %d; for larger ones keep pointers, whose value is 8", m.value, largest)
	case int64(m.held)*int64(m.value) > mostBytes:
		return fmt.Errorf("-held %d and -value %d are %d MiB in values alone: want at most %d MiB; stores take 1.5 times that, and 100 bytes for each result",
			m.held, m.value, int64(m.held)*int64(m.value)>>20, mostBytes>>20)
	case o.count < 1 || o.count > mostCount:
		return fmt.Errorf("-count is %d: want 1 to %d repetitions", o.count, mostCount)
	case o.each <= 0:
		return fmt.Errorf("-for is %v: want some time, 1s say", o.each)
	}
	m.value = m.roundUp(m.value)
	if info, err := os.Stat(filepath.Dir(o.out)); err != nil || !info.IsDir() {
		return fmt.Errorf("-out is %s: there is no such folder", o.out) // now, and not after a minute
	}
	return nil
}

// ask has the user say what the mix is, if there is one to answer.
func ask(ctx context.Context, at console, m mix) (mix, error) {
	if !at.asks {
		at.say("Standard input is not a terminal, so nothing is asked: these are the defaults. -h lists the flags.\n")
		return m, nil
	}
	at.say("Three questions about your program. Enter takes what is in brackets; -h lists the flags.\n")
	lines := make(chan string)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // a read of a terminal cannot be interrupted: when ctx is done, it is left behind
		defer close(lines)
		for in := bufio.NewScanner(at.in); in.Scan(); {
			select {
			case lines <- in.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	answers := [3]float64{m.puts, float64(m.goroutines), float64(m.held)}
	for i, q := range [...]struct {
		text        string
		least, most float64
	}{
		{"Of 100 calls, how many are Puts? The others are Gets", 0, 100},
		{"How many goroutines call the store at the same time?", 1, mostGoroutines},
		{"How many results does it hold at most?", leastHeld, mostHeld},
	} {
		for answered := false; !answered; {
			at.say("%s [%v]: ", q.text, strconv.FormatFloat(answers[i], 'f', -1, 64))
			var line string
			select {
			case line = <-lines: // "" at the end of the input
			case <-ctx.Done():
				return m, ctx.Err()
			}
			line = strings.NewReplacer(",", "", "_", "", " ", "").Replace(line)
			if answered = line == ""; answered {
				continue
			}
			v, err := strconv.ParseFloat(line, 64)
			if answered = err == nil && v >= q.least && v <= q.most && (i == 0 || v == float64(int(v))); !answered {
				at.say("Please answer with a number from %.0f to %.0f.\n", q.least, q.most)
				continue
			}
			answers[i] = v
		}
	}
	m.puts, m.goroutines, m.held = answers[0], int(answers[1]), int(answers[2])
	return m, nil
}
