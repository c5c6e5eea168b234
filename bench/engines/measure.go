package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// A tuning is what an engine is run with.
type tuning struct {
	workers int           // tasks that may run at once; of each server, if there are several
	servers int           // asynq: servers in this process, each of which fetches tasks one by one; 0 is 1
	pause   time.Duration // River: between two fetches; asynq: after it has found no task; 0 is the library's default
	isTx    bool          // River: each job is completed in a transaction of its own
	isFast  bool          // River: batches are copied, which gives no IDs
}

// String is what a report says.
func (t tuning) String() string {
	text := fmt.Sprintf("%d workers", t.workers)
	if t.servers > 1 {
		text = fmt.Sprintf("%d servers of %d workers", t.servers, t.workers)
	}
	if t.pause > 0 {
		return fmt.Sprintf("%s with pauses of %v", text, t.pause)
	}
	return text + " with the usual pauses"
}

// An opener starts an engine.
type opener func(ctx context.Context, at *place, how tuning) (queue, error)

const (
	// batchSize is how many tasks are submitted by one call, where the engine can.
	batchSize = 5000
	// look is the pause between two looks whether there is a result, where nobody tells.
	look = time.Millisecond
)

// rate is how many of n tasks are done in a second, from the first call of submit until all
// results are stored and acknowledged.
func rate(ctx context.Context, at *place, open opener, how tuning, n int, submit func(queue, []int) error) (perSecond float64, err error) {
	q, err := open(ctx, at, how)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	in := make([]int, n)
	for i := range in {
		in[i] = i
	}
	runtime.GC()
	began := time.Now()
	if err := submit(q, in); err != nil {
		return 0, err
	}
	if err := q.Wait(ctx, n); err != nil {
		return 0, err
	}
	perSecond = float64(n) / time.Since(began).Seconds()
	results, err := q.Results(ctx)
	if err != nil {
		return 0, err
	}
	return perSecond, check(n, results)
}

// answer is the median time from submit to the result of n tasks, one after another.
func answer(ctx context.Context, at *place, open opener, how tuning, n int) (median time.Duration, err error) {
	q, err := open(ctx, at, how)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	all := make([]time.Duration, n)
	for i := range n + 1 {
		began := time.Now()
		out, err := q.Call(ctx, i)
		if err != nil {
			return 0, err
		}
		if out != work(i) {
			return 0, fmt.Errorf("the result of %d is %d, want %d", i, out, work(i))
		}
		if i > 0 { // the first has opened connections
			all[i-1] = time.Since(began)
		}
	}
	slices.Sort(all)
	return all[n/2], nil
}

// each calls submit for all inputs, from so many goroutines, until one fails.
func each(goroutines int, in []int, submit func(int) error) error {
	var all sync.WaitGroup
	errs := make([]error, goroutines)
	for g := range goroutines {
		all.Go(func() {
			for i := g; i < len(in) && errs[g] == nil; i += goroutines {
				errs[g] = submit(in[i])
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
