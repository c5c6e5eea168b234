package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"golang.org/x/perf/benchfmt"
)

// measure is the child process: it does one measurement and prints it.
func measure(ctx context.Context, stdout io.Writer, flags *flag.FlagSet, args []string) error {
	var p params
	flags.IntVar(&p.workers, "workers", 2, "workers of each pool")
	flags.BoolVar(&p.quick, "quick", false, "sizes that say nothing")
	rounds := flags.Int("calibration", 0, "rounds that take a microsecond (default: as measured)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if p.calibration = calibration(*rounds); *rounds <= 0 {
		p.calibration = calibrate()
	}
	for _, m := range plan(p) {
		if m.name == flags.Arg(0) {
			values, err := m.do(ctx)
			if err != nil {
				return err
			}
			return benchfmt.NewWriter(stdout).Write(&benchfmt.Result{Name: benchfmt.Name(m.name), Iters: m.ops, Values: values})
		}
	}
	return fmt.Errorf("there is no measurement %q", flags.Arg(0))
}

// bare measures the function of a workload alone, on one goroutine: what it
// really takes here, now.
func bare(p params, w workload) measurement {
	n := p.scaled(w.n / 10)
	return measurement{
		name: "Bare/work=" + w.work,
		ops:  n,
		do: func(ctx context.Context) ([]benchfmt.Value, error) {
			fn := works[w.work].task(p.calibration, n)
			began := time.Now()
			for i := range n {
				if _, err := fn(ctx, i); err != nil {
					return nil, err
				}
			}
			return []benchfmt.Value{{Value: float64(time.Since(began).Nanoseconds()) / float64(n), Unit: "ns/op"}}, nil
		},
	}
}
