package pool

import (
	"errors"
	"fmt"

	"github.com/resultpool/resultpool/internal/remote"
	"github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/store"
)

// Errors of submitting. After any of them the task was not accepted: it will not
// run, and nothing is stored for it.
var (
	// ErrClosed is returned by Submit and its kin after Stop, and after the
	// cancel of the pool's context, whose cause it then wraps.
	ErrClosed = errors.New("pool: closed")

	// ErrQueueFull is returned where waiting for room is not wanted or would
	// never end: by TrySubmit, and by Submit and SubmitAll inside a task of the
	// same pool. A pool whose tasks submit tasks has it never with Options.Queue:
	// math.MaxInt.
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

	// ErrNilStore is returned for a nil store, also a nil pointer in the
	// interface.
	ErrNilStore = errors.New("pool: nil store")
)

// ErrUnconfirmed is returned by Submit and its kin of a pool that has joined an engine,
// with the reason why they have ended, if the task, or one of the tasks that they return
// no ID for, may have been accepted all the same: the engine was asked and has not answered,
// neither yes nor no. Then it may run, and its result be stored under an unknown ID.
var ErrUnconfirmed = remote.ErrUnconfirmed

// Errors in a Result, beside those of the task functions.
var (
	// ErrNotRun is the Err of a task that was accepted and never started. It
	// wraps the reason: the cause of the pool's cancel, or [ErrNoWorkers].
	ErrNotRun = store.ErrNotRun

	// ErrGoexit is the Err of a task that called runtime.Goexit, as
	// testing.T.FailNow does.
	ErrGoexit = store.ErrGoexit

	// ErrPoisoned is the Err of a task of a pool that has joined an engine, if five
	// processes have died while they ran it. It is not tried again.
	ErrPoisoned = remote.ErrPoisoned
)

// ErrInTask is returned by Stop, Wait, Get, Result, GetAll and Finished inside a task of
// the same pool, where waiting would be waiting for oneself.
var ErrInTask = errors.New("pool: would wait for its own task")

// These are not exported: a program does not handle them, its author corrects the call.
var (
	errNilContext = errors.New("pool: nil context; use context.Background() if there is none")
	errNilKey     = errors.New("pool: nil key function; New is for tasks without keys")
	errNilEngine  = errors.New("pool: nil engine")
)

// errZero is returned by the methods of a Pool that was declared and never made.
var errZero = fmt.Errorf("pool: this Pool was not made by New or Join: %w", ErrClosed)

// A PanicError is the Err of a task that panicked. Its fields are Value, what was
// passed to panic, and Stack, that of the goroutine; Unwrap returns Value if it is
// an error.
type PanicError = store.PanicError

// ErrUnsaved matches each [UnsavedError], under errors.Is, whatever its R is.
var ErrUnsaved = errors.New("pool: results could not be saved")

// An UnsavedError hands back the results that the store would not take, or said that it
// had not: one of them may be there, if a call failed and had stored it. [Pool.Stop]
// returns it, in place of nil or of the cause of a cancel, which Err then wraps
// as well:
//
//	var unsaved *pool.UnsavedError[Thumb]
//	if err := p.Stop(ctx); errors.As(err, &unsaved) {
//		for _, res := range unsaved.Results {
//			// keep res somewhere else
//		}
//	}
//
// With any other R than the pool's, errors.As finds nothing, and says nothing. What needs no R
// is errors.Is with [ErrUnsaved], and the IDs of the results:
//
//	var unsaved interface{ IDs() []store.ID }
//	if errors.Is(err, pool.ErrUnsaved) && errors.As(err, &unsaved) {
//		log.Print("not saved: ", unsaved.IDs())
//	}
type UnsavedError[R any] struct {
	Results []store.Result[R] // in no particular order; all Stops return the same, so do not change it
	Err     error             // the store's first refusal
}

// Error says how many results there are, or of which task the only one is, and why.
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

// IDs returns the IDs of the results, in their order, in a slice that is the caller's.
func (e *UnsavedError[R]) IDs() []store.ID {
	ids := make([]store.ID, len(e.Results))
	for i, res := range e.Results {
		ids[i] = res.ID
	}
	return ids
}

func closedBecause(cause error) error { return text.Because(ErrClosed, cause) }
func notRunBecause(cause error) error { return text.Because(ErrNotRun, cause) }
