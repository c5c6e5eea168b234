package behave

import (
	"context"
	"fmt"
	"sync"
	"time"

	pondpool "github.com/alitto/pond/v2"
	"github.com/riverqueue/river"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// Of fifteen tasks with three keys one of each key runs at a time, and those of several keys at once.
var perKey = row{
	name:  "per-key",
	title: "one at a time for each of 3 keys",
	cells: map[string]program{
		ours:      keyOurs,
		conc:      keyEach(openConc, "yes, a pool for each"),
		pond:      keyPond,
		ants:      keyEach(openAnts, "yes, a pool for each"),
		gammazero: keyEach(openWorkerpool, "yes, a pool for each"),
		errGroup:  keyEach(openErrgroup, "yes, a group for each"),
		riverPool: keyRiver,
		channel:   keyEach(openChannel, "yes, a goroutine for each"),
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
		func(in int) int { return in % keys }, dense.New[int](), &pool.Options{Workers: keys + 1}))
	must(p.SubmitAll(ctx, inputs(15)))
	check(p.Stop(ctx))
	return l.said("yes")
}

// keyEach has the tasks of each key run by a pool of one worker.
func keyEach(open opener, how string) program {
	return func(context.Context) string {
		l := newLane()
		var each [keys]runner
		for key := range keys {
			each[key] = open(1)
		}
		for in := range 15 {
			each[in%keys].submit(func() { l.task(in) })
		}
		for _, r := range each {
			check(r.wait())
		}
		return l.said(how)
	}
}

func keyPond(ctx context.Context) string {
	p := pondpool.NewPool(keys + 1)
	return keyEach(func(workers int) runner { return ofPond(p.NewSubpool(workers)) }, "yes, a subpool for each")(ctx)
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
