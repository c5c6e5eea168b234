package behave

import (
	"context"
	"errors"
	"time"

	antspool "github.com/panjf2000/ants/v2"
	"github.com/riverqueue/river"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// A task calls what ends its pool and waits for its tasks.
var stopInside = row{
	name:  "stop-inside",
	title: "a task stops its own pool",
	cells: map[string]program{
		ours:      stopOurs,
		conc:      stopIn(openConc),
		pond:      stopIn(openPond),
		ants:      stopAnts,
		gammazero: stopIn(openWorkerpool),
		errGroup:  stopIn(openErrgroup),
		riverPool: stopRiver,
		channel:   stopIn(openChannel),
	},
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

func stopIn(open opener) program {
	return func(context.Context) string {
		said := make(chan error)
		r := open(2)
		r.submit(func() {
			mayHang()
			said <- r.wait()
		})
		if <-said != nil {
			return "an error"
		}
		return "it returns"
	}
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
