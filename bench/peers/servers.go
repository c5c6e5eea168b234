package main

import (
	"context"

	"github.com/alitto/pond/v2"
	"github.com/gammazero/workerpool"
	"github.com/panjf2000/ants/v2"
	concpool "github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// A server is one way to run a task and to wait for its result, as programs do that
// answer requests.
type server struct {
	rival // with no run

	// open makes the pool. Clients call ask at once.
	open func(ctx context.Context, j job) (ask ask, stop func() error, err error)
}

// ask submits one task and waits for its result. ctx is the client's: whose waiting cannot be given up
// ignores it.
type ask = func(ctx context.Context, in int) (int, error)

var servers = []server{
	{rival{"dense", "resultpool, Submit and Get", ours, modResultpool, nil}, servePool},
	{rival{"pond", "pond, a future for each", theirs, modPond, nil}, servePond},
	{rival{"ants", "ants, a channel for each", theirs, modAnts, nil}, serveAnts},
	{rival{"conc", "conc, a channel for each", theirs, modConc, nil}, serveClosures(openConc)},
	{rival{"workerpool", "workerpool, a channel for each", theirs, modWorkerpool, nil}, serveClosures(openWorkerpool)},
	{rival{"errgroup", "errgroup, a channel for each", theirs, modSync, nil}, serveClosures(openErrgroup)},
	{rival{"channel", "plain channels: of requests, and one for each", theirs, "", nil}, serveChannel(request.wait)},
	{rival{"channel-ctx", "plain channels, and clients that can give up", theirs, "", nil}, serveChannel(request.waitOrGiveUp)},
}

func servePool(ctx context.Context, j job) (ask, func() error, error) {
	p, err := pool.New(ctx, j.fn, dense.New[int](), &pool.Options{Workers: j.workers})
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, in int) (int, error) {
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

func (r request) wait(context.Context) (int, error) {
	o := <-r.reply
	return o.value, o.err
}

func (r request) waitOrGiveUp(ctx context.Context) (int, error) {
	select {
	case o := <-r.reply:
		return o.value, o.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func serveAnts(ctx context.Context, j job) (ask, func() error, error) {
	p, err := ants.NewPoolWithFuncGeneric(j.workers, func(r request) { r.reply <- j.run(ctx, r.in) })
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, in int) (int, error) {
		r := request{in, make(chan outcome, 1)}
		if err := p.Invoke(r); err != nil {
			return 0, err
		}
		return r.wait(ctx)
	}, func() error { p.Release(); return nil }, nil
}

func servePond(ctx context.Context, j job) (ask, func() error, error) {
	p := pond.NewResultPool[int](j.workers)
	return func(_ context.Context, in int) (int, error) {
		return p.SubmitErr(func() (int, error) { return j.fn(ctx, in) }).Wait()
	}, func() error { p.StopAndWait(); return nil }, nil
}

func serveChannel(wait func(request, context.Context) (int, error)) func(context.Context, job) (ask, func() error, error) {
	return func(ctx context.Context, j job) (ask, func() error, error) {
		queue := make(chan request, queueLen)
		for range j.workers {
			go func() {
				for r := range queue {
					r.reply <- j.run(ctx, r.in)
				}
			}()
		}
		return func(ctx context.Context, in int) (int, error) {
			r := request{in, make(chan outcome, 1)}
			queue <- r
			return wait(r, ctx)
		}, func() error { close(queue); return nil }, nil
	}
}

// serveClosures serves by a pool that runs closures and keeps nothing.
func serveClosures(
	open func(workers int) (submit func(func()), stop func()),
) func(context.Context, job) (ask, func() error, error) {
	return func(ctx context.Context, j job) (ask, func() error, error) {
		submit, stop := open(j.workers)
		return func(ctx context.Context, in int) (int, error) {
			r := request{in, make(chan outcome, 1)}
			submit(func() { r.reply <- j.run(ctx, in) })
			return r.wait(ctx)
		}, func() error { stop(); return nil }, nil
	}
}

func openConc(workers int) (func(func()), func()) {
	p := concpool.New().WithMaxGoroutines(workers)
	return p.Go, p.Wait
}

func openWorkerpool(workers int) (func(func()), func()) {
	p := workerpool.New(workers)
	return p.Submit, p.StopWait
}

func openErrgroup(workers int) (func(func()), func()) {
	var g errgroup.Group
	g.SetLimit(workers)
	return func(f func()) { g.Go(func() error { f(); return nil }) }, func() { _ = g.Wait() } // no task returns an error
}
