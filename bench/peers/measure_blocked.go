package main

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/perf/benchfmt"
)

// blocked measures the memory of a pool all of whose workers are in a task that
// waits. The loops by hand are the floor: a goroutine each, and nothing else.
func blocked(workers int, r rival) measurement {
	return measurement{
		name:  fmt.Sprintf("Blocked/workers=%d/pool=%s", workers, r.Name),
		ops:   workers,
		every: 2,
		do: func(ctx context.Context) ([]benchfmt.Value, error) {
			var entered sync.WaitGroup
			entered.Add(workers)
			leave := make(chan struct{})
			in := inputs(workers)
			before := memory()

			var used uint64
			var measurer sync.WaitGroup
			measurer.Go(func() {
				defer close(leave)
				entered.Wait()
				m := memory()
				used = m.HeapAlloc + m.StackInuse - before.HeapAlloc - before.StackInuse
			})
			kept, err := r.run(ctx, job{
				in: in,
				fn: func(_ context.Context, in int) (int, error) {
					entered.Done()
					<-leave
					return in, nil
				},
				workers:    workers,
				submitters: 1,
			})
			if err != nil {
				return nil, err // and do not wait for tasks that never began
			}
			measurer.Wait()
			if err := check(in, kept); err != nil {
				return nil, err
			}
			return []benchfmt.Value{{Value: float64(used) / float64(workers), Unit: "B/worker"}}, nil
		},
	}
}
