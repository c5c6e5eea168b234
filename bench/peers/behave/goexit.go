package behave

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
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

// A task ends its goroutine, as t.FailNow does: what is told of it, and have the others both workers.
var goexits = row{
	name:  "goexit",
	title: "one of 10 tasks calls runtime.Goexit",
	river: 90 * time.Second, // River looks for what to rescue every thirty seconds
	cells: map[string]program{
		ours:      goexitOurs,
		conc:      goexitConc,
		pond:      goexitPond,
		ants:      goexitAnts,
		gammazero: goexitWorkerpool,
		errGroup:  goexitErrgroup,
		riverPool: goexitRiver,
		channel:   goexitChannel,
	},
}

// A crew sees how many tasks run at once after the first of ten has ended its goroutine.
type crew struct {
	mu                  sync.Mutex
	running, most, done int
	all                 chan struct{} // closed when nine have ended
}

func newCrew() *crew { return &crew{all: make(chan struct{})} }

func (c *crew) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running += n
	c.most = max(c.most, c.running)
	if n < 0 {
		if c.done++; c.done == 9 {
			close(c.all)
		}
	}
}

func (c *crew) task(in int) {
	if in == 0 {
		runtime.Goexit()
	}
	c.add(1)
	time.Sleep(5 * look)
	c.add(-1)
}

func (c *crew) said(told string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.done < 9:
		return fmt.Sprintf("%s, %d others go on", told, c.done)
	case c.most < 2:
		return told + ", one worker less"
	default:
		return told + ", others go on"
	}
}

func goexitOurs(ctx context.Context) string {
	c := newCrew()
	p := must(pool.New(ctx, func(_ context.Context, in int) (int, error) { c.task(in); return in, nil },
		dense.New[int](), &pool.Options{Workers: 2}))
	ids := must(p.SubmitAll(ctx, inputs(10)))
	check(p.Stop(ctx))
	if _, err := p.Get(ctx, ids[0]); !errors.Is(err, pool.ErrGoexit) {
		return c.said("no error")
	}
	return c.said("an error")
}

func goexitConc(context.Context) string {
	c := newCrew()
	p := concpool.New().WithMaxGoroutines(2).WithErrors()
	for in := range 10 {
		p.Go(func() error { c.task(in); return nil })
	}
	if p.Wait() == nil {
		return c.said("no error")
	}
	return c.said("an error")
}

func goexitPond(context.Context) string {
	c := newCrew()
	p := pondpool.NewPool(2)
	var futures []pondpool.Task
	for in := range 10 {
		futures = append(futures, p.Submit(func() { c.task(in) }))
	}
	p.StopAndWait()
	if futures[0].Wait() == nil {
		return c.said("no error")
	}
	return c.said("an error")
}

func goexitAnts(context.Context) string {
	c := newCrew()
	p := must(antspool.NewPool(2))
	for in := range 10 {
		check(p.Submit(func() { c.task(in) }))
	}
	<-c.all
	check(p.ReleaseTimeout(patience))
	return c.said("no error")
}

func goexitWorkerpool(context.Context) string {
	c := newCrew()
	p := workerpool.New(2)
	for in := range 10 {
		p.Submit(func() { c.task(in) })
	}
	mayHang()
	p.StopWait()
	return c.said("no error")
}

func goexitErrgroup(context.Context) string {
	c := newCrew()
	var g errgroup.Group
	g.SetLimit(2)
	for in := range 10 {
		g.Go(func() error { c.task(in); return nil })
	}
	if g.Wait() == nil {
		return c.said("no error")
	}
	return c.said("an error")
}

func goexitRiver(ctx context.Context) string {
	c := newCrew()
	client := openRiver(ctx, 2, func(_ context.Context, job *river.Job[args]) error { c.task(job.Args.In); return nil }, rescued())
	first := insert(ctx, client, 0, nil)
	for in := 1; in < 10; in++ {
		insert(ctx, client, in, nil)
	}
	<-c.all
	for len(must(client.JobGet(ctx, first)).Errors) == 0 {
		time.Sleep(look)
	}
	return c.said("an error")
}

func goexitChannel(context.Context) string {
	c := newCrew()
	jobs := make(chan int)
	crew := workers(2, jobs, c.task)
	for in := range 10 {
		jobs <- in
	}
	close(jobs)
	crew.Wait()
	return c.said("no error")
}
