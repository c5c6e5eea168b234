package pool

import (
	"context"
	"errors"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/remote"
	"github.com/resultpool/resultpool/store"
)

// GetAll is GetAll, for IDs that are distinct.
func (j *joint[T, R]) GetAll(ctx context.Context, ids []store.ID, yield func(store.Result[R], error) bool) {
	f := j.share.NewFetch()
	for _, id := range ids {
		f.Add(uint64(id))
	}
	if !j.lookAll(ctx, f, yield) {
		return
	}
	if j.pool.inTask(ctx) {
		for _, id := range f.Rest() {
			if !yield(store.Result[R]{ID: store.ID(id)}, ErrInTask) {
				return
			}
		}
		return
	}
	f.Start()
	defer f.Stop()
	for f.Open() > 0 {
		select {
		case r := <-f.Results():
			f.Received()
			if !j.yieldFetched(ctx, r, yield) {
				return
			}
		case <-ctx.Done():
			yield(store.Result[R]{}, backoff.Cause(ctx))
			return
		}
	}
}

// lookAll yields the results that are stored, in the order in which the IDs were added. It returns false if the
// loop is over.
func (j *joint[T, R]) lookAll(ctx context.Context, f *remote.Fetch, yield func(store.Result[R], error) bool) bool {
	for left := f.Open(); left > 0; {
		n, found := f.Look(ctx, left)
		if n == 0 {
			break
		}
		left -= n
		for _, r := range found {
			if !j.yieldFetched(ctx, r, yield) {
				return false
			}
		}
		if ctx.Err() != nil {
			yield(store.Result[R]{}, backoff.Cause(ctx))
			return false
		}
	}
	return true
}

// yieldFetched yields what was loaded, and returns false if the loop is over.
func (j *joint[T, R]) yieldFetched(ctx context.Context, r remote.Fetched, yield func(store.Result[R], error) bool) bool {
	if ctx.Err() != nil {
		yield(store.Result[R]{}, backoff.Cause(ctx))
		return false
	}
	res, err := j.fetched(r)
	return yield(res, err) && (err == nil || res.ID != 0)
}

// fetched returns the result that was loaded, or why it cannot be had: an error with the ID, or, if none can
// be had, without one.
func (j *joint[T, R]) fetched(r remote.Fetched) (store.Result[R], error) {
	res, err := j.resultOf(store.ID(r.ID), r.Data, r.Err)
	switch {
	case err == nil:
		return res, nil
	case errors.Is(err, ErrClosed):
		return store.Result[R]{}, err
	case errors.Is(err, engine.ErrClosed) || errors.Is(err, engine.ErrGone):
		return store.Result[R]{}, closedBecause(err)
	default:
		return store.Result[R]{ID: store.ID(r.ID)}, err
	}
}
