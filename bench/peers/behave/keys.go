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
		conc:      nil, // of a key, or of pools in a pool
		pond:      keyPond,
		ants:      nil, // of a key: a MultiPool chooses its pools by turns or by their load
		gammazero: nil, // of a key, or of pools in a pool
		errGroup:  nil, // of a key, or of groups with one limit
		riverPool: keyRiver,
		channel:   nil,
	},
}

const keys = 3

// A lane counts how many tasks run at once, for each key and in all.
type lane struct {
	mu              sync.Mutex
	running         [keys]int
	all, most, done int // most: in all
	mostOfAKey      int
}

func (l *lane) add(key, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[key] += n
	l.all += n
	l.most, l.mostOfAKey = max(l.most, l.all), max(l.mostOfAKey, l.running[key])
	if n < 0 {
		l.done++
	}
}

func (l *lane) task(in int) {
	key := in % keys
	l.add(key, 1)
	time.Sleep(2 * look)
	l.add(key, -1)
}

func (l *lane) said(how string) string {
	if l.done == 15 && l.mostOfAKey == 1 && l.most > 1 {
		return how
	}
	return fmt.Sprintf("%d of a key, %d in all", l.mostOfAKey, l.most)
}

func keyOurs(ctx context.Context) string {
	var l lane
	p := must(pool.NewKeyed(ctx, func(_ context.Context, in int) (int, error) { l.task(in); return 0, nil },
		func(in int) int { return in % keys }, dense.New[int](), &pool.Options{Workers: 4}))
	must(p.SubmitAll(ctx, inputs(15)))
	check(p.Stop(ctx))
	return l.said("yes")
}

func keyPond(context.Context) string {
	var l lane
	p := pondpool.NewPool(4)
	var subpools []pondpool.Pool
	for range keys {
		subpools = append(subpools, p.NewSubpool(1))
	}
	for in := range 15 {
		subpools[in%keys].Submit(func() { l.task(in) })
	}
	for _, sub := range subpools {
		sub.StopAndWait()
	}
	p.StopAndWait()
	return l.said("yes, a subpool for each")
}

// keyRiver has one worker for each queue, and so no limit of 4 for all. Other clients would have their own workers.
func keyRiver(ctx context.Context) string {
	var l lane
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
