package main

import (
	"context"

	"github.com/sourcegraph/conc/iter"
	"github.com/sourcegraph/conc/pool"
)

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
