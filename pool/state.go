package pool

import (
	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/guard"
)

// phase is how far a pool is. It grows only, and may skip what is in the middle.
type phase int

const (
	open     phase = iota // tasks come in and run
	draining              // none comes in; those that wait run
	aborting              // those that wait are not run
	ended                 // nothing is left
)

// The state of a pool is its queue, its IDs and the fields below mu in [Pool].
//
// A task waits in the queue, is held by a worker, which runs it and saves its result, or hands
// that over to the writer if the store is a BatchPutter, and is then settled. In an aborting
// pool it is settled straight from the queue, by the reaper.
//
// A task that Cancel calls off while it waits leaves its room and its place: see cancel.go. One that waits
// for its key or its next attempt is parked: see park.go.
//
// Most tasks pass without mu: gates says when they may. A worker whose task has succeeded
// settles it and takes the next one in one step. Other outcomes are counted, with mu held. The
// queue says how many tasks wait and run, so those that have succeeded need not be counted.
//
// A submitter that finds no room joins submitters and sleeps. When there is enough room, see
// refillLocked, a worker moves the first submitter's tasks into the queue and wakes it when all
// are in: so no room is lost to a sleeper, and tasks keep the order in which they came.
//
// No worker sleeps while there is work for it: whoever puts a task into the queue, takes one and
// leaves others, or allows more workers, calls one that sleeps, or starts one.
//
// Lock order: finished.mu, mu, and then one of those of the saver, its failures, and the share of an engine.
// With mu held, no task runs, no method of the store, of the engine, of an error or of a context
// that is not the standard library's is called, and no channel operation is made.

// wakeAndUnlock does all that follows from what was changed with mu held, and frees mu:
// submitters get the room that there is, a worker is woken, the gates are set, those who wait
// are told, and the pool ends. A plain Unlock is allowed where nobody waits for what was
// changed.
func (p *Pool[T, R]) wakeAndUnlock() {
	p.refillLocked()
	if p.hasReadyLocked() {
		// First; then hireLocked looks who sleeps. A sleeper that is handed a task after that look, and before
		// it is turned away, would not come for what is ready, and nobody be hired in its place.
		p.queue.TurnAway(true)
	}
	p.hireLocked()
	p.queue.TurnAway(p.keys != nil || p.hasReadyLocked() || p.phase >= aborting || len(p.crew) > p.target) // these two first; then look who sleeps
	p.gates.Settle.Set(p.phase != open || p.quiet != nil)
	leave, come := 0, false
	if p.surplusLocked() {
		leave = p.queue.Idle()
	} else {
		come = p.queue.Idle() > 0 && (p.queue.IsReady() || p.hasReadyLocked())
	}
	if p.quiet != nil && p.quietLocked() {
		p.wake = append(p.wake, p.quiet)
		p.quiet = nil
		p.gates.Settle.Set(p.phase != open)
	}
	p.queue.ShutTail(p.phase != open || p.target == 0 || p.submitters.Len() > 0 || p.keys != nil)
	hasEnded := p.endLocked()
	shut, why := p.shutIntakeLocked()
	wake, tell := p.wake, p.tell
	p.wake, p.tell = nil, nil
	p.mu.Unlock()

	for _, c := range wake {
		close(c)
	}
	for _, w := range tell {
		w.Tell()
	}
	p.tellFinished() // of tasks that were settled
	for range leave {
		p.queue.Call()
	}
	if come {
		p.pushed()
	}
	if shut != nil {
		shut(why)
	}
	if hasEnded {
		p.cancel(ErrClosed)
		p.saver.Close()
		close(p.done)
	}
}

// goLocked runs f on a goroutine of the pool. All of them are started here, except onCancel's, and
// counted until f returns: so one number says whether any is left. If foreign code that f calls ends
// the goroutine by runtime.Goexit, which cannot be recovered from, f is run again on another one. So f
// must be able to go on where it was.
func (p *Pool[T, R]) goLocked(f func()) {
	p.goroutines++
	guard.Persist(func() {
		clearLabels()
		f()
		p.mu.Lock()
		p.goroutines--
		p.wakeAndUnlock()
	})
}

// cancelCause returns the cause of the pool's cancel, or nil if there was none. Those who must
// not miss a cancel ask for it, since onCancel may be late.
func (p *Pool[T, R]) cancelCause() error {
	if err := p.broken.Load(); err != nil { // first: if parent has ended too, it was later
		p.canceled.Store(true)
		return *err
	}
	if p.parent.Err() != nil {
		p.canceled.Store(true)
		return backoff.Cause(p.parent)
	}
	return nil
}

// lockHeedingCancel takes mu, and closes the pool first if it is cancelled and onCancel has not
// seen that yet.
func (p *Pool[T, R]) lockHeedingCancel() {
	cause := p.cancelCause()
	p.mu.Lock()
	if cause != nil {
		p.closeLocked(cause)
	}
}
