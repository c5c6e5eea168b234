package cookbook_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// crawl reads root and every page that can be reached from it, each once, and returns how many there were. read
// returns the links of a page; its errors do not keep the other pages from being read.
func crawl(ctx context.Context, root string, read func(ctx context.Context, url string) ([]string, error)) (int, error) {
	var p *pool.Pool[string, int]
	var seen sync.Map // without it a circle of links would not end
	visit := func(ctx context.Context, url string) (int, error) {
		links, err := read(ctx, url)
		for _, link := range links {
			if _, again := seen.LoadOrStore(link, true); again {
				continue
			}
			if _, err := p.Submit(ctx, link); err != nil {
				return len(links), err
			}
		}
		return len(links), err
	}
	p, err := pool.New(ctx, visit, dense.New[int](), &pool.Options{Workers: 16, Queue: math.MaxInt})
	if err != nil {
		return 0, err
	}

	seen.Store(root, true)
	if _, err = p.Submit(ctx, root); err == nil {
		err = p.Wait(ctx) // Stop would be too early: after it no task can submit another one
	}
	err = cmp.Or(err, p.Stop(context.WithoutCancel(ctx)))
	results, unread := p.Results(context.WithoutCancel(ctx))
	err = cmp.Or(err, unread)
	for _, res := range results {
		err = errors.Join(err, res.Err)
	}
	return len(results), err
}

// A crawler: nobody knows beforehand how many tasks there are.
func Example_tasksThatSubmitTasks() {
	links := map[string][]string{
		"/":           {"/docs", "/blog", "/"},
		"/docs":       {"/docs/start", "/docs/api", "/"},
		"/docs/start": {"/docs/api"},
		"/docs/api":   nil,
		"/blog":       {"/blog/gone", "/docs"},
	}
	read := func(_ context.Context, url string) ([]string, error) {
		found, ok := links[url]
		if !ok {
			return nil, fmt.Errorf("%s: not found", url)
		}
		return found, nil
	}
	fmt.Println(crawl(context.Background(), "/", read))
	// Output:
	// 6 /blog/gone: not found
}
