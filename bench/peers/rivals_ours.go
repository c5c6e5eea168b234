package main

import (
	"context"
	"errors"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

func newDense() store.ResultStore[int]   { return dense.New[int]() }
func newRWMutex() store.ResultStore[int] { return rwmutex.New[int]() }
func newSyncMap() store.ResultStore[int] { return syncmap.New[int]() }
func newXSync() store.ResultStore[int]   { return xsync.New[int]() }

// oneByOne calls Submit for each task.
func oneByOne(newStore func() store.ResultStore[int]) func(context.Context, job) (results, error) {
	return func(ctx context.Context, j job) (results, error) {
		return runOurs(ctx, j, newStore(), func(p *pool.Pool[int, int], part []int) error {
			for _, in := range part {
				if _, err := p.Submit(ctx, in); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// allAtOnce calls SubmitAll once for each submitter, as one does who has the
// inputs in a slice.
func allAtOnce(newStore func() store.ResultStore[int]) func(context.Context, job) (results, error) {
	return func(ctx context.Context, j job) (results, error) {
		return runOurs(ctx, j, newStore(), func(p *pool.Pool[int, int], part []int) error {
			_, err := p.SubmitAll(ctx, part)
			return err
		})
	}
}

func runOurs(
	ctx context.Context, j job, st store.ResultStore[int],
	submit func(p *pool.Pool[int, int], part []int) error,
) (results, error) {
	p, err := pool.New(ctx, j.fn, st, &pool.Options{Workers: j.workers})
	if err != nil {
		return nil, err
	}
	err = j.submit(func(_ int, part []int) error { return submit(p, part) })
	return stored(ctx, st), errors.Join(err, p.Stop(ctx))
}

func stored(ctx context.Context, st store.ResultStore[int]) results {
	return func(yield func(int, error) bool) {
		for res, err := range st.All(ctx) {
			if err != nil {
				yield(0, err)
				return
			}
			if !yield(res.Value, res.Err) {
				return
			}
		}
	}
}

func poolMap(ctx context.Context, j job) (results, error) {
	values, err := pool.Map(ctx, j.in, j.fn, &pool.Options{Workers: j.workers})
	return mapped(values, err), nil
}
