package pool

import (
	"context"
	"slices"
	"time"

	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/internal/saver"
	"github.com/resultpool/resultpool/store"
)

// What Cancel does to a task depends on what it finds, with mu held, and for the queue at one moment:
//
//	the task                                   Cancel                                       returns
//	is parked                                  take it out; a goroutine saves its result    true
//	waits                                      mark it; off has it; a goroutine saves its   true
//	                                           result; its turn is passed over
//	has been taken, function not called yet    mark it; cancels has the cause: its worker   true
//	                                           finds the mark, and saves ErrNotRun
//	runs, and has not used its context         the same: the first use finds the mark       true
//	runs, and has used its context             the same, and end the context                true
//	has returned: is saved or handed over,     nothing                                      false
//	is called off, or the reaper's
//	has ended, or there is none here           nothing                                      false
//
// That a function has returned is the word of its worker, see [taskContext]. Cancel marks the task, then
// reads the words, then asks whether it is pending. The worker sets its word, then looks for the mark.
// So a task whose function has returned before is seen by its word, or, if that is of a later
// task already, as one that has ended or was handed over; and one that returns after is cleaned up by its
// worker.
//
// A task that waited has ended for the queue when two things have happened, in any order: its result is
// saved, and its turn has come. Whoever comes second, a worker, the reaper or calledOff.settle, ends it
// there. If it is saved first, those who wait for its result are told at once.

// callOffs is the tasks that waited when Cancel called them off. All of it is guarded by Pool.mu.
type callOffs[R any] struct {
	tasks   map[store.ID]*callOff // those that are not saved, or not passed over
	most    int                   // see emptied
	next    []saver.Entry[R]      // their results, to be saved
	unsaved int                   // how many of the tasks are not saved
	saving  bool                  // the goroutine that saves them is there
	ended   uint64                // tasks that have ended as not run since Cancel wanted it

	notesEarly bool       // somebody loops over Finished
	early      []store.ID // tasks that were saved before they were passed over, for those loops
}

// callOff is a task that is called off.
type callOff struct {
	ticket        uint64
	tookRoom      bool // when it was called off; the queue has room for one more until it is passed over
	saved, passed bool // not both
	outcome       outcome
	ran           time.Duration
}

// Cancel cancels one task. If the task waits, it is not run, and its room in the queue is free at once. Its result is
// [ErrNotRun], which wraps cause; that of a task which waits for its next attempt is described at [RetryAfter]. If the
// task runs, its context ends with that cause, and its result is what its function returns then, as always: Go cannot
// end a function. A nil cause means context.Canceled. If a running task is cancelled again, the first cause stays.
//
// Cancel reports whether it took effect. It has no effect on a task that has ended, on one whose function has
// returned and whose result is being stored, on one that is being stored as not run, on an ID that was never given
// out, and, in a pool that has joined an engine, on a task that this process has not taken over.
//
// It may be called from any goroutine, also inside a task, and for that task itself. It waits for nothing, not even
// for the store: [Pool.Get] waits for the result. Until the result of a task that waited is stored, Stats counts the
// task as running, and afterwards as NotRun, or, if it waited for its next attempt, as Failed.
func (p *Pool[T, R]) Cancel(id store.ID, cause error) bool {
	if p.isZero() {
		return false
	}
	if cause == nil {
		cause = context.Canceled
	}
	p.mu.Lock()
	wasParked := p.park.tasks[id] != nil
	c, done := p.cancelLocked(id, cause)
	p.wakeAndUnlock()
	if wasParked && p.share != nil { // it leaves room for another
		p.share.Resumed()
		p.share.Skipped()
	}
	if c != nil {
		c.end(cause)
	}
	if done && p.share != nil {
		p.share.Freed()
	}
	return done
}

// cancelLocked is Cancel, but for the end of a context, if it returns one.
func (p *Pool[T, R]) cancelLocked(id store.ID, cause error) (c *taskContext[T, R], done bool) {
	ticket, found := p.ticketLocked(id)
	if !found || p.offs.tasks[id] != nil {
		return nil, false
	}
	if _, isHanded := p.handover.handed[id]; isHanded {
		return nil, false
	}
	if t := p.park.tasks[id]; t != nil {
		p.unparkLocked(t)
		p.leaveLaneLocked(t)
		res, out := p.unrunResult(t, cause, true)
		p.callOffLocked(res, callOff{ticket: ticket, passed: true, outcome: out, ran: t.ran})
		return nil, true
	}
	if p.cancels[id] == nil { // before the mark, by which it is found
		p.cancels[id] = cause
	}
	state, claimed := p.queue.CallOff(ticket)
	switch state {
	case queue.Waiting:
		delete(p.cancels, id)
		res := store.Result[R]{ID: id, Err: notRunBecause(cause)}
		p.callOffLocked(res, callOff{ticket: ticket, tookRoom: !claimed, outcome: notRun})
		return nil, true
	case queue.Begun:
		hasReturned := false
		for w := range p.crew {
			hasReturned = hasReturned || w.word.Load()&^used == ticket+1
			// One that has ended may be that of an earlier attempt.
			if of := w.ctx.Load(); of != nil && of.use.Load() != unused && !of.ended.Load() && of.task.ID == id {
				c = of
			}
		}
		if !hasReturned && p.queue.IsPending(ticket) {
			return c, true
		}
	}
	delete(p.cancels, id)
	return nil, false
}

// ticketLocked returns the ticket of the task with that ID, which may have ended.
func (p *Pool[T, R]) ticketLocked(id store.ID) (ticket uint64, found bool) {
	if p.share != nil {
		return p.queue.TicketOf(uint64(id))
	}
	return p.ids.Ticket(uint64(id))
}

// callOffLocked has the result of a task that waits saved. A goroutine of its own does that, since
// the workers may all be in tasks for an hour, and Cancel does not wait.
func (p *Pool[T, R]) callOffLocked(res store.Result[R], off callOff) {
	o := &p.offs
	o.tasks[res.ID] = &off
	o.unsaved++
	if off.tookRoom {
		p.queue.AddRoom(1)
	}
	o.next = append(o.next, saver.NewEntry(res))
	if !o.saving {
		o.saving = true
		job := p.saver.NewJob(p.settleCalledOff, nil)
		p.goLocked(func() { job.RunAll(p.nextCalledOff) })
	}
}

// nextCalledOff returns results that are to be saved, or none: then the goroutine is to leave.
func (p *Pool[T, R]) nextCalledOff() []saver.Entry[R] {
	p.mu.Lock()
	defer p.wakeAndUnlock()
	o := &p.offs
	n := min(len(o.next), saver.MaxBatch)
	batch := slices.Clone(o.next[:n])
	clear(o.next[:n])
	if o.next = o.next[n:]; len(o.next) == 0 {
		o.next = nil
	}
	o.saving = n > 0
	return batch
}

// settleCalledOff settles the tasks of results that are saved.
func (p *Pool[T, R]) settleCalledOff(es []saver.Entry[R], givenUp error) {
	defer p.giveBack(es)           // at last
	defer p.settleCalledOffNow(es) // also if a hook ends the goroutine
	p.tellAllEnded(es, givenUp, func(id store.ID) (outcome, time.Duration) {
		off := p.offs.tasks[id]
		return off.outcome, off.ran
	})
}

func (p *Pool[T, R]) settleCalledOffNow(es []saver.Entry[R]) {
	p.mu.Lock()
	defer p.wakeAndUnlock()
	o := &p.offs
	for i := range es {
		id := es[i].ID()
		off := o.tasks[id]
		off.saved = true
		o.unsaved--
		if off.outcome == notRun {
			o.ended++
		}
		var waiter *queue.Waiter
		if off.passed {
			p.forgetCallOffLocked(id)
			waiter = p.queue.EndTicket(off.ticket)
		} else {
			waiter = p.queue.Settle(off.ticket)
			if o.notesEarly {
				o.early = append(o.early, id)
			}
		}
		p.settleLocked(waiter, off.outcome)
	}
}

// passLocked passes a task over that h has taken, if it is called off.
func (p *Pool[T, R]) passLocked(h *queue.Hand[T], id store.ID) (passed bool) {
	off := p.offs.tasks[id]
	if off == nil {
		return false
	}
	if off.tookRoom {
		p.queue.AddRoom(-1)
	}
	off.passed = true
	if off.saved {
		p.forgetCallOffLocked(id)
		p.queue.End(h)
	} else {
		h.Pass()
	}
	return true
}

func (p *Pool[T, R]) forgetCallOffLocked(id store.ID) {
	delete(p.offs.tasks, id)
	p.offs.tasks = emptied(p.offs.tasks, &p.offs.most)
}

// heed does with a task that is marked, and that w has taken and not run, what Cancel wants: it
// is passed over, or it has a result, which w is to save.
func (p *Pool[T, R]) heed(w *worker[T, R]) (passed bool) {
	p.mu.Lock()
	passed = p.passLocked(&w.hand, w.id)
	cause := p.cancels[w.id]
	switch {
	case cause == nil:
	case w.parked != nil && w.parked.attempts > 0:
		w.res, w.outcome = p.unrunResult(w.parked, cause, true)
		w.ran = w.parked.ran
	default:
		w.res.Err, w.outcome = notRunBecause(cause), notRun
		p.offs.ended++
	}
	p.wakeAndUnlock()
	if p.share != nil && (passed || cause != nil) {
		p.share.Skipped()
	}
	return passed
}

// leaveUnrun gives the task that w has taken, in a pool that was cancelled, its result. If a Cancel
// of the task has taken effect before that is known to others, it is the one that the Cancel wants.
func (p *Pool[T, R]) leaveUnrun(w *worker[T, R], cause error) {
	p.note(w, w.hand.Ticket()+1)
	if w.hand.IsCalledOff() {
		p.heed(w)
	}
	switch {
	case w.res.Err != nil:
	case w.parked != nil:
		w.res, w.outcome = p.unrunResult(w.parked, cause, false)
		w.ran = w.parked.ran
	default:
		w.res.Err, w.outcome = p.notRunError(cause), notRun
	}
}

// cancelOf returns the cause of the Cancel of a task that runs, or nil.
func (p *Pool[T, R]) cancelOf(id store.ID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cancels[id]
}

// countCalledOffLocked corrects what the queue, which is frozen, says of how many tasks wait and run: those
// that are called off run until they are saved, whether their turn has come or not.
func (p *Pool[T, R]) countCalledOffLocked(waiting, running uint64) (_, _ uint64) {
	for _, off := range p.offs.tasks {
		if p.queue.HasBegun(off.ticket) {
			running--
		} else {
			waiting--
		}
	}
	return waiting, running + uint64(p.offs.unsaved)
}

// onlyCalledOffLocked reports whether all tasks that wait are called off, and nobody is there who would pass
// them over.
func (p *Pool[T, R]) onlyCalledOffLocked() bool {
	if len(p.offs.tasks) == 0 || len(p.crew) > 0 {
		return false
	}
	_, waiting, running := p.queue.Freeze()
	defer p.queue.Thaw()
	waiting, _ = p.countCalledOffLocked(waiting, running)
	return waiting == 0
}

// isCancelled reports whether ctx is the context of a task that Cancel has ended.
func isCancelled[T, R any](ctx context.Context) bool {
	c, ok := ctx.Value(contextKey{}).(*taskContext[T, R]) // it may be wrapped: see profiled
	return ok && c.cancelled.Load()
}
