package bench_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// BenchmarkRequest measures clients that submit a task and wait for its result, each with a context of
// its own, as requests have.
func BenchmarkRequest(b *testing.B) {
	for _, clients := range []int{1, 2, 8} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			ctx := b.Context()
			p, err := pool.New(ctx, func(_ context.Context, in int) (int, error) { return in, nil }, dense.New[int](), &pool.Options{Workers: 2})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() {
					ctx, cancel := context.WithCancel(ctx)
					defer cancel()
					for i := range (b.N + clients - 1) / clients {
						id, err := p.Submit(ctx, i)
						if err == nil {
							_, err = p.Get(ctx, id)
						}
						if err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if err := p.Stop(ctx); err != nil {
				b.Error(err)
			}
		})
	}
}
