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
	title: "the context is cancelled: 1 task runs, 9 wait",
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

// nine has nine goroutines submit, for a call that waits is what tells them, and waits until as many wait.
// told says how many had the error want.
func nine(submit func() error, waiting func() int, want error) (told func() string) {
	var n atomic.Int32
	var submitters sync.WaitGroup
	for range 9 {
		submitters.Go(func() {
			if errors.Is(submit(), want) {
				n.Add(1)
			}
		})
	}
	for waiting() < 9 {
		time.Sleep(look)
	}
	return func() string {
		submitters.Wait()
		return each(int(n.Load()), "an error")
	}
}

func cancelAnts(ctx context.Context) string {
	s := newScene()
	p := must(antspool.NewPool(1))
	submit := func() error { return p.Submit(func() { s.task(ctx) }) }
	check(submit())
	<-s.begun
	told := nine(submit, p.Waiting, antspool.ErrPoolClosed)
	p.Release()
	close(s.end)
	return s.said(told())
}

func cancelWorkerpool(ctx context.Context) string {
	s := newScene()
	p := workerpool.New(1)
	task := func() { s.task(ctx) }
	p.Submit(task)
	<-s.begun
	told := nine(func() error { return p.DoWait(task) }, p.WaitingQueueSize, workerpool.ErrStopped)
	go func() {
		for !p.Stopped() {
			time.Sleep(look)
		}
		time.Sleep(soon) // until its dispatcher knows, too
		close(s.end)
	}()
	p.Stop()
	return s.said(told())
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
	ids := insertAll(ctx, client, 10, nil)
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
