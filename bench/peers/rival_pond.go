package main

import (
	"context"

	"github.com/alitto/pond/v2"
)

// pondGroup has tasks without errors, whose values hold the errors: the first
// error of a group ends the group, and what has not run then is lost.
func pondGroup(ctx context.Context, j job) (results, error) {
	p := pond.NewResultPool[outcome](j.workers)
	defer p.StopAndWait()
	group := p.NewGroup()
	if err := j.submit(func(_ int, part []int) error {
		for _, in := range part {
			group.Submit(func() outcome { return j.run(ctx, in) })
		}
		return nil
	}); err != nil {
		return nil, err
	}
	kept, err := group.Wait()
	return outcomes(kept).all, err
}
