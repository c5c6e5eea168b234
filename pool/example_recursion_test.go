package pool_test

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// A crawler: tasks submit tasks, and nobody knows beforehand how many. A Submit inside a task does not wait for
// room, which might be waiting for itself. So the queue has no bound but memory, which it
// takes as it fills and gives back. Wait returns when nothing is left.
func ExamplePool_Submit_recursion() {
	links := map[string][]string{
		"/":           {"/docs", "/blog", "/"},
		"/docs":       {"/docs/start", "/docs/api", "/"},
		"/docs/start": {"/docs/api"},
		"/blog":       {"/blog/1", "/blog/2", "/docs"},
	}
	ctx := context.Background()

	var p *pool.Pool[string, int]
	var seen sync.Map // a page is visited once: without that it would not end
	visit := func(ctx context.Context, page string) (int, error) {
		for _, link := range links[page] {
			if _, again := seen.LoadOrStore(link, true); again {
				continue
			}
			if _, err := p.Submit(ctx, link); err != nil { // ctx is the task's
				return 0, err
			}
		}
		return len(links[page]), nil
	}
	p, err := pool.New(ctx, visit, dense.New[int](), &pool.Options{Queue: math.MaxInt})
	if err != nil {
		fmt.Println(err)
		return
	}

	seen.Store("/", true)
	if _, err := p.Submit(ctx, "/"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(p.Wait(ctx)) // before Stop, after which a task could submit no more
	fmt.Println(p.Stats().Succeeded, "pages")
	fmt.Println(p.Stop(ctx))
	// Output:
	// <nil>
	// 7 pages
	// <nil>
}
