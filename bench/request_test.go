package bench_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// BenchmarkRequest measures clients that submit a task and wait for its result.
func BenchmarkRequest(b *testing.B) {
	for _, clients := range []int{1, 2, 8} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			ctx := b.Context()
			p, err := pool.New(ctx, func(_ context.Context, in int) (int, error) { return in, nil }, dense.New[int](), &pool.Options{Workers: 2})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			done := make(chan struct{})
			for range clients {
				go func() {
					ctx, cancel := context.WithCancel(ctx)
					defer cancel()
					for i := range b.N / clients {
						id, err := p.Submit(ctx, i)
						if err == nil {
							_, err = p.Get(ctx, id)
						}
						if err != nil {
							b.Error(err)
						}
					}
					done <- struct{}{}
				}()
			}
			for range clients {
				<-done
			}
			p.Stop(ctx)
		})
	}
}

func BenchmarkRequestChannel(b *testing.B) {
	type request struct {
		in    int
		reply chan int
	}
	for _, clients := range []int{1, 2, 8} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			queue := make(chan request, 1024)
			for range 2 {
				go func() {
					for r := range queue {
						r.reply <- r.in
					}
				}()
			}
			b.ReportAllocs()
			done := make(chan struct{})
			for range clients {
				go func() {
					for i := range b.N / clients {
						r := request{i, make(chan int, 1)}
						queue <- r
						<-r.reply
					}
					done <- struct{}{}
				}()
			}
			for range clients {
				<-done
			}
			close(queue)
		})
	}
}
