package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/perf/benchfmt"
)

// runOptions is the command line of run.
type runOptions struct {
	params
	count int
	only  *regexp.Regexp // nil: all
	out   string
	root  string   // of the repository
	flags []string // as they were given, but for -out
}

func parseRun(args []string) (runOptions, error) {
	var o runOptions
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.IntVar(&o.count, "count", 6, "")
	flags.IntVar(&o.workers, "workers", 2, "")
	flags.BoolVar(&o.quick, "quick", false, "")
	flags.StringVar(&o.out, "out", "", "")
	only := flags.String("only", "", "")
	if err := parseFlags(flags, args); err != nil {
		return o, err
	}
	flags.Visit(func(f *flag.Flag) {
		if f.Name != "out" {
			value := f.Value.String()
			if strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
				value = "'" + value + "'" // which a shell leaves alone
			}
			o.flags = append(o.flags, "-"+f.Name+"="+value)
		}
	})
	wrong := func(format string, args ...any) (runOptions, error) {
		return o, usageError{fmt.Errorf(format, args...)}
	}
	switch {
	case flags.NArg() > 0:
		return wrong("run: %q is not a flag: run takes no other arguments", flags.Arg(0))
	case o.count < 1:
		return wrong("run: -count is %d, want 1 or more", o.count)
	case o.workers < 1:
		return wrong("run: -workers is %d, want 1 or more", o.workers)
	case o.out == "" && (o.quick || *only != ""):
		return wrong("run: -quick and -only need -out DIR: docs holds the report of a whole run")
	}
	var err error
	if *only != "" {
		if o.only, err = regexp.Compile(*only); err != nil {
			return wrong("run: -only: %w", err)
		}
	}
	if o.root, err = findRoot(); err != nil {
		return o, err
	}
	if o.out == "" {
		o.out = filepath.Join(o.root, "docs")
	}
	return o, nil
}

// A step is a measurement, or a command that makes several.
type step struct {
	name  string
	often often
	do    func(context.Context) ([]*benchfmt.Result, error)
}

func cmdRun(ctx context.Context, args []string, stderr io.Writer) error {
	o, err := parseRun(args)
	if err != nil {
		return err
	}
	o.calibration = calibrate()
	steps, err := o.steps()
	if err != nil {
		return err
	}
	if err := writable(o.out); err != nil {
		return err
	}

	config := machine(o)
	var raw []*benchfmt.Result
	progress := newProgress(stderr, o.total(steps))
	for rep := range o.count {
		progress.repetition(rep+1, o.count)
		for _, s := range steps {
			if !s.often.in(rep) {
				continue
			}
			progress.begin(s.name)
			lines, err := s.do(ctx)
			if err != nil {
				progress.end()
				return err
			}
			for _, r := range lines {
				r.Config = config
				raw = append(raw, r)
			}
			progress.done()
		}
	}
	progress.end()
	if err := writeAll(o.out, raw); err != nil {
		return err
	}
	say(stderr, "wrote %s, benchmarks.md and plots", filepath.Join(o.out, rawName))
	return nil
}

// steps is what each repetition does.
func (o runOptions) steps() ([]step, error) {
	var all []step
	for _, m := range plan(o.params) {
		all = append(all, step{m.name, m.often, func(ctx context.Context) ([]*benchfmt.Result, error) {
			return o.inChild(ctx, m)
		}})
	}
	all = append(all, step{"Stall", once, o.stall})

	if o.only == nil {
		return all, nil
	}
	var some []step
	for _, s := range all {
		if o.only.MatchString(s.name) {
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		return nil, usageError{fmt.Errorf("run: -only %s matches none of %d measurements, the first of which is %s", o.only, len(all), all[0].name)}
	}
	return some, nil
}

func (o runOptions) total(steps []step) int {
	n := 0
	for _, s := range steps {
		for rep := range o.count {
			if s.often.in(rep) {
				n++
			}
		}
	}
	return n
}

// stall has package bench of the root module measure the longest stall of a
// writer while all results are copied.
func (o runOptions) stall(ctx context.Context) ([]*benchfmt.Result, error) {
	args := []string{"test", "-run=NONE", "-bench=Stall"}
	if o.quick {
		args = append(args, "-short")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./bench")...)
	cmd.Dir = o.root
	out, err := output(cmd)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return parse(bytes.NewReader(out), "go test")
}

var errNoRoot = errors.New("this is not a clone of " + modResultpool + ": run peers below its root")
