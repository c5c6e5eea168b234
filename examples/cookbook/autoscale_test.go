package cookbook_test

import (
	"context"
	"fmt"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// autoscale looks at p at each tick. While tasks wait, it doubles the number of workers, up to most; while some
// are idle, it takes one away, down to least. It returns when ticks is closed or p has ended.
func autoscale[T, R any](p *pool.Pool[T, R], ticks <-chan time.Time, least, most int) {
	for range ticks {
		stats := p.Stats()
		workers := stats.Workers
		switch {
		case stats.Queued > 0:
			workers = min(2*workers, most)
		case stats.Running < uint64(workers):
			workers = max(workers-1, least)
		}
		if err := p.Resize(workers); err != nil {
			return
		}
	}
}

// More workers while tasks wait, and fewer when there is nothing to do.
func Example_autoscaling() {
	finish := make(chan bool)
	wait := func(context.Context, int) (int, error) { <-finish; return 0, nil }
	ctx := context.Background()
	p := must(pool.New(ctx, wait, dense.New[int](), &pool.Options{Workers: 1}))

	ticks := make(chan time.Time) // or that of a time.Ticker, once a second
	over := make(chan bool)
	go func() { autoscale(p, ticks, 1, 5); close(over) }()
	tick := func(times int) {
		for range times {
			ticks <- time.Now()
		}
		fmt.Println(p.Stats().Workers)
	}
	must(p.SubmitAll(ctx, make([]int, 20)))
	tick(10)
	close(finish)
	report(p.Wait(ctx))
	tick(10)
	close(ticks)
	<-over
	report(p.Stop(ctx))
	// Output:
	// 5
	// 1
}
