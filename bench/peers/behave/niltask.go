package behave

import (
	"context"
	"errors"

	pondpool "github.com/alitto/pond/v2"
	"github.com/gammazero/workerpool"
	antspool "github.com/panjf2000/ants/v2"
	"github.com/riverqueue/river"
	concpool "github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// The task is nil, as a function that a map did not have.
var nilTask = row{
	name:  "nil-task",
	title: "a nil task",
	cells: map[string]program{
		ours:      nilOurs,
		conc:      nilConc,
		pond:      nilPond,
		ants:      nilAnts,
		gammazero: nilWorkerpool,
		errGroup:  nilErrgroup,
		riverPool: nilRiver,
		channel:   nilChannel,
	},
}

// caught tells whether do has panicked.
func caught(do func()) (v any) {
	defer func() { v = recover() }()
	do()
	return nil
}

func nilOurs(ctx context.Context) string {
	p := must(pool.New(ctx, pool.Call[int], dense.New[int](), nil))
	_, err := p.Submit(ctx, nil)
	check(p.Stop(ctx))
	if errors.Is(err, pool.ErrNilTask) {
		return "an error of Submit"
	}
	return "no error"
}

func nilConc(context.Context) string {
	p := concpool.New().WithMaxGoroutines(2)
	if caught(func() { p.Go(nil) }) != nil {
		return "Go panics"
	}
	if caught(p.Wait) != nil {
		return "Wait panics"
	}
	return "no error"
}

func nilPond(context.Context) string {
	p := pondpool.NewPool(2)
	err := p.Submit(nil).Wait()
	p.StopAndWait()
	if err != nil {
		return "an error of its Wait"
	}
	return "no error"
}

func nilAnts(context.Context) string {
	p := must(antspool.NewPool(2))
	err := p.Submit(nil)
	check(p.ReleaseTimeout(patience))
	if err != nil {
		return "an error of Submit"
	}
	return "no error"
}

func nilWorkerpool(context.Context) string {
	p := workerpool.New(2)
	err := p.Do(nil)
	p.StopWait()
	if err != nil {
		return "an error of Do"
	}
	return "no error"
}

func nilErrgroup(context.Context) string {
	var g errgroup.Group
	g.SetLimit(2)
	g.Go(nil)
	if g.Wait() != nil {
		return "an error of Wait"
	}
	return "no error"
}

func nilRiver(ctx context.Context) string {
	client := openRiver(ctx, 2, func(context.Context, *river.Job[args]) error { return nil }, nil)
	var err error
	if caught(func() { _, err = client.Insert(ctx, nil, nil) }) != nil {
		return "Insert panics"
	}
	check(client.Stop(ctx))
	if err != nil {
		return "an error of Insert"
	}
	return "no error"
}

func nilChannel(context.Context) string {
	jobs := make(chan func())
	crew := workers(2, jobs, func(job func()) { job() })
	jobs <- nil
	close(jobs)
	crew.Wait()
	return "no error"
}
