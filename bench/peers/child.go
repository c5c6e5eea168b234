package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// cmdMeasure is the child process: it does one measurement and prints it. It is
// no part of what users are told of, but can be called to profile one rival.
func cmdMeasure(ctx context.Context, args []string, stdout io.Writer) error {
	var p params
	flags := flag.NewFlagSet("measure", flag.ContinueOnError)
	flags.IntVar(&p.workers, "workers", 2, "")
	flags.BoolVar(&p.quick, "quick", false, "")
	rounds := flags.Int("calibration", 0, "")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if p.calibration = calibration(*rounds); *rounds <= 0 {
		p.calibration = calibrate()
	}
	for _, m := range plan(p) {
		if m.name != flags.Arg(0) {
			continue
		}
		values, err := m.do(ctx)
		if err != nil {
			return err
		}
		return benchfmt.NewWriter(stdout).Write(&benchfmt.Result{Name: benchfmt.Name(m.name), Iters: m.ops, Values: values})
	}
	return usageError{fmt.Errorf("there is no measurement %q", flags.Arg(0))}
}

// inChild does a measurement in a process of its own, so that no rival finds the
// heap, the threads or the sleeping goroutines that another left.
func (p params) inChild(ctx context.Context, m measurement) ([]*benchfmt.Result, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"measure", "-workers", strconv.Itoa(p.workers), "-calibration", strconv.Itoa(int(p.calibration))}
	if p.quick {
		args = append(args, "-quick")
	}
	out, err := output(exec.CommandContext(ctx, program, append(args, m.name)...))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.name, err)
	}
	return parse(bytes.NewReader(out), m.name)
}

// output runs cmd. An error has what cmd said of it.
func output(cmd *exec.Cmd) ([]byte, error) {
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		said := string(out) + string(exit.Stderr)
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(said))
	}
	return out, err
}
