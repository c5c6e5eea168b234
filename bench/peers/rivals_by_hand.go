package main

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/resultpool/resultpool/internal/naive"
)

// queueLen is how many tasks wait where that is for us to choose: as many as in
// a pool of ours with default options.
const queueLen = 1024

// runChannel is what one writes without a library.
func runChannel(_ context.Context, j job, do func(i int)) error {
	queue := make(chan int, queueLen)
	var crew sync.WaitGroup
	for range j.workers {
		crew.Go(func() {
			for i := range queue {
				do(i)
			}
		})
	}
	err := j.submit(func(first int, part []int) error {
		for i := range part {
			queue <- first + i
		}
		return nil
	})
	close(queue)
	crew.Wait()
	return err
}

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

// chunked gives each worker a part of the inputs beforehand. It can do so because
// all are known, and does badly if the long tasks are all in one part.
func chunked(ctx context.Context, j job) (results, error) {
	kept := make(outcomes, len(j.in))
	err := j.split(j.workers, func(_, first int, part []int) error {
		mine := kept[first:][:len(part)]
		for i, in := range part {
			mine[i].value, mine[i].err = j.fn(ctx, in)
		}
		return nil
	})
	return kept.all, err
}

// chunkedMap keeps what Map keeps: values, and those errors that there are.
func chunkedMap(ctx context.Context, j job) (results, error) {
	values := make([]int, len(j.in))
	failed := make([][]error, j.workers)
	err := j.split(j.workers, func(nth, first int, part []int) error {
		mine := values[first:][:len(part)]
		for i, in := range part {
			v, err := j.fn(ctx, in)
			if err != nil {
				failed[nth] = append(failed[nth], err)
			}
			mine[i] = v
		}
		return nil
	})
	return mapped(values, errors.Join(slices.Concat(failed...)...)), err
}
