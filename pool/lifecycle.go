package pool

import (
	"container/list"
	"context"
	"fmt"
	"sync"

	"github.com/resultpool/resultpool/store"
)

// lifecycle is all that changes in a pool, but for its queue and for the IDs:
// guarded by Pool.mu.
//
// A pool walks one way, and may skip what is in the middle:
//
//	open       closed == nil                  tasks come in and run
//	draining   closed != nil, abort == nil    none comes in; those that wait run
//	aborting   abort != nil                   those that wait are not run
//	ended      ended                          nothing is left
//
// A task walks one way too: it waits in the queue, is held by a worker, which runs
// it and saves its result, or hands that over to the writer if the store is a
// BatchPutter, and is settled. In an aborting pool it is settled straight from the
// queue, by the reaper.
//
// Most tasks pass without mu: see gates for when they may. A worker whose task has
// succeeded settles it and takes the next one in one step, by a Pop with its
// mark. Everything else happens with mu held, and this is what then holds:
//
//	the marks of the crew that are not 0, and the results that were handed over
//	and are not saved, are running many
//	queue.Popped() = settled tasks + running
//
// so the tasks that have succeeded need not be counted. (While a worker is between
// the two halves of a Pop, its mark is still that of the task before, which counts
// as settled already, and stands for the one that is being popped.)
//
// A submitter that finds no room joins submitters and sleeps. When there is room
// worth it, see refillLocked, a worker moves the first submitter's tasks into the
// queue and wakes it when all are in, so no room is lost to a sleeper and tasks
// keep the order in which they came.
//
// No worker sleeps while there is work for it: whoever puts a task into the queue,
// takes one and leaves others, or allows more workers, sees to it; see wakeLocked.
//
// Inside mu only the saver's lock is taken. No task runs under it, no method of
// the store, of an error or of a context that is not the standard library's, and
// no channel operation.
type lifecycle[T, R any] struct {
	closed  error // nil while open; then what Submit returns
	abort   error // nil while tasks that wait are to run; then why they are not
	cause   error // the cause of the cancel, if there was one
	ended   bool
	verdict error // of Stop; set with ended, and immutable from then on

	submitters list.List        // of *submission[T], in order of arrival
	waiting    uint64           // tasks that they have left
	others     [outcomes]uint64 // settled tasks that have not succeeded

	target  int       // how many workers there may be
	crew    crew[R]   // those there are; more than target until the surplus leave
	running int       // tasks that workers hold, or that were handed over
	idle    int       // workers that sleep, or wake and do not hold mu yet
	waking  bool      // one is on its way to the queue; see wakeLocked
	work    sync.Cond // with mu; idle workers sleep on it
	reaping bool      // the reaper's goroutine is there
	feeding int       // goroutines of joint that are there

	gathered      []entry[R]           // what workers have handed over to the writer; see hasRoomLocked
	gatheredBytes int                  // of their data
	large         bool                 // a worker waits with a large result, and others let it pass; see hand
	handed        map[store.ID]outcome // of the tasks whose results were handed over and are not saved
	writing       bool                 // the writer's goroutine is there; it is if gathered is not empty
	aside         int                  // results that are tried beside the writer; see setAside
	room          sync.Cond            // with mu; workers sleep on it that have a result, while gathered is full

	getters map[store.ID]*getters // those who wait for a task to be settled
	quiet   chan struct{}         // closed when nothing waits or runs; nil if nobody asks
	wake    []chan struct{}       // to be closed by unlock

	// The pool must not end while onCancel is on its way.
	unwatch func() bool // takes the call of onCancel back; false if it is too late for that
	watched bool        // onCancel has run, or was taken back
}

func newLifecycle[T, R any](o Options) lifecycle[T, R] {
	return lifecycle[T, R]{
		target:  o.Workers,
		handed:  make(map[store.ID]outcome),
		getters: make(map[store.ID]*getters),
	}
}

// Stop ends the pool gently: it takes no more tasks, runs all that it has
// accepted, stores their results, and waits until that is done and no goroutine
// of the pool is left.
//
// Submits that wait for room return [ErrClosed]. Stop may be called any number
// of times, also at once; all calls wait for the same end and return the same:
//
//   - nil if every accepted task was run and its result stored;
//   - the cause of the cancel, if the pool's context was cancelled before the
//     end: tasks that had not started then have [ErrNotRun] for a result;
//   - an error matching ErrNotRun and [ErrNoWorkers], if tasks were left waiting
//     by Resize(0): they have that result too;
//   - the error of a store or an engine that has failed for good;
//   - an [UnsavedError] with the results that the store would not take, if any.
//
// ctx bounds the waiting only. If it is done first, Stop returns its cause and
// the pool goes on draining: call Stop again, or cancel the pool's context to
// run no more of the tasks that wait. That cancels the tasks that run as well,
// but a function that ignores its context cannot be killed in Go, nor can a
// store: Stop and Done wait for it.
//
// Inside a task, with the task's context, Stop returns [ErrInTask] at once; the
// pool is stopping all the same.
//
// A pool that has joined an engine runs to the end what it has begun, and gives back to
// the engine what it has taken over and not begun: another process runs that, at once.
// After a cancel, so does it with a task whose function returns the cancel's error; all
// other outcomes are kept. Stop then returns nil, the cause of the cancel, or an
// UnsavedError: the tasks of its results are run again by another process, when their
// leases have ended.
func (p *Pool[T, R]) Stop(ctx context.Context) error {
	if ctx == nil {
		return errNilContext
	}
	if p.isZero() {
		return errZero
	}
	cause := p.cancelCause()
	p.mu.Lock()
	p.closeLocked(cause)
	shut := p.ids.shut
	p.unlock()
	shut(ErrClosed)

	if !p.inTask(ctx) {
		select {
		case <-p.done:
		case <-ctx.Done():
		}
	}
	select {
	case <-p.done: // also if ctx is done as well
		return p.verdict
	default:
	}
	if p.inTask(ctx) {
		return ErrInTask
	}
	if p.joint == nil {
		return causeOf(ctx)
	}
	return late(ctx, p.troubles.now().Err)
}

// Resize changes how many tasks may run at once. Surplus workers leave after the
// task they hold; no task is interrupted. Resize never waits.
//
// After Resize(0) running tasks finish, waiting ones wait, and Submit, also one
// that was blocked, returns [ErrNoWorkers] until workers are added again. On a
// pool that is being stopped, Resize(0) leaves the waiting tasks unrun; see
// [Pool.Stop].
//
// In a pool that has joined an engine, Submit goes on after Resize(0), since others may
// have workers. The few tasks that it has taken over and not begun wait for workers, or
// for Stop, which gives them back.
//
// The error is ErrNoWorkers if workers is negative, [ErrClosed] if the pool has
// ended or runs no more tasks, or [ErrNilFunc] if it has joined without a function.
// Nothing changes then.
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
	if p.ended || p.abort != nil {
		defer p.unlock()
		return p.closed
	}
	if p.target == 0 && workers > 0 && p.closed == nil {
		p.ids.openLocked(p.ctx)
	}
	p.target = workers
	shut := func(error) {}
	if workers == 0 && p.joint == nil {
		p.refuseLocked(ErrNoWorkers)
		shut = p.ids.shut
	}
	if p.closed != nil {
		p.closeLocked(nil) // nobody may be left to drain it
	}
	p.unlock()
	shut(ErrNoWorkers)
	if p.joint != nil {
		p.joint.Resized()
	}
	return nil
}

// cancelCause returns the cause of the pool's cancel, or nil if there was none.
// Those who must not miss a cancel ask for it, since onCancel may be late.
func (p *Pool[T, R]) cancelCause() error {
	if err := p.broken.Load(); err != nil { // first: if parent has ended too, it was later
		set(&p.heard, true)
		return *err
	}
	if p.parent.Err() != nil {
		set(&p.heard, true)
		return causeOf(p.parent)
	}
	return nil
}

// lockHeedingCancel takes mu, and closes the pool first if it is cancelled and onCancel
// has not seen that yet.
func (p *Pool[T, R]) lockHeedingCancel() {
	cause := p.cancelCause()
	p.mu.Lock()
	if cause != nil {
		p.closeLocked(cause)
	}
}

// causeOf returns why ctx is done. (A context that is not the standard library's
// may be so without an Err.)
func causeOf(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return context.Canceled
}

// onCancel runs on a goroutine of its own once the pool's context is done.
func (p *Pool[T, R]) onCancel() {
	cause := context.Cause(p.ctx)
	p.saver.cancelled()
	p.mu.Lock()
	p.watched = true
	p.closeLocked(cause)
	p.unlock()
}

// closeLocked closes intake, and, if there is a cause to cancel or there are no
// workers left to drain the queue, has the tasks in it settled unrun.
func (p *Pool[T, R]) closeLocked(cause error) {
	switch {
	case cause != nil && p.cause == nil:
		p.cause, p.abort = cause, cause
		p.closed = closedBecause(cause)
	case p.closed == nil:
		p.closed = ErrClosed
	}
	p.refuseLocked(p.closed)
	p.queue.ShutTail(true)
	if p.abort == nil && p.joint != nil {
		p.abort = ErrClosed // what waits is given back
	}
	if p.abort == nil && p.target == 0 {
		p.queue.ShutHead(true) // or the last task may be taken after it was seen
		if p.queue.Len() > 0 {
			p.abort = ErrNoWorkers
		}
	}
	if p.abort == nil {
		return
	}
	p.queue.ShutHead(true)
	if p.queue.Len() > 0 && !p.reaping {
		p.reaping = true
		w := p.saver.writing(nil, p.settleWaiting, nil)
		persist(func() { p.reap(w) })
	}
}

// endLocked reports whether the pool has just ended.
func (p *Pool[T, R]) endLocked() bool {
	if p.ended || p.closed == nil || p.queue.Len() > 0 || p.crew.n > 0 || p.reaping || p.writing || p.aside > 0 || p.feeding > 0 {
		return false
	}
	if !p.watched && !p.unwatch() {
		return false // onCancel's goroutine will be here in a moment, and end it
	}
	p.ended, p.watched = true, true
	switch {
	case p.cause != nil:
		p.verdict = p.saver.verdict(p.cause)
	case p.abort != nil && p.joint == nil:
		p.verdict = p.saver.verdict(notRunBecause(p.abort))
	default:
		p.verdict = p.saver.verdict(nil)
	}
	return true
}

// release tells the world that the pool has ended. It is called once, by the
// last to leave.
func (p *Pool[T, R]) release() {
	p.cancel(ErrClosed)
	p.saver.release()
	close(p.done)
}
