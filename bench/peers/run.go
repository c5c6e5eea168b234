package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/perf/benchfmt"
)

// runOptions is the command line of run.
type runOptions struct {
	params
	count int
	only  *regexp.Regexp
	out   string
	flags string // as they were given, but for -out
}

func parseRun(flags *flag.FlagSet, args []string) (o runOptions, err error) {
	flags.IntVar(&o.count, "count", 6, "repetitions of each measurement")
	flags.IntVar(&o.workers, "workers", 2, "workers of each pool")
	flags.BoolVar(&o.quick, "quick", false, "sizes that say nothing: to see whether it works")
	flags.StringVar(&o.out, "out", docs, "the folder for benchmarks.txt, benchmarks.md and plots")
	only := flags.String("only", "", "the measurements whose names match this `regexp`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	flags.Visit(func(f *flag.Flag) {
		if f.Name == "only" {
			o.flags += " -only='" + *only + "'"
		} else if f.Name != "out" {
			o.flags += " -" + f.Name + "=" + f.Value.String()
		}
	})
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0 || o.count < 1 || o.workers < 1:
		return o, errors.New("run takes flags only, and at least one repetition and worker")
	case o.out == docs && (o.quick || *only != ""):
		return o, errors.New("-quick and -only need -out: " + docs + " holds the report of a whole run")
	}
	o.calibration = calibrate()
	return o, nil
}

// run measures and writes the report.
func (o runOptions) run(ctx context.Context) error {
	var names []string
	for rep := range o.count {
		for _, m := range append(plan(o.params), measurement{name: "Stall", every: o.count}) {
			if rep%max(m.every, 1) == 0 && o.only.MatchString(m.name) {
				names = append(names, m.name)
			}
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("-only %s matches no measurement", o.only)
	}
	if err := os.MkdirAll(filepath.Join(o.out, "plots"), 0o777); err != nil {
		return err // now, and not after ten minutes
	}
	config := machine(o)
	var raw []*benchfmt.Result
	// The bar is drawn between measurements only: there are as many workers as processors.
	bar := progressbar.NewOptions(len(names), progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowCount())
	for _, name := range names {
		bar.Describe(fmt.Sprintf("%-40.40s", name))
		lines, err := o.inChild(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, r := range lines {
			r.Config = config
			raw = append(raw, r)
		}
		_ = bar.Add(1) // an error of the terminal, and nobody to tell of it
	}
	_ = bar.Exit()
	log.Printf("writing benchmarks.txt, benchmarks.md and plots to %s", o.out)
	return writeReport(o.out, raw)
}

// inChild does a measurement in a process of its own, so that no rival finds the
// heap, the threads or the sleeping goroutines that another left.
func (o runOptions) inChild(ctx context.Context, name string) ([]*benchfmt.Result, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, "measure", "-workers", strconv.Itoa(o.workers),
		"-calibration", strconv.Itoa(int(o.calibration)), "-quick="+strconv.FormatBool(o.quick), name)
	if name == "Stall" { // package bench of the root module does these
		cmd = exec.CommandContext(ctx, "go", "test", "-run=NONE", "-bench=Stall", "-short="+strconv.FormatBool(o.quick), "./bench")
		cmd.Dir = filepath.Join(docs, "..")
	}
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("%w: %s%s", err, out, exit.Stderr)
	}
	if err != nil {
		return nil, err
	}
	return parse(bytes.NewReader(out), name)
}
