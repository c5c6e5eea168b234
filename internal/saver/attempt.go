package saver

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/resultpool/resultpool/store"
)

// fate is what became of an attempt to store results.
type fate int

const (
	// untried is the fate of a call that has not returned.
	untried fate = iota
	// stored: all of them are.
	stored
	// failing: the store says "not now". Some of them may be stored, if it lies.
	failing
	// refused: the store can never take one of them.
	refused
	// taken: an ID is held, by somebody else's result or by ours from an attempt before.
	taken
	// closed: the store is closed for good.
	closed
	// broken: the store has panicked, and may have stored some of them.
	broken
	// gone: the store has called runtime.Goexit, and may have stored some of them.
	gone
)

// An attempt is one call of the store, and why it failed, if it did. The error is the store's own: it
// is what the user is told.
type attempt struct {
	fate fate
	err  error
}

// attempted returns what the store has said. An error that matches none of the three means "not
// now", so a store need know of no error but its own.
func attempted(err error) attempt {
	switch {
	case err == nil:
		return attempt{stored, nil}
	case errors.Is(err, store.ErrRejected):
		return attempt{refused, err}
	case errors.Is(err, store.ErrExists):
		return attempt{taken, err}
	case errors.Is(err, store.ErrClosed):
		return attempt{closed, err}
	default:
		return attempt{failing, err}
	}
}

// errGoexit is the reason for a result that is lost because the store ended the goroutine.
var errGoexit = fmt.Errorf("pool: in the store's Put: %w", store.ErrGoexit)

// putPanicked is the error of a call of the store that has panicked. Its text, which may be
// user code, is made when it is asked for.
type putPanicked struct{ panic *store.PanicError }

func panicked(value any) *putPanicked {
	return &putPanicked{&store.PanicError{Value: value, Stack: debug.Stack()}}
}

func (e *putPanicked) Error() string {
	return fmt.Sprintf("%v: panic in Put: %v", store.ErrRejected, e.panic)
}
func (e *putPanicked) Unwrap() []error { return []error{store.ErrRejected, e.panic} }

// try makes one attempt to store es. It does not return if the store calls Goexit: Run finds that
// out, since only Run's deferred function still runs then.
//
// A panic is found by the fate, which put has not set, and not by what recover returns.
func (j *Job[R]) try(es []Entry[R]) (a attempt) {
	ctx, cancel := j.saver.context()
	var begun time.Time
	if cancel != nil {
		begun = time.Now()
	}
	defer func() {
		if j.saver.cancelled.Load() {
			j.noteTime(ctx, begun, a.fate)
		}
		if cancel != nil {
			cancel()
		}
		if a.fate == untried {
			a = attempt{broken, panicked(recover())} // recover returns nil after a panic(nil)
		}
	}()
	return j.saver.put(ctx, es)
}

// putFirst is try for one result and before the cancel. It has no context of its own: that of all
// calls before the cancel ends in time once the pool is cancelled. So such a call is not counted in
// wasted, but if it outlasts the grace, hung is set as after any other.
func (j *Job[R]) putFirst(res *store.Result[R]) (a attempt) {
	s := j.saver
	defer func() {
		if s.cancelled.Load() {
			j.noteTime(s.putCtx, time.Time{}, a.fate)
		}
		if a.fate == untried {
			a = attempt{broken, panicked(recover())}
		}
	}()
	if err := s.store.Put(s.putCtx, *res); err != nil {
		return attempted(err)
	}
	return attempt{fate: stored}
}

// noteTime notes what a call has cost that ended after the cancel. Calls that fail may take
// grace in all: one that takes a while to fail, as for want of a connection, would otherwise
// cost that for each result.
func (j *Job[R]) noteTime(ctx context.Context, begun time.Time, f fate) {
	if !begun.IsZero() && f == failing {
		j.wasted += time.Since(begun)
	}
	if ctx.Err() != nil || j.wasted >= grace {
		j.saver.hung.Store(true)
	}
}

// put calls the store. What the store is given is a copy: a PutBatch that sorts it and fails
// must not mix up ours.
func (s *Saver[R]) put(ctx context.Context, es []Entry[R]) attempt {
	// A single result goes as a record as well, so that its bytes are made once, by its worker.
	if s.records != nil {
		if recs, all := recordsOf(es); all {
			return attempted(s.records.PutRecords(ctx, recs))
		}
	}
	if len(es) == 1 {
		return attempted(s.store.Put(ctx, es[0].res))
	}
	return attempted(s.batches.PutBatch(ctx, resultsOf(es)))
}
