package pool

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/resultpool/resultpool/internal/remote"
	"github.com/resultpool/resultpool/internal/saver"
	"github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/store"
)

// Hooks are functions that a pool calls as things happen to its tasks, for metrics and tracing. Each may be nil,
// and then costs nothing; the clock is read only for Started and Ended.
//
// A hook runs on the goroutine of the submission or the task that it is about, with no lock held. A hook that
// blocks holds up only that goroutine; with a [store.BatchPutter], Ended runs on the goroutine that writes, and
// holds up the results behind it. A panic in a hook is recovered and reported to Options.Logger. A hook that calls
// Goexit ends its worker, which is replaced; Ended is then not called for the rest of the results that were written
// together with its own. All hooks may be called from many goroutines at once.
//
// A hook may call the pool, but must not wait there: not in Get, Result, GetAll or Finished, not in Wait or Stop,
// and not in Submit or SubmitAll for room; TrySubmit does not wait. The worker that runs the hook may be the one
// that would have to go on.
type Hooks struct {
	// Submitted is called when a task was accepted. ctx is Submit's. The task may have started, and even ended,
	// before.
	Submitted func(ctx context.Context, id store.ID)

	// Started is called before the function, once for each attempt. ctx is the task's. waited is how long the task
	// has waited since it was submitted, or since the time that its RetryAfter set; in a pool that has joined an
	// engine, since this pool took it over.
	Started func(ctx context.Context, id store.ID, waited time.Duration)

	// Ended is called once for each task, when its result is stored or given up, before anyone who waits for it is
	// woken; in a pool that has joined an engine, those who wait at the engine may wake earlier. err is the task's,
	// or matches [ErrUnsaved] if the result was given up. ran is how long its function ran, the last time; 0 if it
	// never did.
	Ended func(id store.ID, out Outcome, err error, ran time.Duration)

	// Refused is called once for each call of Submit, TrySubmit or SubmitAll that returns [ErrQueueFull] or
	// [ErrClosed], also for a SubmitAll that has accepted some of its tasks.
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

func (p *Pool[T, R]) tellSubmitted(ctx context.Context, ids ...store.ID) {
	if p.hooks.Submitted == nil {
		return
	}
	for _, id := range ids {
		p.tellSubmittedOne(ctx, id)
	}
}

func (p *Pool[T, R]) tellSubmittedOne(ctx context.Context, id store.ID) {
	defer p.recoverHook("Submitted")
	p.hooks.Submitted(ctx, id)
}

// tellRefused counts a submission that has failed for want of room, and tells of it.
func (p *Pool[T, R]) tellRefused(err error) {
	if p.isZero() {
		return
	}
	what := text.What(err)         // the pool's own word: who has cancelled may have given any reason
	isFull := what == ErrQueueFull //nolint:errorlint // the very error
	if isFull {
		p.refusedFull.Add(1)
	}
	if p.hooks.Refused != nil && (isFull || what == ErrClosed) { //nolint:errorlint // the very error
		defer p.recoverHook("Refused")
		p.hooks.Refused(err)
	}
}

func (p *Pool[T, R]) tellStarted(ctx context.Context, w *worker[T, R]) {
	defer p.recoverHook("Started")
	since := w.hand.Since()
	if w.parked != nil && w.parked.attempts > 0 {
		since = w.parked.since
	}
	p.hooks.Started(ctx, w.id, p.queue.Now()-since)
}

// tellEnded tells of a task whose result res is stored, or was given up.
func (p *Pool[T, R]) tellEnded(res store.Result[R], out outcome, ran time.Duration, givenUp error) {
	defer p.recoverHook("Ended")
	err := res.Err
	if givenUp != nil && !remote.IsHandBack(err) {
		err = &UnsavedError[R]{Results: []store.Result[R]{res}, Err: givenUp}
	}
	p.hooks.Ended(res.ID, Outcome(out), err, ran)
}

// tellAllEnded is tellEnded for results that somebody else than their workers has saved, and what is known
// of their tasks.
func (p *Pool[T, R]) tellAllEnded(es []saver.Entry[R], givenUp error, of func(store.ID) (outcome, time.Duration)) {
	if p.hooks.Ended == nil {
		return
	}
	for i := range es {
		res := es[i].Result()
		p.mu.Lock()
		out, ran := of(res.ID)
		p.mu.Unlock()
		p.tellEnded(res, out, ran, givenUp)
	}
}

// recoverHook is deferred around a hook.
func (p *Pool[T, R]) recoverHook(name string) {
	if v := recover(); v != nil {
		p.log(slog.LevelError, "a hook panicked", slog.String("hook", name), slog.String("panic", text.Of(v)),
			slog.String("stack", string(debug.Stack())))
	}
}
