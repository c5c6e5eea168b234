package main

import (
	"context"
	"sync"

	"github.com/panjf2000/ants/v2"
)

// Ants keeps no results. Its pool with one function is the fastest of its kinds:
// there is no closure for each task.

func antsSlice(ctx context.Context, j job) (results, error) {
	kept := make(outcomes, len(j.in))
	return kept.all, runAnts(j, func(i int) { kept[i] = j.run(ctx, j.in[i]) })
}

func antsMap(ctx context.Context, j job) (results, error) {
	kept := newLockedMap()
	return kept.all, runAnts(j, func(i int) { kept.put(i, j.run(ctx, j.in[i])) })
}

func runAnts(j job, do func(i int)) error {
	var pending sync.WaitGroup
	pending.Add(len(j.in))
	p, err := ants.NewPoolWithFuncGeneric(j.workers, func(i int) {
		defer pending.Done()
		do(i)
	})
	if err != nil {
		return err
	}
	defer p.Release()
	if err := j.submit(func(first int, part []int) error {
		for i := range part {
			if err := p.Invoke(first + i); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	pending.Wait()
	return nil
}
