package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/perf/benchfmt"
)

// idle measures the processor time of a process whose pool has run some tasks and
// waits for more. Where a pool keeps no goroutines, it is that of Go itself.
func idle(p params, r rival) measurement {
	long := 2 * time.Second
	if p.quick {
		long = 20 * time.Millisecond
	}
	return measurement{
		name:  fmt.Sprintf("Idle/workers=%d/pool=%s", p.workers, r.Name),
		ops:   1,
		every: 2,
		do: func(ctx context.Context) ([]benchfmt.Value, error) {
			const half = 1000
			var ran atomic.Int64
			var used time.Duration
			var failed error
			kept, err := r.run(ctx, job{
				in: inputs(2 * half),
				fn: func(_ context.Context, in int) (int, error) {
					ran.Add(1)
					return in, nil
				},
				workers:    p.workers,
				submitters: 1,
				pause: func() {
					for ran.Load() < half {
						time.Sleep(time.Millisecond)
					}
					debug.FreeOSMemory() // now, and not in the background while it is to be idle
					time.Sleep(long / 20)
					used, failed = cpuDuring(long)
				},
			})
			if err == nil {
				err = failed
			}
			if err == nil {
				err = check(inputs(2*half), kept)
			}
			return []benchfmt.Value{{Value: float64(used.Microseconds()) / long.Seconds(), Unit: "cpu-us/s"}}, err
		},
	}
}

func cpuDuring(long time.Duration) (time.Duration, error) {
	before, err := cpuTime()
	if err != nil {
		return 0, err
	}
	time.Sleep(long)
	after, err := cpuTime()
	return after - before, err
}
