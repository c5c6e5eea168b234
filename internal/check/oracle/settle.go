package oracle

import (
	"context"
	"errors"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// An account is what happened to one ID.
type account struct {
	task    *Task
	stored  int    // how often it was taken
	res     Result // … and what it was
	failed  bool   // a Put of it failed, or said so
	refused bool   // … since it rejected the result, panicked or called Goexit
}

func (o *Oracle) accountLocked(id store.ID) *account {
	acc := o.accounts[id]
	if acc == nil {
		acc = new(account)
		o.accounts[id] = acc
	}
	return acc
}

// account returns a copy of the account of an ID.
func (o *Oracle) account(id store.ID) account {
	o.mu.Lock()
	defer o.mu.Unlock()
	if acc := o.accounts[id]; acc != nil {
		return *acc
	}
	return account{}
}

// NotTaken is called by the store when it has failed to take results, or says so; for
// good if it has refused the one that there is.
func (o *Oracle) NotTaken(refused bool, ids ...store.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		acc := o.accountLocked(id)
		acc.failed = true
		acc.refused = acc.refused || refused
	}
}

// Took is called by the store when it has taken a result.
func (o *Oracle) Took(res Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	acc := o.accountLocked(res.ID)
	acc.stored++
	acc.res = res
}

// genuine returns an error unless v and err are the result of t, or what the pool
// stores in its place if the store has refused it.
func (o *Oracle) genuine(t *Task, v int, err error) error {
	acc := o.account(t.ID())
	switch instead := acc.refused && errors.Is(err, store.ErrRejected); {
	case instead && v != 0:
		return Wrong("a value beside the refusal", v, err)
	case instead:
		return nil
	case acc.refused && acc.stored > 0:
		return Wrong("the store refused this one", v, err)
	}
	return o.own(t, v, err)
}

// own returns an error unless v and err are what t ended with, or say that it was not
// run and that may be so.
func (o *Oracle) own(t *Task, v int, err error) error {
	switch {
	case !errors.Is(err, pool.ErrNotRun):
		return t.Own(v, err)
	case !o.closing.Load():
		return Wrong("the pool was open", v, err)
	case o.zeroed.Load() && t.NotRun(v, err, pool.ErrNoWorkers) == nil:
		return nil
	case o.ctx.Err() != nil:
		return t.NotRun(v, err, o.cause)
	default:
		return Wrong("it has to be run", v, err)
	}
}

// End waits for the end of the pool and compares all accounts: the callers', the
// tasks', the store's and the pool's own. Nobody else may call the pool any more.
func (o *Oracle) End() {
	ctx := context.Background()
	defer o.cancel(nil)
	defer o.Guard()
	o.Stop(ctx, false)
	<-o.pool.Done()
	o.Stop(o.ctx, false)
	o.Wait(ctx, false)
	for _, t := range o.ids {
		o.Get(ctx, t, false)
	}
	if len(o.verdicts) == 0 {
		return // the faults say why
	}
	handed := o.handedBack()
	o.settle(ctx, handed)
	o.verdict(len(handed))
	if n := o.lateStarts.Load(); n > o.allowed.Load() {
		o.Fault("%d tasks started after the cancel", n)
	}
}

// settle looks at each task and at the store. handed are the results that Stop has
// handed back.
func (o *Oracle) settle(ctx context.Context, handed map[store.ID]Result) {
	for _, t := range o.offered {
		switch {
		case t == nil:
		case t.ID() != 0:
			o.result(t, handed)
			o.count(t)
		case t.Ran() != 0:
			o.Fault("%v was refused and ran", t)
		}
	}
	want, got := o.sum, o.pool.Stats()
	want.Workers, want.Unsaved, want.Failing = got.Workers, uint64(len(handed)), got.Failing
	want.Capacity, want.Refused = o.room, o.full.Load()
	if got != want {
		o.Fault("with nothing under way Stats is %+v, want %+v", got, want)
	}
	held, err := store.Snapshot(ctx, o.st)
	if err != nil {
		o.Fault("Snapshot: %w", err)
	}
	for id, acc := range o.accounts {
		if acc.task == nil {
			o.Fault("the store was given %+v, and nobody that ID", acc.res)
			continue
		}
		res, holds := held[id]
		if want := acc.stored > 0 && !acc.task.deleted.Load(); holds != want {
			o.Fault("the store holds the result of %v: %t, want %t", acc.task, holds, want)
		} else if holds && res != acc.res {
			o.Fault("the store holds %+v, and was given %+v", res, acc.res)
		}
		delete(held, id)
	}
	for _, res := range held {
		o.Fault("the store holds %+v, which was not put there", res)
	}
}

// result looks for the one result of t.
func (o *Oracle) result(t *Task, handed map[store.ID]Result) {
	acc := o.account(t.ID())
	res, isBack := handed[t.ID()]
	check := o.own
	if !isBack {
		res, check = acc.res, o.genuine
	}
	switch {
	case acc.stored > 1:
		o.Fault("the result of %v was stored %d times", t, acc.stored)
	case acc.stored == 0 && !isBack:
		o.Fault("%v was accepted and has no result", t)
		return
	case isBack && !acc.failed:
		o.Fault("the result of %v was handed back, and the store has not refused it", t)
	}
	if err := check(t, res.Value, res.Err); err != nil {
		o.Fault("%v, handed back: %t: %w", t, isBack, err)
	}
	if res.ID != t.ID() {
		o.Fault("the result of %v has ID %d", t, res.ID)
	}
}

// count adds t to the numbers that Stats should have.
func (o *Oracle) count(t *Task) {
	o.sum.Submitted++
	out := t.outcome.Load()
	switch {
	case t.Ran() == 0:
		o.sum.NotRun++
	case out == nil:
		o.Fault("%v has a result and has not ended", t)
	case out.end == panicked:
		o.sum.Panicked++
	case out.end == exited || out.err != nil:
		o.sum.Failed++
	default:
		o.sum.Succeeded++
	}
}

// handedBack returns what the Stops have handed back, which have to agree.
func (o *Oracle) handedBack() map[store.ID]Result {
	handed := make(map[store.ID]Result)
	for _, v := range o.verdicts {
		if v != o.verdicts[0] { //nolint:errorlint // the very error
			o.Fault("two Stops returned %v and %v", o.verdicts[0], v)
		}
	}
	var unsaved *pool.UnsavedError[int]
	if errors.As(o.verdicts[0], &unsaved) {
		for _, res := range unsaved.Results {
			if _, twice := handed[res.ID]; twice {
				o.Fault("result %d was handed back twice", res.ID)
			}
			handed[res.ID] = res
			if o.account(res.ID).task == nil {
				o.Fault("result %d of no accepted task was handed back", res.ID)
			}
		}
	}
	return handed
}

// verdict finds fault with what Stop returned, if so many results were handed back.
func (o *Oracle) verdict(handed int) {
	v := o.verdicts[0]
	var unsaved *pool.UnsavedError[int]
	byCancel := errors.Is(v, o.cause)
	byZero := errors.Is(v, pool.ErrNotRun) && errors.Is(v, pool.ErrNoWorkers)
	why := ""
	switch {
	case errors.As(v, &unsaved) != (handed > 0):
		why = "UnsavedError is for results that are handed back"
	case byCancel && o.ctx.Err() == nil:
		why = "there was no cancel"
	case byZero && o.sum.NotRun == 0:
		why = "all tasks were run"
	case !byZero && !byCancel && o.sum.NotRun > 0:
		why = "tasks were not run"
	case !byZero && !byCancel && handed == 0 && v != nil:
		why = "it should be nil"
	}
	if why != "" {
		o.Fault("Stop returned %v: %s (%d handed back, %d not run)", v, why, handed, o.sum.NotRun)
	}
}
