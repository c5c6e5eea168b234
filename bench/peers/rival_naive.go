package main

import (
	"context"

	"github.com/resultpool/resultpool/internal/naive"
)

func naivePool(ctx context.Context, j job) (results, error) {
	p := naive.New[int](ctx, j.workers, queueLen)
	err := j.submit(func(_ int, part []int) error {
		for _, in := range part {
			if err := p.Submit(func(ctx context.Context) (int, error) { return j.fn(ctx, in) }); err != nil {
				return err
			}
		}
		return nil
	})
	p.Stop()
	return func(yield func(int, error) bool) {
		for _, res := range p.Results() {
			if !yield(res.Value, res.Err) {
				return
			}
		}
	}, err
}
