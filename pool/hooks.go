package pool

import (
	"context"
	"fmt"
	"time"

	"github.com/resultpool/resultpool/store"
)

// Hooks are functions that a pool calls as things happen to its tasks, for metrics and tracing. Each may be
// nil, and costs nothing then; the clock is read only for Started and Ended.
//
// A hook runs on the goroutine of the submission or the task that it is about, with no lock held. One that
// blocks holds that one up, and nothing else; over a [store.BatchPutter], Ended runs on the goroutine that
// writes, and holds up the results behind it. One that panics is recovered from, and Options.Logger told. A hook may call
// the pool, except to wait for the task that it is about. All may be called from many goroutines at once.
type Hooks struct {
	// Submitted is called when a task was accepted. ctx is Submit's. The task may have started,
	// and ended, before.
	Submitted func(ctx context.Context, id store.ID)

	// Started is called before the function is, once for each attempt. ctx is the task's. waited is
	// how long the task waited for it since it was submitted, or since the time had come that a RetryAfter
	// has named; in a pool that has joined an engine, since this pool took it over.
	Started func(ctx context.Context, id store.ID, waited time.Duration)

	// Ended is called once for each task, when its result is stored or given up, before anyone
	// who waits for it wakes. err is the task's, or matches [ErrUnsaved] if the result was given
	// up. ran is for how long its function ran, the last time; 0 if it never did.
	Ended func(id store.ID, out Outcome, err error, ran time.Duration)

	// Refused is called for a call of Submit or its kin that returns [ErrQueueFull] or [ErrClosed].
	Refused func(err error)
}

// An Outcome is what became of a task, as [Stats] counts it.
type Outcome int

// What may become of a task.
const (
	Succeeded Outcome = iota // the function returned a nil error
	Failed                   // it returned another one, or called Goexit
	Panicked                 // it panicked
	NotRun                   // it was not called; in a pool that has joined an engine, the task was given back
)

// String returns the name of the outcome: Succeeded, Failed, Panicked or NotRun.
func (o Outcome) String() string {
	switch o {
	case Succeeded:
		return "Succeeded"
	case Failed:
		return "Failed"
	case Panicked:
		return "Panicked"
	case NotRun:
		return "NotRun"
	default:
		return fmt.Sprintf("Outcome(%d)", int(o))
	}
}
