package main

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// An errgroup keeps the first error only, so its tasks return none, and leave
// their outcomes elsewhere.

func errgroupSlice(ctx context.Context, j job) (results, error) {
	kept := make(outcomes, len(j.in))
	return kept.all, runErrgroup(j, func(i int) { kept[i] = j.run(ctx, j.in[i]) })
}

func errgroupMap(ctx context.Context, j job) (results, error) {
	kept := newLockedMap()
	return kept.all, runErrgroup(j, func(i int) { kept.put(i, j.run(ctx, j.in[i])) })
}

func runErrgroup(j job, do func(i int)) error {
	var g errgroup.Group
	g.SetLimit(j.workers)
	if err := j.submit(func(first int, part []int) error {
		for i := range part {
			g.Go(func() error {
				do(first + i)
				return nil
			})
		}
		return nil
	}); err != nil {
		return err
	}
	return g.Wait()
}
