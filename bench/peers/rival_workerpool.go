package main

import (
	"context"

	"github.com/gammazero/workerpool"
)

func workerpoolSlice(ctx context.Context, j job) (results, error) {
	kept := make(outcomes, len(j.in))
	p := workerpool.New(j.workers)
	err := j.submit(func(first int, part []int) error {
		for i, in := range part {
			p.Submit(func() { kept[first+i] = j.run(ctx, in) })
		}
		return nil
	})
	p.StopWait()
	return kept.all, err
}
