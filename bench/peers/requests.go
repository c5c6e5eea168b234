package main

import (
	"context"
	"fmt"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/panjf2000/ants/v2"
	"golang.org/x/perf/benchfmt"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// A server is one way to run a task and to wait for its result, as programs do that
// answer requests.
type server struct {
	Name   string
	Label  string
	Kind   kind
	module string

	// open makes the pool. ask submits one task and waits for its result; clients call it at once.
	open func(ctx context.Context, j job) (ask func(in int) (int, error), stop func() error, err error)
}

var servers = []server{
	{"dense", "resultpool, dense", ours, modResultpool, servePool},
	{"ants", "ants, a channel for each reply", theirs, modAnts, serveAnts},
	{"pond", "pond, ResultPool", theirs, modPond, servePond},
	{"channel", "plain channel, a channel for each reply", theirs, "", serveChannel},
}

func servePool(ctx context.Context, j job) (func(int) (int, error), func() error, error) {
	p, err := pool.New(ctx, j.fn, dense.New[int](), &pool.Options{Workers: j.workers})
	if err != nil {
		return nil, nil, err
	}
	return func(in int) (int, error) {
		id, err := p.Submit(ctx, in)
		if err != nil {
			return 0, err
		}
		return p.Get(ctx, id)
	}, func() error { return p.Stop(ctx) }, nil
}

// A request is a task and where its outcome is sent.
type request struct {
	in    int
	reply chan outcome
}

func (r request) wait() (int, error) {
	o := <-r.reply
	return o.value, o.err
}

func serveAnts(ctx context.Context, j job) (func(int) (int, error), func() error, error) {
	p, err := ants.NewPoolWithFuncGeneric(j.workers, func(r request) { r.reply <- j.run(ctx, r.in) })
	if err != nil {
		return nil, nil, err
	}
	return func(in int) (int, error) {
		r := request{in, make(chan outcome, 1)}
		if err := p.Invoke(r); err != nil {
			return 0, err
		}
		return r.wait()
	}, func() error { p.Release(); return nil }, nil
}

func servePond(ctx context.Context, j job) (func(int) (int, error), func() error, error) {
	p := pond.NewResultPool[int](j.workers)
	return func(in int) (int, error) {
		return p.SubmitErr(func() (int, error) { return j.fn(ctx, in) }).Wait()
	}, func() error { p.StopAndWait(); return nil }, nil
}

func serveChannel(ctx context.Context, j job) (func(int) (int, error), func() error, error) {
	queue := make(chan request, queueLen)
	for range j.workers {
		go func() {
			for r := range queue {
				r.reply <- j.run(ctx, r.in)
			}
		}()
	}
	return func(in int) (int, error) {
		r := request{in, make(chan outcome, 1)}
		queue <- r
		return r.wait()
	}, func() error { close(queue); return nil }, nil
}

// requests measures clients that submit a task and wait for its result, again and again.
func requests(p params, work string, n, clients, workers int, s server) measurement {
	return measurement{
		name: fmt.Sprintf("Requests/work=%s/n=%d/clients=%d/workers=%d/pool=%s", work, n, clients, workers, s.Name),
		ops:  n,
		do: func(ctx context.Context) (values []benchfmt.Value, err error) {
			j := job{in: inputs(n), fn: works[work].task(p.calibration, n), workers: workers, submitters: clients}
			ask, stop, err := s.open(ctx, j)
			if err != nil {
				return nil, err
			}
			all := func(_ int, part []int) error {
				for _, in := range part {
					if got, err := ask(in); err != nil || got != in {
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
