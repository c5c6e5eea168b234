package pool

import (
	"errors"
	"fmt"

	"github.com/resultpool/resultpool/internal/remote"
	"github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/store"
)

// Errors of submitting. After any of them the task was not accepted: it will not run, and nothing is stored for it.
var (
	// ErrClosed is returned by Submit, TrySubmit and SubmitAll after Stop, and after the pool's context is
	// cancelled; then it wraps the cause.
	ErrClosed = errors.New("pool: closed")

	// ErrQueueFull is returned where the call must not wait for room, or would wait for ever: by TrySubmit, and by
	// Submit and SubmitAll inside a task of the same pool. For tasks that submit tasks, Options.Queue: math.MaxInt
	// rules it out.
	ErrQueueFull = remote.ErrQueueFull

	// ErrNilTask is returned for a nil task, where T is a func, pointer,
	// interface or channel type.
	ErrNilTask = errors.New("pool: nil task")

	// ErrNoWorkers is returned after Resize(0), until workers are added, and
	// for a negative number of workers.
	ErrNoWorkers = errors.New("pool: no workers")
)

// Errors of New and Map.
var (
	// ErrNilFunc is returned for a nil task function.
	ErrNilFunc = errors.New("pool: nil task function")

	// ErrNilStore is returned for a nil store, also for a nil pointer in the interface.
	ErrNilStore = errors.New("pool: nil store")
)

// ErrUnconfirmed is returned by Submit, TrySubmit and SubmitAll of a pool that has joined an engine, together with
// the reason why they gave up, if the task may have been accepted nevertheless, or one of the tasks without an ID:
// the engine was asked and has answered neither yes nor no. The task may then run, and its result be stored under
// an ID that the caller does not know.
var ErrUnconfirmed = remote.ErrUnconfirmed

// Errors in a Result, in addition to those of the task functions.
var (
	// ErrNotRun is the Err of a task that was accepted and never started. It wraps the reason: the cause given to
	// [Pool.Cancel], that of the pool's cancel, or [ErrNoWorkers].
	ErrNotRun = store.ErrNotRun

	// ErrGoexit is the Err of a task that called runtime.Goexit, as
	// testing.T.FailNow does.
	ErrGoexit = store.ErrGoexit

	// ErrPoisoned is the Err of a task in a pool that has joined an engine, if five processes have died while they
	// ran it. It is not tried again.
	ErrPoisoned = remote.ErrPoisoned
)

// ErrInTask is returned by Stop, Wait, Get, Result, GetAll and Finished inside a task of the same pool, where
// waiting would be a deadlock.
var ErrInTask = errors.New("pool: would wait for its own task")

// These are not exported: a program does not handle them, its author corrects the call.
var (
	errNilContext = errors.New("pool: nil context; use context.Background() if there is none")
	errNilKey     = errors.New("pool: nil key function; New is for tasks without keys")
	errNilEngine  = errors.New("pool: nil engine")
)

// errZero is returned by the methods of a Pool that was declared and never made.
var errZero = fmt.Errorf("pool: this Pool was not made by New or Join: %w", ErrClosed)

// A PanicError is the Err of a task that panicked. Its field Value is what was passed to panic, and Stack is the
// stack of the goroutine. Unwrap returns Value if it is an error.
type PanicError = store.PanicError

// ErrUnsaved matches each [UnsavedError], under errors.Is, whatever its R is.
var ErrUnsaved = errors.New("pool: results could not be saved")

// An UnsavedError hands back the results that the store did not take, or reported as failed: such a result may be
// in the store, if a failing call had stored it. [Pool.Stop] returns it instead of nil, or instead of the cause of
// a cancel, which Err then wraps as well:
//
//	var unsaved *pool.UnsavedError[Thumb]
//	if err := p.Stop(ctx); errors.As(err, &unsaved) {
//		for _, res := range unsaved.Results {
//			// keep res somewhere else
//		}
//	}
//
// With another R than the pool's, errors.As finds nothing, without a warning. errors.Is with [ErrUnsaved], and the
// IDs of the results, need no R:
//
//	var unsaved interface{ IDs() []store.ID }
//	if errors.Is(err, pool.ErrUnsaved) && errors.As(err, &unsaved) {
//		log.Print("not saved: ", unsaved.IDs())
//	}
type UnsavedError[R any] struct {
	Results []store.Result[R] // in no particular order; all Stops return the same, so do not change it
	Err     error             // the store's first refusal
}

// Error says how many results there are, or names the task if there is only one, and says why.
func (e *UnsavedError[R]) Error() string {
	if len(e.Results) == 1 {
		return fmt.Sprintf("pool: the result of task %d could not be saved: %s", e.Results[0].ID, text.Of(e.Err))
	}
	return fmt.Sprintf("pool: %d results could not be saved: %s", len(e.Results), text.Of(e.Err))
}

// Unwrap returns Err.
func (e *UnsavedError[R]) Unwrap() error { return e.Err }

// Is reports whether target is [ErrUnsaved].
func (e *UnsavedError[R]) Is(target error) bool { return target == ErrUnsaved }

// IDs returns the IDs of the results, in increasing order, in a slice that the caller owns.
func (e *UnsavedError[R]) IDs() []store.ID {
	ids := make([]store.ID, len(e.Results))
	for i, res := range e.Results {
		ids[i] = res.ID
	}
	return ids
}

func closedBecause(cause error) error { return text.Because(ErrClosed, cause) }
func notRunBecause(cause error) error { return text.Because(ErrNotRun, cause) }
