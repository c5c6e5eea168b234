package main

import (
	"context"
	"errors"
	"slices"
)

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
