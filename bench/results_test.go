package bench_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// BenchmarkResults measures the ways to have the results of all tasks, which do nothing and come from one
// SubmitAll, through two workers into dense: a copy of all when the pool has stopped, GetAll of their IDs, and a
// loop over Finished beside the submitter, which deletes them.
func BenchmarkResults(b *testing.B) {
	for _, read := range []string{"results", "getall", "finished"} {
		b.Run("read="+read, func(b *testing.B) {
			tasks := make([]int, b.N)
			b.ReportAllocs()
			b.ResetTimer()
			n, err := resultsOf(b.Context(), tasks, read)
			if err != nil || n != b.N {
				b.Errorf("%d results of %d, and error %v", n, b.N, err)
			}
		})
	}
}

// resultsOf returns how many results it has read of a pool's own.
func resultsOf(ctx context.Context, tasks []int, read string) (n int, err error) {
	p, err := pool.New(ctx, same, dense.New[int](), &pool.Options{Workers: 2})
	if err != nil {
		return 0, err
	}
	count := func(_ store.Result[int], wrong error) bool {
		if n++; wrong != nil {
			err = wrong
		}
		return true
	}
	over := make(chan struct{})
	if read == "finished" {
		go func() {
			defer close(over)
			p.Finished(ctx)(count)
		}()
	}
	ids, failed := p.SubmitAll(ctx, tasks)
	if failed != nil {
		return n, failed
	}
	if read == "getall" {
		p.GetAll(ctx, ids)(count)
	}
	if failed := p.Stop(ctx); failed != nil {
		return n, fmt.Errorf("stopping: %w", failed)
	}
	switch read {
	case "results":
		all, failed := p.Results(ctx)
		n, err = len(all), failed
	case "finished":
		<-over
	}
	return n, err
}
