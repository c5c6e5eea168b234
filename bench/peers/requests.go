package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/perf/benchfmt"
)

// requests measures clients that submit a task and wait for its result, again and again.
func requests(p params, r requestLoad, s server) measurement {
	n := p.scaled(r.n)
	return measurement{
		name:  fmt.Sprintf("Requests/work=%s/n=%d/clients=%d/workers=%d/pool=%s", r.work, n, r.clients, r.workers, s.Name),
		ops:   n,
		every: r.every,
		do: func(ctx context.Context) (values []benchfmt.Value, err error) {
			j := job{in: inputs(n), fn: works[r.work].task(p.calibration, n), workers: r.workers, submitters: r.clients}
			ask, stop, err := s.open(ctx, j)
			if err != nil {
				return nil, err
			}
			all := func(_ int, part []int) error {
				ctx, cancel := context.WithCancel(ctx) // each client has one of its own, as requests have
				defer cancel()
				for _, in := range part {
					if got, err := ask(ctx, in); err != nil || got != in {
						return fmt.Errorf("asked for %d, got %d, %w", in, got, err)
					}
				}
				return nil
			}
			warm := j
			warm.in = j.in[:n/4]
			if err := warm.submit(all); err != nil {
				return nil, err
			}
			began := time.Now()
			if err := j.submit(all); err != nil {
				return nil, err
			}
			took := time.Since(began)
			return []benchfmt.Value{{Value: float64(took.Nanoseconds()) / float64(n), Unit: "ns/op"}}, stop()
		},
	}
}
