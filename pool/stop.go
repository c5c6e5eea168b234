package pool

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/text"
)

// Stop ends the pool gracefully: it takes no more tasks, runs all that it has accepted, and waits until every
// result is stored. It may be called any number of times, also at once; all calls wait for the same end and return
// the same:
//
//   - nil if every accepted task was run, except those that [Pool.Cancel] has cancelled, and all results are
//     stored;
//   - the cause of the cancel, if the pool's context was cancelled before the end: the result of each task that had
//     not started then is [ErrNotRun];
//   - an error matching ErrNotRun and [ErrNoWorkers], if tasks were left waiting by Resize(0): that is their result
//     too;
//   - the error of a store or an engine that has failed for good;
//   - an [UnsavedError] with the results that the store did not take, if any.
//
// ctx limits only the wait. If it is done first, Stop returns its cause and the pool goes on draining: call Stop
// again, or cancel the pool's context so that no more of the waiting tasks are run. That cancels the running tasks
// as well, but Go cannot kill a function or a store that ignores its context: Stop and Done wait for it.
//
// Inside a task, with the task's context, Stop returns [ErrInTask] at once, but the pool is stopping nevertheless.
func (p *Pool[T, R]) Stop(ctx context.Context) error {
	if err := p.check(ctx); err != nil {
		return err
	}
	cause := p.cancelCause()
	p.mu.Lock()
	p.closeLocked(cause)
	p.wakeAndUnlock()

	inTask := p.inTask(ctx)
	if !inTask {
		p.awaitEnd(ctx, p.done, "Stop")
		if p.isEnding() { // ctx may be the context of a task, which ends a moment before
			<-p.done
		}
	}
	select {
	case <-p.done: // also if ctx is done as well
		return p.verdict
	default:
	}
	if inTask {
		return ErrInTask
	}
	if refusal := p.failures.Now().Err; p.share != nil && refusal != nil {
		return text.Because(backoff.Cause(ctx), refusal)
	}
	return backoff.Cause(ctx)
}

// Resize changes how many tasks may run at once. Surplus workers leave after the task they hold; no task is
// interrupted. Resize never waits.
//
// After Resize(0) running tasks finish, waiting tasks stay in the queue, and Submit, also one that was blocked,
// returns [ErrNoWorkers] until workers are added again. On a pool that is being stopped, Resize(0) leaves the
// waiting tasks unrun; see [Pool.Stop].
//
// The error is ErrNoWorkers if workers is negative, [ErrClosed] if the pool has ended or runs no more tasks, or
// [ErrNilFunc] if it has joined without a function. Nothing changes then.
func (p *Pool[T, R]) Resize(workers int) error {
	if workers < 0 {
		return fmt.Errorf("%w: Resize(%d), want 0 or more", ErrNoWorkers, workers)
	}
	if p.isZero() {
		return errZero
	}
	if workers > 0 && p.fn == nil {
		return fmt.Errorf("%w: Resize(%d) of a pool that has joined without one", ErrNilFunc, workers)
	}
	p.mu.Lock()
	if p.phase >= aborting {
		defer p.wakeAndUnlock()
		return p.refusal
	}
	p.target = workers
	p.queue.SetWorkers(workers)
	switch {
	case p.phase != open:
		p.closeLocked(nil) // nobody may be left to drain it
	case workers > 0:
		p.openIntakeLocked()
	case p.share == nil:
		p.refuseLocked(ErrNoWorkers)
	}
	p.wakeAndUnlock()
	if p.share != nil {
		p.share.Resized()
	}
	return nil
}

// onCancel runs on a goroutine of its own once the pool's context is done: perhaps much later, so
// those who must not miss the cancel ask cancelCause as well.
func (p *Pool[T, R]) onCancel() {
	cause := context.Cause(p.ctx)
	p.saver.Cancelled()
	p.mu.Lock()
	p.watched = true
	p.closeLocked(cause)
	p.wakeAndUnlock()
}

// fail ends the pool as a cancel does, with err for its cause: the store or the engine has
// failed for good, and to go on would be to try for ever.
func (p *Pool[T, R]) fail(err error) {
	select {
	case <-p.done: // it has ended already
		return
	default:
	}
	if !p.failures.End(err) {
		return
	}
	if p.parent.Err() == nil { // otherwise the cause is that of the cancel, which was first
		p.broken.Store(&err)
	}
	p.cancel(err) // onCancel does the rest
	if p.share != nil {
		p.share.Failed(err)
	}
	p.log(slog.LevelError, "the store or the engine has failed for good", slog.String("error", text.Of(err)))
}

// closedByFailure returns an error if the store has failed for good.
func (p *Pool[T, R]) closedByFailure() error {
	if err := p.failures.Final(); err != nil {
		return closedBecause(err)
	}
	return nil
}

// openIntakeLocked makes the context that ends when Submit is refused, unless there is one.
func (p *Pool[T, R]) openIntakeLocked() {
	if p.shut == nil {
		p.intake, p.shut = context.WithCancelCause(p.callCtx)
	}
}

// shutIntakeLocked returns the function that ends intake, and its cause, if that is to be done. It
// is called when mu is free, since it closes channels.
func (p *Pool[T, R]) shutIntakeLocked() (shut context.CancelCauseFunc, why error) {
	if p.shut == nil {
		return nil, nil
	}
	if why = p.refusalLocked(nil); why == nil {
		return nil, nil
	}
	shut, p.shut = p.shut, nil
	return shut, why
}

// closeLocked closes intake. If there is a cause to cancel, or there are no workers left to drain
// the queue, it has the tasks that wait settled unrun.
func (p *Pool[T, R]) closeLocked(cause error) {
	switch {
	case cause != nil && p.cause == nil:
		p.cause, p.refusal = cause, closedBecause(cause)
		p.abortLocked(cause)
	case p.phase == open:
		p.phase, p.refusal = draining, ErrClosed
	}
	p.refuseLocked(p.refusal)
	p.queue.ShutTail(true)
	if p.phase == draining && p.share != nil {
		p.abortLocked(ErrClosed) // what waits is given back
	}
	if p.phase == draining && p.target == 0 && (!p.queue.IsEmpty() || len(p.park.tasks) > 0) {
		p.abortLocked(ErrNoWorkers)
	}
}

// abortLocked notes why the tasks that wait are not run.
func (p *Pool[T, R]) abortLocked(why error) {
	p.phase = max(p.phase, aborting)
	p.unrun = why
}

// endLocked reports whether the pool has just ended: whoever is the last to free mu finds that, and
// closes done. No goroutine waits for that moment, since somebody would have to own it.
func (p *Pool[T, R]) endLocked() bool {
	if p.phase == open || p.phase == ended || !p.queue.IsEmpty() || len(p.park.tasks) > 0 || p.goroutines > 0 {
		return false
	}
	if !p.watched && (p.unwatch == nil || !p.unwatch()) {
		return false // watch, or onCancel's goroutine, will be here in a moment, and end it
	}
	p.phase, p.watched = ended, true
	why := p.cause
	if why == nil && p.others[notRun] > p.offs.ended && p.share == nil { // a worker on its way out may have taken the last one
		why = notRunBecause(p.unrun)
	}
	p.verdict = p.verdictOf(why)
	return true
}

// isEnding reports whether the pool has ended, and done is closed or about to be.
func (p *Pool[T, R]) isEnding() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.phase == ended
}

// verdictOf returns what Stop is to return, given what it would return if every result was saved.
func (p *Pool[T, R]) verdictOf(why error) error {
	results, refusal := p.saver.Dropped()
	if len(results) == 0 {
		return why
	}
	if why != nil {
		refusal = text.Because(refusal, why)
	}
	return &UnsavedError[R]{Results: results, Err: refusal}
}
