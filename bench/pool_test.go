package bench_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// BenchmarkPool measures the whole way of a task whose function does nothing:
// submitted by one goroutine, run by two workers, its result stored, and got.
func BenchmarkPool(b *testing.B) { runAll(b, poolBenchmarks()) }

func poolBenchmarks() []benchmark {
	var all []benchmark
	for _, submit := range []string{"one", "all"} {
		for _, read := range []string{"none", "get"} {
			for _, c := range containers {
				name := fmt.Sprintf("submit=%s/read=%s/store=%s", submit, read, c.name)
				all = append(all, benchmark{name, func(b *testing.B) {
					rounds(b, func(n int) func() {
						e := &errand{st: c.open(), tasks: make([]int, n), ids: make([]store.ID, 0, n)}
						for i := range e.tasks {
							e.tasks[i] = i
						}
						return func() {
							if err := e.run(b.Context(), submit == "all", read == "get"); err != nil {
								b.Error(err)
							}
						}
					})
				}})
			}
		}
	}
	return all
}

// An errand is the tasks of one round, for a pool of its own.
type errand struct {
	st    store.ResultStore[int]
	tasks []int
	ids   []store.ID // of those submitted
	got   int        // how many of them have been got
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
	p, err := pool.New(ctx, same, e.st, &pool.Options{Workers: 2})
	if err != nil {
		return err
	}
	for len(e.ids) < len(e.tasks) {
		if err := e.submit(ctx, p, all); err != nil {
			return err
		}
		if get {
			if err := e.get(ctx, p, len(e.ids)-lag); err != nil {
				return err
			}
		}
	}
	if get {
		if err := e.get(ctx, p, len(e.ids)); err != nil {
			return err
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

// get gets the results of the first n tasks, as far as they have not been got.
func (e *errand) get(ctx context.Context, p *pool.Pool[int, int], n int) error {
	for ; e.got < n; e.got++ {
		v, err := p.Get(ctx, e.ids[e.got])
		if err != nil || v != e.tasks[e.got] {
			return fmt.Errorf("getting the result of %d: got %d and error %v", e.tasks[e.got], v, err)
		}
	}
	return nil
}
