package pool_test

import (
	"context"
	"errors"
	"slices"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

var errCalledOff = errors.New("cause of a Cancel")

// calls is what was done to single tasks, by their IDs.
type calls struct {
	cancelled  map[store.ID]bool // Cancel was called
	tookEffect map[store.ID]bool // and has returned true
	finished   map[store.ID]bool // Finished has yielded the result, and the body has returned
}

// isReason reports whether there is a reason for a task that it was not run, or not again, and the result says so.
func (a *account) isReason(res store.Result[int]) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if errors.Is(res.Err, errCalledOff) {
		return a.calls.cancelled[res.ID]
	}
	return a.over() && (errors.Is(res.Err, errCause) || errors.Is(res.Err, pool.ErrNoWorkers))
}

// fitsAgain reports whether a result may be that of a task that has asked to be run again, and was not.
func (a *account) fitsAgain(d deed, res store.Result[int]) bool {
	var unsaved *pool.UnsavedError[int]
	if errors.As(res.Err, &unsaved) || errors.Is(res.Err, store.ErrRejected) {
		return a.storeFailed.Load()
	}
	return res.Value == d.number && errors.Is(res.Err, errTask) && !errors.Is(res.Err, pool.ErrNotRun) && a.isReason(res)
}

// callOff cancels a task. While all is still, it is known whether that takes effect.
func (a *account) callOff(id store.ID, still bool) bool {
	a.mu.Lock()
	d, known := a.accepted[id]
	r := a.runs[d.number]
	_, ended := a.stored[id]
	hasReturned := r.times > 0 && !r.runs && r.due.IsZero()
	again := a.calls.tookEffect[id] && !r.runs
	a.calls.cancelled[id] = true
	a.mu.Unlock()
	took := a.p.Cancel(id, errCalledOff)
	if want := !ended && !hasReturned && !again; still && known && took != want && !a.over() {
		a.fault("Cancel of task %d, %+v, %+v, returned %v", id, d, r, took)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls.tookEffect[id] = a.calls.tookEffect[id] || took
	return took
}

// judge looks at what a call has returned for a task that was known before, or not.
func (a *account) judge(call string, id store.ID, known bool, res store.Result[int], err error) {
	var unsaved *pool.UnsavedError[int]
	a.mu.Lock()
	d, deleted := a.accepted[id], a.deleted[id]
	a.mu.Unlock()
	ok := false
	switch {
	case errors.Is(err, store.ErrNotFound):
		ok = !known || deleted
	case errors.Is(err, pool.ErrInTask):
		ok = true
	case errors.As(err, &unsaved):
		ok = a.storeFailed.Load()
	default:
		ok = err == nil && res.ID == id && (!known || a.fits(d, res))
	}
	if !ok {
		a.fault("%s: task %d, %+v, has the result %+v, %v", call, id, d, res, err)
	}
}

// isEndOf reports whether err says that ctx is done.
func isEndOf(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx))
}

func (a *account) isKnown(id store.ID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, known := a.accepted[id]
	return known
}

func (a *account) result(ctx context.Context, id store.ID) {
	known := a.isKnown(id)
	res, err := a.p.Result(ctx, id)
	if !isEndOf(ctx, err) {
		a.judge("Result", id, known, res, err)
	}
}

func (a *account) peek(id store.ID, still bool) {
	known := a.isKnown(id)
	res, state, err := a.p.Peek(context.Background(), id)
	switch state {
	case pool.Unknown:
		a.judge("Peek", id, known, res, errors.Join(store.ErrNotFound, err))
	case pool.Ended:
		a.judge("Peek", id, known, res, err)
	}
	a.mu.Lock()
	_, ended := a.stored[id]
	a.mu.Unlock()
	if still && known && ended == (state == pool.Pending) {
		a.fault("Peek: task %d is %v, and whether its result is stored: %v", id, state, ended)
	}
}

// getAll gets the first n results.
func (a *account) getAll(ctx context.Context, ids []store.ID, n int) {
	known := make(map[store.ID]bool)
	for _, id := range ids {
		known[id] = a.isKnown(id)
	}
	for res, err := range a.p.GetAll(ctx, ids) {
		if res.ID == 0 {
			if !isEndOf(ctx, err) {
				a.fault("GetAll: %v", err)
			}
			return
		}
		was, open := known[res.ID]
		if !open {
			a.fault("GetAll: a result too many of %d: %+v, %v", ids, res, err)
		}
		delete(known, res.ID)
		a.judge("GetAll", res.ID, was, res, err)
		if n--; n <= 0 {
			return
		}
	}
	if len(known) > 0 {
		a.fault("GetAll: no results of %v", known)
	}
}

// finish takes n results out of the store, and leaves one more there.
func (a *account) finish(ctx context.Context, n int) (took int) {
	for res, err := range a.p.Finished(ctx) {
		if res.ID == 0 {
			if !isEndOf(ctx, err) && !errors.Is(err, pool.ErrInTask) {
				a.fault("Finished: %v", err)
			}
			return took
		}
		a.judge("Finished", res.ID, a.isKnown(res.ID), res, err)
		if took++; took > n {
			return took
		}
		a.mu.Lock()
		twice := a.calls.finished[res.ID]
		a.calls.finished[res.ID], a.deleted[res.ID] = true, true
		a.mu.Unlock()
		if twice {
			a.fault("Finished: result %d twice", res.ID)
		}
	}
	return took
}

// listRunning looks whether the tasks that run are in order, and have been submitted.
func (a *account) listRunning() {
	ids := a.p.Running()
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) || len(ids) > int(a.next.Load()) {
		a.fault("Running: %d", ids)
	}
}
