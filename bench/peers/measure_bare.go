package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/perf/benchfmt"
)

// bare measures the function of a workload alone, on one goroutine: what it
// really takes here, now.
func bare(p params, name string) measurement {
	n := p.scaled(20_000)
	return measurement{
		name: fmt.Sprintf("Bare/work=%s", name),
		ops:  n,
		do: func(ctx context.Context) ([]benchfmt.Value, error) {
			fn := works[name].task(p.calibration, n)
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
