package main

import (
	"context"
	"slices"
)

// try finds what is best for batches, and for those who submit one by one.
func (f *rowFigures) try(ctx context.Context, at *place, o runOptions) error {
	best := func(all []tuning, submit func(queue, []int) error) (best tuning, tries []attempt, err error) {
		if len(all) < 2 {
			return append(slices.Clone(all), tuning{})[0], nil, nil
		}
		most := 0.0
		for _, how := range all {
			r, err := rate(ctx, at, f.open, how, o.tries, submit)
			if err != nil {
				return best, nil, err
			}
			tries = append(tries, attempt{how, r})
			if r > most {
				best, most = how, r
			}
		}
		return best, tries, nil
	}
	var err error
	if f.Batches.How, f.Batches.Tries, err = best(f.batches, inBatches(ctx)); err != nil {
		return err
	}
	f.Singles.How, f.Singles.Tries, err = best(f.singles, oneByOne(ctx, 64))
	return err
}

func inBatches(ctx context.Context) func(queue, []int) error {
	return func(q queue, in []int) error { return q.SubmitAll(ctx, in) }
}

func oneByOne(ctx context.Context, goroutines int) func(queue, []int) error {
	return func(q queue, in []int) error {
		return each(goroutines, in, func(in int) error { return q.Submit(ctx, in) })
	}
}

func (f *rowFigures) batchRate(ctx context.Context, at *place, o runOptions) error {
	r, err := rate(ctx, at, f.open, f.Batches.How, max(1, o.batches/max(1, f.share)), inBatches(ctx))
	f.All = append(f.All, r)
	return err
}

func (f *rowFigures) singleRate(ctx context.Context, at *place, goroutines int, to *stat, o runOptions) error {
	r, err := rate(ctx, at, f.open, f.Singles.How, o.singles, oneByOne(ctx, goroutines))
	*to = append(*to, r)
	return err
}

func (f *rowFigures) answerTime(ctx context.Context, at *place) error {
	d, err := answer(ctx, at, f.open, f.call, f.calls)
	f.Answer = append(f.Answer, float64(d.Nanoseconds())/1e6)
	return err
}
