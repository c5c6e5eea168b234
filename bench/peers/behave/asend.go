package behave

import (
	"context"
	"fmt"
	"time"

	pondpool "github.com/alitto/pond/v2"
	"github.com/riverqueue/river"
	"github.com/sourcegraph/conc/stream"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// The first task is slow, and nine fast ones run beside it: has the reader their results first.
var asTheyEnd = row{
	name:  "as-they-end",
	title: "9 fast results before a slow one",
	cells: map[string]program{
		ours:      endOurs,
		conc:      endConc,
		pond:      endPond,
		ants:      nil, // of results
		gammazero: nil, // of results
		errGroup:  nil, // of results but the first error
		riverPool: endRiver,
		channel:   endChannel,
	},
}

// slowFirst is a task that takes long if it is the first, or until the reader has had nine results.
func slowFirst(in int, release <-chan struct{}) int {
	if in == 0 {
		select {
		case <-release:
		case <-time.After(8 * time.Second):
		}
	}
	return in
}

// A reading is what the reader has had so far.
type reading struct {
	release chan struct{}
	before  int // results before that of the first task
	isOver  bool
}

// next takes a result and reports whether there are more to come.
func (r *reading) next(in int) bool {
	if in == 0 {
		r.isOver = true
	}
	if !r.isOver {
		if r.before++; r.before == 9 {
			close(r.release)
		}
	}
	return !r.isOver
}

func (r *reading) said() string {
	switch r.before {
	case 9:
		return "yes"
	case 0:
		return "no, in order of submission"
	}
	return fmt.Sprintf("%d of 9", r.before)
}

func endOurs(ctx context.Context) string {
	r := reading{release: make(chan struct{})}
	p := must(pool.New(ctx, func(_ context.Context, in int) (int, error) { return slowFirst(in, r.release), nil },
		dense.New[int](), &pool.Options{Workers: 2}))
	must(p.SubmitAll(ctx, inputs(10)))
	for res, err := range p.Finished(ctx) {
		check(err)
		if !r.next(res.Value) {
			break
		}
	}
	check(p.Stop(ctx))
	return r.said()
}

// endConc is a stream: pools have results when all tasks have ended.
func endConc(context.Context) string {
	r := reading{release: make(chan struct{})}
	s := stream.New().WithMaxGoroutines(2)
	for in := range 10 {
		s.Go(func() stream.Callback {
			v := slowFirst(in, r.release)
			return func() { r.next(v) }
		})
	}
	s.Wait()
	return r.said()
}

// endPond waits for one future after the other: there is no call that waits for any of them.
func endPond(context.Context) string {
	r := reading{release: make(chan struct{})}
	p := pondpool.NewResultPool[int](2)
	var futures []pondpool.ResultTask[int]
	for in := range 10 {
		futures = append(futures, p.Submit(func() int { return slowFirst(in, r.release) }))
	}
	for _, f := range futures {
		if !r.next(must(f.Wait())) {
			break
		}
	}
	p.StopAndWait()
	return r.said()
}

func endRiver(ctx context.Context) string {
	r := reading{release: make(chan struct{})}
	client := outputs(ctx, 2, func(in int) int { return slowFirst(in, r.release) }, nil)
	ended, unsubscribe := client.Subscribe(river.EventKindJobCompleted)
	defer unsubscribe()
	insertAll(ctx, client, 10, nil)
	for e := range ended {
		if !r.next(output(e.Job)) {
			break
		}
	}
	check(client.Stop(ctx))
	return r.said()
}

func endChannel(context.Context) string {
	r := reading{release: make(chan struct{})}
	jobs, results := make(chan int), make(chan int)
	crew := workers(2, jobs, func(in int) { results <- slowFirst(in, r.release) })
	go func() {
		for in := range 10 {
			jobs <- in
		}
		close(jobs)
		crew.Wait()
		close(results)
	}()
	for v := range results {
		if !r.next(v) {
			break
		}
	}
	return r.said()
}
