package main

import (
	"context"
	"sync"

	"github.com/alitto/pond/v2"
	"github.com/gammazero/workerpool"
	"github.com/panjf2000/ants/v2"
	"github.com/sourcegraph/conc/iter"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"
)

// runAnts: ants keeps no results. Its pool with one function is the fastest of its
// kinds: there is no closure for each task.
func runAnts(_ context.Context, j job, do func(i int)) error {
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

// runErrgroup: an errgroup keeps the first error only, so its tasks return none,
// and leave their outcomes elsewhere.
func runErrgroup(_ context.Context, j job, do func(i int)) error {
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

func runWorkerpool(_ context.Context, j job, do func(i int)) error {
	p := workerpool.New(j.workers)
	defer p.StopWait()
	return j.submit(func(first int, part []int) error {
		for i := range part {
			p.Submit(func() { do(first + i) })
		}
		return nil
	})
}

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

// concResults has results that hold the errors: a ResultErrorPool joins the
// errors and does not say whose they are.
func concResults(ctx context.Context, j job) (results, error) {
	p := pool.NewWithResults[outcome]().WithMaxGoroutines(j.workers)
	err := j.submit(func(_ int, part []int) error {
		for _, in := range part {
			p.Go(func() outcome { return j.run(ctx, in) })
		}
		return nil
	})
	return outcomes(p.Wait()).all, err
}

// concIter is MapErr, which is closest to our Map: it returns all values, and
// all errors joined.
func concIter(ctx context.Context, j job) (results, error) {
	m := iter.Mapper[int, int]{MaxGoroutines: j.workers}
	values, err := m.MapErr(j.in, func(in *int) (int, error) { return j.fn(ctx, *in) })
	return mapped(values, err), nil
}
