package behave

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	pondpool "github.com/alitto/pond/v2"
	"github.com/riverqueue/river"

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
		conc:      goexitIn(openConc),
		pond:      goexitPond,
		ants:      goexitIn(openAnts),
		gammazero: goexitIn(openWorkerpool),
		errGroup:  goexitIn(openErrgroup),
		riverPool: goexitRiver,
		channel:   goexitIn(openChannel),
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

func goexitIn(open opener) program {
	return func(context.Context) string {
		c := newCrew()
		r := open(2)
		for in := range 10 {
			r.submit(func() { c.task(in) })
		}
		<-c.all
		mayHang()
		if r.wait() == nil {
			return c.said("no error")
		}
		return c.said("an error")
	}
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

func goexitRiver(ctx context.Context) string {
	c := newCrew()
	client := openRiver(ctx, 2, func(_ context.Context, job *river.Job[args]) error { c.task(job.Args.In); return nil }, rescued())
	ids := insertAll(ctx, client, 10, nil)
	<-c.all
	for len(must(client.JobGet(ctx, ids[0])).Errors) == 0 {
		time.Sleep(look)
	}
	return c.said("an error")
}
