package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// waiting measures what it costs the tasks that flow past, each submitted and its
// result read, that goroutines wait in Get for slow ones. The slow tasks are there
// even if nobody waits for them. With channels there would be nothing to measure: a
// goroutine that waits at one of its own is in nobody's way.
func waiting(p params, n, slow, waiters int) measurement {
	return measurement{
		name: fmt.Sprintf("Waiting/work=1us/n=%d/slow=%d/waiting=%d/workers=%d/pool=dense", n, slow, waiters, p.workers),
		ops:  n,
		do: func(ctx context.Context) ([]benchfmt.Value, error) {
			fn := works["1us"].task(p.calibration, n)
			leave := make(chan struct{})
			po, err := pool.New(ctx, func(ctx context.Context, in int) (int, error) {
				if in < 0 {
					<-leave
				}
				return fn(ctx, in)
			}, dense.New[int](), &pool.Options{Workers: slow + p.workers})
			if err != nil {
				return nil, err
			}

			var crew sync.WaitGroup
			errs := make([]error, waiters)
			for i := range slow {
				id, err := po.Submit(ctx, -1)
				if err != nil {
					return nil, err
				}
				if i < waiters {
					crew.Go(func() { _, errs[i] = po.Get(ctx, id) })
				}
			}
			// The warm-up is longer than they take to get there.
			if err := flow(ctx, po, n/2); err != nil {
				return nil, err
			}
			began := time.Now()
			if err := flow(ctx, po, n); err != nil {
				return nil, err
			}
			took := time.Since(began)
			close(leave)
			crew.Wait()
			return []benchfmt.Value{{Value: float64(took.Nanoseconds()) / float64(n), Unit: "ns/op"}},
				errors.Join(errors.Join(errs...), po.Stop(ctx))
		},
	}
}

// flow submits n tasks and then reads the result of each.
func flow(ctx context.Context, p *pool.Pool[int, int], n int) error {
	ids := make([]store.ID, n)
	for in := range n {
		var err error
		if ids[in], err = p.Submit(ctx, in); err != nil {
			return err
		}
	}
	for in, id := range ids {
		if got, err := p.Get(ctx, id); err != nil || got != in {
			return fmt.Errorf("task %d: got %d, %w", in, got, err)
		}
	}
	return nil
}
