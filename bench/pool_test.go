package bench_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// BenchmarkPool measures the whole way of a task whose function does nothing:
// submitted by one goroutine, run by two workers, its result stored, and got.
func BenchmarkPool(b *testing.B) {
	for _, submit := range []string{"one", "all"} {
		for _, read := range []string{"none", "get"} {
			for _, c := range containers {
				b.Run(fmt.Sprintf("submit=%s/read=%s/store=%s", submit, read, c.name), func(b *testing.B) {
					e := &errand{st: c.open(), tasks: make([]int, b.N), ids: make([]store.ID, 0, b.N)}
					for i := range e.tasks {
						e.tasks[i] = i
					}
					runtime.GC()
					b.ReportAllocs()
					b.ResetTimer()
					if err := e.run(b.Context(), submit == "all", read == "get"); err != nil {
						b.Error(err)
					}
				})
			}
		}
	}
}

// An errand is tasks for a pool of its own.
type errand struct {
	st    store.ResultStore[int]
	tasks []int
	ids   []store.ID // of those submitted
	got   int        // how many of them have been got
	hooks *pool.Hooks
}

const (
	// batch is how many tasks SubmitAll gets at once.
	batch = 256

	// lag is how many tasks behind the submitter results are got: as long as
	// the queue, so that most are there and few Gets wait.
	lag = 1024
)

func same(_ context.Context, in int) (int, error) { return in, nil }

// run includes Stop: only then are all results stored.
func (e *errand) run(ctx context.Context, all, get bool) error {
	p, err := pool.New(ctx, same, e.st, &pool.Options{Workers: 2, Hooks: e.hooks})
	if err != nil {
		return err
	}
	for len(e.ids) < len(e.tasks) {
		if err := e.submit(ctx, p, all); err != nil {
			return err
		}
		last := len(e.ids) == len(e.tasks)
		for get && (e.got < len(e.ids)-lag || last && e.got < len(e.ids)) {
			v, err := p.Get(ctx, e.ids[e.got])
			if err != nil || v != e.tasks[e.got] {
				return fmt.Errorf("getting the result of %d: got %d and error %v", e.tasks[e.got], v, err)
			}
			e.got++
		}
	}
	if err := p.Stop(ctx); err != nil {
		return err
	}
	if s := p.Stats(); s.Succeeded != uint64(len(e.tasks)) {
		return fmt.Errorf("%d tasks succeeded, want %d", s.Succeeded, len(e.tasks))
	}
	return nil
}

func (e *errand) submit(ctx context.Context, p *pool.Pool[int, int], all bool) error {
	next := e.tasks[len(e.ids):]
	if !all {
		id, err := p.Submit(ctx, next[0])
		e.ids = append(e.ids, id)
		return err
	}
	ids, err := p.SubmitAll(ctx, next[:min(batch, len(next))])
	e.ids = append(e.ids, ids...)
	return err
}
