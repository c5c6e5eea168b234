package behave

import (
	"context"
	"errors"
	"time"

	pondpool "github.com/alitto/pond/v2"
	"github.com/gammazero/workerpool"
	antspool "github.com/panjf2000/ants/v2"
	"github.com/riverqueue/river"
	concpool "github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// A task calls what ends its pool and waits for its tasks.
var stopInside = row{
	name:  "stop-inside",
	title: "a task stops its own pool",
	cells: map[string]program{
		ours:      stopOurs,
		conc:      stopConc,
		pond:      stopPond,
		ants:      stopAnts,
		gammazero: stopWorkerpool,
		errGroup:  stopErrgroup,
		riverPool: stopRiver,
		channel:   stopChannel,
	},
}

// returns says so, if stop does.
func returns(stop func()) string {
	mayHang()
	stop()
	return "it returns"
}

func stopOurs(ctx context.Context) string {
	said := make(chan error)
	p := must(pool.New(ctx, pool.Call[int], dense.New[int](), nil))
	must(p.Submit(ctx, func(ctx context.Context) (int, error) { said <- p.Stop(ctx); return 0, nil }))
	if err := <-said; !errors.Is(err, pool.ErrInTask) {
		return "no error"
	}
	check(p.Stop(ctx))
	return "an error"
}

func stopConc(context.Context) string {
	said := make(chan string)
	p := concpool.New().WithMaxGoroutines(2)
	p.Go(func() { said <- returns(p.Wait) })
	return <-said
}

func stopPond(context.Context) string {
	said := make(chan string)
	p := pondpool.NewPool(2)
	p.Submit(func() { said <- returns(p.StopAndWait) })
	return <-said
}

// stopAnts is Release, which waits for nothing, also elsewhere.
func stopAnts(context.Context) string {
	said := make(chan string)
	p := must(antspool.NewPool(2))
	check(p.Submit(func() {
		p.Release()
		if errors.Is(p.Submit(func() {}), antspool.ErrPoolClosed) {
			said <- "it is closed"
		}
		said <- "nothing"
	}))
	return <-said
}

func stopWorkerpool(context.Context) string {
	said := make(chan string)
	p := workerpool.New(2)
	p.Submit(func() { said <- returns(p.StopWait) })
	return <-said
}

func stopErrgroup(context.Context) string {
	said := make(chan string)
	var g errgroup.Group
	g.SetLimit(2)
	g.Go(func() error { said <- returns(func() { check(g.Wait()) }); return nil })
	return <-said
}

// stopRiver has a job that may take a second, where one minute is the default.
func stopRiver(ctx context.Context) string {
	said := make(chan string)
	client := openRiver(ctx, 2, func(ctx context.Context, _ *river.Job[args]) error {
		client := river.ClientFromContext[tx](ctx)
		if err := client.Stop(ctx); err != nil {
			said <- "an error, when it times out"
		}
		said <- "it returns"
		return nil
	}, &river.Config{JobTimeout: time.Second})
	insert(ctx, client, 0, nil)
	return <-said
}

func stopChannel(context.Context) string {
	said := make(chan string)
	jobs := make(chan func())
	crew := workers(2, jobs, func(job func()) { job() })
	jobs <- func() { close(jobs); said <- returns(crew.Wait) }
	return <-said
}
