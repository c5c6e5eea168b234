package behave

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	pondpool "github.com/alitto/pond/v2"
	"github.com/gammazero/workerpool"
	antspool "github.com/panjf2000/ants/v2"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	concpool "github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// One worker has a task, nine wait: how many of them start after the cancel, and what are the others told.
// Where there is no context that could be cancelled, it is the call that ends the pool at once.
var cancelled = row{
	name:  "cancel",
	title: "1 task runs, 9 wait: the cancel",
	cells: map[string]program{
		ours:      cancelOurs,
		conc:      cancelConc,
		pond:      cancelPond,
		ants:      cancelAnts,
		gammazero: cancelWorkerpool,
		errGroup:  cancelErrgroup,
		riverPool: cancelRiver,
		channel:   cancelChannel,
	},
}

// A scene has a first task that runs until it may end. Others only count that they have started.
type scene struct {
	begun, end        chan struct{}
	starts, cancelled atomic.Int32 // cancelled: with a context that was done
	first             sync.Once
}

func newScene() *scene { return &scene{begun: make(chan struct{}), end: make(chan struct{})} }

func (s *scene) task(ctx context.Context) {
	s.starts.Add(1)
	if ctx.Err() != nil {
		s.cancelled.Add(1)
	}
	s.first.Do(func() {
		close(s.begun)
		<-s.end
	})
}

// soon is long enough for what happens at once.
const soon = 300 * time.Millisecond

// said says how many of those that waited have started, and what the others are told.
func (s *scene) said(told string) string {
	n := s.starts.Load() - 1
	if n == 9 && s.cancelled.Load() == 9 {
		return "9 start cancelled"
	}
	return fmt.Sprintf("%d start, %s", n, told)
}

func cancelOurs(ctx context.Context) string {
	ctx, cancel := context.WithCancel(ctx)
	s := newScene()
	p := must(pool.New(ctx, func(ctx context.Context, _ int) (int, error) { s.task(ctx); return 0, nil },
		dense.New[int](), &pool.Options{Workers: 1}))
	ids := must(p.SubmitAll(ctx, inputs(10)))
	<-s.begun
	cancel()
	close(s.end)
	<-p.Done()
	told := 0
	for _, id := range ids[1:] {
		if _, err := p.Get(context.Background(), id); errors.Is(err, pool.ErrNotRun) {
			told++
		}
	}
	return s.said(each(told, "ErrNotRun"))
}

func each(n int, what string) string {
	if n == 9 {
		return "each has " + what
	}
	return fmt.Sprintf("%d have %s", n, what)
}

func cancelConc(ctx context.Context) string {
	ctx, cancel := context.WithCancel(ctx)
	s := newScene()
	p := concpool.New().WithMaxGoroutines(1).WithContext(ctx)
	go func() {
		<-s.begun
		cancel()
		close(s.end)
	}()
	for range 10 {
		p.Go(func(ctx context.Context) error { s.task(ctx); return nil })
	}
	check(p.Wait())
	return s.said("untold")
}

func cancelPond(ctx context.Context) string {
	ctx, cancel := context.WithCancel(ctx)
	s := newScene()
	p := pondpool.NewPool(1, pondpool.WithContext(ctx))
	var futures []pondpool.Task
	for range 10 {
		futures = append(futures, p.Submit(func() { s.task(ctx) }))
	}
	<-s.begun
	cancel()
	close(s.end)
	told := 0
	for _, f := range futures[1:] {
		if errors.Is(f.Wait(), context.Canceled) {
			told++
		}
	}
	p.StopAndWait()
	return s.said(each(told, "an error"))
}

// cancelAnts has ten submitters, for Submit waits until the task starts.
func cancelAnts(ctx context.Context) string {
	s := newScene()
	task := func() { s.task(ctx) }
	p := must(antspool.NewPool(1))
	check(p.Submit(task))
	<-s.begun
	var told atomic.Int32
	var submitters sync.WaitGroup
	for range 9 {
		submitters.Go(func() {
			if errors.Is(p.Submit(task), antspool.ErrPoolClosed) {
				told.Add(1)
			}
		})
	}
	for p.Waiting() < 9 {
		time.Sleep(look)
	}
	p.Release()
	close(s.end)
	submitters.Wait()
	return s.said(each(int(told.Load()), "an error"))
}

// cancelWorkerpool has ten submitters, for DoWait is what tells them.
func cancelWorkerpool(ctx context.Context) string {
	s := newScene()
	task := func() { s.task(ctx) }
	p := workerpool.New(1)
	p.Submit(task)
	<-s.begun
	var told atomic.Int32
	var submitters sync.WaitGroup
	for range 9 {
		submitters.Go(func() {
			if errors.Is(p.DoWait(task), workerpool.ErrStopped) {
				told.Add(1)
			}
		})
	}
	for p.WaitingQueueSize() < 9 {
		time.Sleep(look)
	}
	go func() {
		for !p.Stopped() {
			time.Sleep(look)
		}
		time.Sleep(soon) // until its dispatcher knows, too
		close(s.end)
	}()
	p.Stop()
	submitters.Wait()
	return s.said(each(int(told.Load()), "an error"))
}

func cancelErrgroup(ctx context.Context) string {
	ctx, cancel := context.WithCancel(ctx)
	s := newScene()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(1)
	go func() {
		<-s.begun
		cancel()
		close(s.end)
	}()
	for range 10 {
		g.Go(func() error { s.task(ctx); return nil })
	}
	check(g.Wait())
	return s.said("untold")
}

func cancelRiver(ctx context.Context) string {
	s := newScene()
	run := make(chan context.Context, 10)
	client := openRiver(ctx, 1, func(ctx context.Context, _ *river.Job[args]) error {
		run <- ctx
		s.task(ctx)
		return nil
	}, nil)
	var ids []int64
	for in := range 10 {
		ids = append(ids, insert(ctx, client, in, nil))
	}
	go func() {
		<-(<-run).Done()
		time.Sleep(soon) // until it fetches no more, too
		close(s.end)
	}()
	<-s.begun
	check(client.StopAndCancel(ctx))
	wait := 0
	for _, id := range ids {
		if must(client.JobGet(ctx, id)).State == rivertype.JobStateAvailable {
			wait++
		}
	}
	return s.said(fmt.Sprintf("%d wait on disk", wait))
}

// cancelChannel does it a hundred times, for select takes at random what is ready.
func cancelChannel(ctx context.Context) string {
	var starts, cancelled int32
	for range 100 {
		ctx, cancel := context.WithCancel(ctx)
		s := newScene()
		jobs := make(chan func(), 10)
		var crew sync.WaitGroup
		crew.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case job := <-jobs:
					job()
				}
			}
		})
		for range 10 {
			jobs <- func() { s.task(ctx) }
		}
		<-s.begun
		cancel()
		close(s.end)
		crew.Wait()
		starts += s.starts.Load() - 1
		cancelled += s.cancelled.Load()
	}
	switch starts {
	case 0:
		return "0 start, nobody is told"
	case cancelled:
		return "some start cancelled"
	}
	return "some start, nobody is told"
}
