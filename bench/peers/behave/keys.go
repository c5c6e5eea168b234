package behave

import (
	"context"
	"fmt"
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

// Of fifteen tasks with three keys one of each key runs at a time, and those of several keys at once.
var perKey = row{
	name:  "per-key",
	title: "one at a time for each of 3 keys",
	cells: map[string]program{
		ours:      keyOurs,
		conc:      keyConc,
		pond:      keyPond,
		ants:      keyAnts,
		gammazero: keyWorkerpool,
		errGroup:  keyErrgroup,
		riverPool: keyRiver,
		channel:   keyChannel,
	},
}

const keys = 3

// A lane counts how many tasks run at once, for each key and in all.
type lane struct {
	mu              sync.Mutex
	running         [keys]int
	all, most, done int // most: in all
	mostOfAKey      int
	together        chan struct{} // closed when each key's first task runs
}

func newLane() *lane { return &lane{together: make(chan struct{})} }

func (l *lane) add(key, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[key] += n
	l.all += n
	l.mostOfAKey = max(l.mostOfAKey, l.running[key])
	if l.all > l.most {
		if l.most = l.all; l.most == keys {
			close(l.together)
		}
	}
	if n < 0 {
		l.done++
	}
}

func (l *lane) task(in int) {
	key := in % keys
	l.add(key, 1)
	select {
	case <-l.together:
		time.Sleep(look)
	case <-time.After(time.Second):
	}
	l.add(key, -1)
}

func (l *lane) said(how string) string {
	if l.done == 15 && l.mostOfAKey == 1 && l.most == keys {
		return how
	}
	return fmt.Sprintf("%d of a key, %d in all", l.mostOfAKey, l.most)
}

func keyOurs(ctx context.Context) string {
	l := newLane()
	p := must(pool.NewKeyed(ctx, func(_ context.Context, in int) (int, error) { l.task(in); return 0, nil },
		func(in int) int { return in % keys }, dense.New[int](), &pool.Options{Workers: keys}))
	must(p.SubmitAll(ctx, inputs(15)))
	check(p.Stop(ctx))
	return l.said("yes")
}

// keyEach has the tasks of each key run by a pool of one worker that open opens.
func keyEach(open func() (submit func(func()), wait func()), how string) string {
	l := newLane()
	var submit [keys]func(func())
	var wait [keys]func()
	for key := range keys {
		submit[key], wait[key] = open()
	}
	for in := range 15 {
		submit[in%keys](func() { l.task(in) })
	}
	for key := range keys {
		wait[key]()
	}
	return l.said(how)
}

func keyConc(context.Context) string {
	return keyEach(func() (func(func()), func()) {
		p := concpool.New().WithMaxGoroutines(1)
		return p.Go, p.Wait
	}, "yes, a pool for each")
}

func keyPond(context.Context) string {
	p := pondpool.NewPool(keys)
	defer p.StopAndWait()
	return keyEach(func() (func(func()), func()) {
		sub := p.NewSubpool(1)
		return func(task func()) { sub.Submit(task) }, sub.StopAndWait
	}, "yes, a subpool for each")
}

func keyAnts(context.Context) string {
	return keyEach(func() (func(func()), func()) {
		p := must(antspool.NewPool(1))
		return func(task func()) { check(p.Submit(task)) }, func() { check(p.ReleaseTimeout(patience)) }
	}, "yes, a pool for each")
}

func keyWorkerpool(context.Context) string {
	return keyEach(func() (func(func()), func()) {
		p := workerpool.New(1)
		return p.Submit, p.StopWait
	}, "yes, a pool for each")
}

func keyErrgroup(context.Context) string {
	return keyEach(func() (func(func()), func()) {
		var g errgroup.Group
		g.SetLimit(1)
		return func(task func()) { g.Go(func() error { task(); return nil }) }, func() { check(g.Wait()) }
	}, "yes, a group for each")
}

func keyChannel(context.Context) string {
	return keyEach(func() (func(func()), func()) {
		jobs := make(chan func())
		crew := workers(1, jobs, func(job func()) { job() })
		return func(task func()) { jobs <- task }, func() { close(jobs); crew.Wait() }
	}, "yes, a goroutine for each")
}

// keyRiver has one worker for each queue. Other clients would have their own workers.
func keyRiver(ctx context.Context) string {
	l := newLane()
	queues := make(map[string]river.QueueConfig)
	name := func(in int) string { return fmt.Sprintf("key%d", in%keys) }
	for key := range keys {
		queues[name(key)] = river.QueueConfig{MaxWorkers: 1}
	}
	client := openRiver(ctx, 0, func(_ context.Context, job *river.Job[args]) error { l.task(job.Args.In); return nil },
		&river.Config{Queues: queues})
	var ids []int64
	for in := range 15 {
		ids = append(ids, insert(ctx, client, in, &river.InsertOpts{Queue: name(in)}))
	}
	for _, id := range ids {
		awaitJob(ctx, client, id)
	}
	check(client.Stop(ctx))
	return l.said("yes, a queue for each")
}
