package pool

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/internal/saver"
	"github.com/resultpool/resultpool/store"
)

// A worker is one of the goroutines that run tasks. If foreign code ends its goroutine with
// runtime.Goexit, the worker goes on in another: so all that it must not lose is here, and nothing
// in local variables of its functions.
//
// All of it belongs to its goroutine. The task and its result are the worker's from the moment at
// which its hand holds the task. The result is the store's once Put was called with it, or the writer's
// once it was handed over.
type worker[T, R any] struct {
	hand    queue.Hand[T]
	first   *queue.Item[T] // the task that it was started for, until it runs
	stage   stage
	id      store.ID        // of the task it holds, or held last
	res     store.Result[R] // of that task, until it is saved or handed over
	outcome outcome
	began   time.Time     // when its function was called, if that is to be known; zero: it was not
	ran     time.Duration // and for how long it ran
	retry   *retryAfter   // what its function has returned, until again
	job     *saver.Job[R] // saves its results, unless the store is a BatchPutter

	ctx      atomic.Pointer[taskContext[T, R]] // of the task, or of the next; written by the worker
	word     atomic.Uint64                     // see taskContext
	returned uint64                            // the low bits of word
	parked   *parked[T, R]                     // of the task, if it was parked or has a key
	runs     int                               // of the task, that have ended in other pools

	yields   bool      // it has woken a submitter, and is to yield to it
	yieldsAt time.Time // not before

	_ [64]byte // each worker writes to its own for every task
}

// stage is what a worker does with the task that it holds: where a Goexit has left it.
type stage int

const (
	idle     stage = iota // nothing that foreign code takes part in
	calling               // the task's function is being called
	returned              // it is over, and the log is being told of its panic
	encoding              // the store is being asked for the bytes of the result
	saving                // the result is being saved, by the job
)

// outcome is what became of a task, as Stats counts it.
type outcome int

const (
	succeeded outcome = iota
	failed
	panicked
	notRun
	outcomes // how many there are
)

// run is the life of a worker on one goroutine.
//
// The cancel is looked for again after the task was taken: onCancel may be late, and no task may
// start after the cancel that its caller has seen.
func (p *Pool[T, R]) run(w *worker[T, R]) {
	p.resume(w)
	for {
		it, ok := p.next(w)
		if !ok {
			return
		}
		ctx := p.enter(w)
		w.id = store.ID(it.ID)
		w.res.ID, w.outcome = w.id, succeeded
		if p.hooks.Ended != nil {
			w.began = time.Time{}
		}
		if w.hand.IsCalledOff() && p.heed(w) {
			continue
		}
		switch cause := p.cancelCause(); {
		case w.res.Err != nil: // Cancel wants it
		case cause != nil:
			p.leaveUnrun(w, cause)
		default:
			p.call(w, ctx, it)
			if w.stage == calling { // it has panicked
				w.stage = returned
				p.logPanic(w)
				w.stage = idle
			}
			clearLabels()
			if w.retry != nil && p.again(w, it.Task) {
				continue
			}
		}
		p.save(w)
	}
}

// call calls the task's function. A deferred function for each task costs a few ns, which
// BenchmarkPool hardly tells from its noise: docs/design.md. To guard many tasks with one took five stages.
func (p *Pool[T, R]) call(w *worker[T, R], ctx *taskContext[T, R], it queue.Item[T]) {
	defer func() {
		if w.stage == calling { // after a panic; in a Goexit, resume makes another result
			w.forget()
			w.res.Err, w.outcome = &PanicError{Value: recover(), Stack: debug.Stack()}, panicked
		}
	}()
	w.stage = calling
	if p.profile {
		p.profiled(ctx, w, it)
	} else {
		w.res.Value, w.res.Err = p.function(ctx, w, it)
	}
	if w.res.Err != nil {
		w.retry = retryOf(w.res.Err) // methods of the error may panic as well
		w.outcome = p.outcomeOf(w.res.Err)
	}
	w.stage = idle
}

// function calls the task's function.
func (p *Pool[T, R]) function(ctx context.Context, w *worker[T, R], it queue.Item[T]) (R, error) {
	if p.share != nil {
		return p.share.Run(ctx, it.ID, func(runs int) {
			w.runs = runs
			p.begin(ctx, w)
		})
	}
	p.begin(ctx, w)
	return p.fn(ctx, it.Task)
}

// begin does what hooks need before the function is called.
func (p *Pool[T, R]) begin(ctx context.Context, w *worker[T, R]) {
	if p.hooks.Started != nil {
		p.tellStarted(ctx, w)
	}
	if p.hooks.Ended != nil {
		w.began = time.Now()
	}
}

// save returns when the result of the task that w holds is stored, given up or handed over. The
// worker keeps its slot until then. To go on and save beside the next task would be faster, but
// results would pile up without a bound while the store is down.
func (p *Pool[T, R]) save(w *worker[T, R]) {
	p.leave(w, w.hand.Ticket()+1)
	if p.hooks.Ended != nil && !w.began.IsZero() {
		w.ran = time.Since(w.began)
	}
	if p.saver.TakesBatches() {
		w.stage = encoding
		e := p.saver.Encode(w.res)
		w.stage = idle
		w.forget()
		p.hand(w, e)
		return
	}
	w.stage = saving
	givenUp := w.job.Save(&w.res)
	p.saved(w, givenUp)
}

// saved follows a result that is stored, or was given up. A hook that ends the goroutine ends it with nothing
// left to do but to settle the task.
func (p *Pool[T, R]) saved(w *worker[T, R], givenUp error) {
	w.stage = idle
	if p.hooks.Ended == nil {
		w.forget()
		return
	}
	res, ran := w.res, w.ran
	w.ran = 0
	w.forget()
	p.tellEnded(res, w.outcome, ran, givenUp)
}

// forget forgets the result, which is not the worker's any more.
func (w *worker[T, R]) forget() {
	var none R
	w.res.Value, w.res.Err = none, nil
}

// resume goes on where a Goexit has ended the worker's last goroutine. The stage says whose code it
// was: the task's, so that the task has failed with ErrGoexit; or the store's, so that its result
// is replaced, or handed back.
func (p *Pool[T, R]) resume(w *worker[T, R]) {
	switch w.stage {
	case idle: // this is its first
	case calling:
		w.forget()
		w.res.Err, w.outcome = ErrGoexit, failed
		p.save(w)
	case returned:
		w.stage = idle
		p.save(w)
	case encoding:
		w.stage = idle
		e := p.saver.EncodeGoexited(w.res)
		w.forget()
		p.hand(w, e)
	case saving:
		p.saved(w, w.job.Resume(&w.res))
	}
}

// next settles the task that w holds, if any, and gives it another, for which it waits. It returns
// false if the worker has left the crew.
//
// A task that has succeeded is settled by the queue, mostly in the step that takes the next one. That is
// after its result was stored, and a Get that then finds it settled finds the result. Other outcomes
// are counted, which takes mu.
func (p *Pool[T, R]) next(w *worker[T, R]) (it queue.Item[T], ok bool) {
	if w.first != nil {
		it, w.first = *w.first, nil
		p.taken(w, queue.Claimed)
		if p.gates.Hire.Load() && p.queue.TurnsAway() { // perhaps for parked tasks, which taken does not see
			p.mu.Lock()
			p.wakeAndUnlock()
		}
		return it, true
	}
	locking := w.outcome != succeeded || w.parked != nil
	for {
		if locking {
			it, found, stays := p.nextLocking(w)
			if found != queue.None || !stays {
				return it, stays
			}
		}
		it, waiter, found := p.queue.Next(&w.hand)
		p.tellFinished()
		if found == queue.None {
			it, found, locking = p.sleep(w, waiter)
		} else {
			waiter.Tell()
		}
		switch found {
		case queue.None:
		case queue.Frozen: // by Stats, or for a worker that is to leave
			locking = true
		default:
			p.taken(w, found)
			return it, true
		}
	}
}

// sleep returns with a task, or when there may be work for the worker that calls it. It announces the
// worker before it tells those who have waited for its last task, so that the next task of theirs finds
// the worker.
func (p *Pool[T, R]) sleep(w *worker[T, R], waiter *queue.Waiter) (it queue.Item[T], found queue.Found, locking bool) {
	p.queue.Announce()
	waiter.Tell()
	if p.gates.Settle.Load() || p.queue.TurnsAway() {
		locking = p.tellQuiet()
	}
	if (locking || p.queue.IsReady()) && p.queue.Withdraw() {
		return it, queue.None, locking
	}
	it, found = p.queue.Sleep(&w.hand)
	return it, found, false
}

// taken follows a task that was taken: a submitter may wait for the room, and others sleep while more
// tasks wait.
func (p *Pool[T, R]) taken(w *worker[T, R], found queue.Found) {
	if found == queue.Another {
		return
	}
	if p.gates.CallsAny() && p.gates.Calls(p.queue.Claimed(), w.hand.IsShort()) {
		p.lockHeedingCancel()
		p.wakeAndUnlock()
		w.yields = true
		return
	}
	if found == queue.Handed { // who has handed it over looks for others
		return
	}
	if (p.queue.Idle() > 0 || p.gates.Hire.Load()) && p.queue.IsReady() {
		p.pushed()
	}
	if w.yields && p.queue.IsHalfEmpty() {
		w.yields = false
		w.yield()
	}
}

// yield lets the submitter run that the worker has woken, which waits for its processor, before the workers
// have emptied the queue and fallen asleep. If goroutines beside the pool have used that for a time
// slice, the worker does not yield again before it has worked for twenty times as long.
func (w *worker[T, R]) yield() {
	now := time.Now()
	if now.Before(w.yieldsAt) {
		return
	}
	runtime.Gosched()
	if took := time.Since(now); took > time.Millisecond {
		w.yieldsAt = now.Add(20 * took)
	}
}

// nextLocking is next with mu, for a worker that has to settle its task so, or that may have to leave. It
// does not wait.
func (p *Pool[T, R]) nextLocking(w *worker[T, R]) (it queue.Item[T], found queue.Found, stays bool) {
	p.lockHeedingCancel()
	defer p.wakeAndUnlock()
	if w.hand.Holds() {
		p.settleLocked(p.queue.End(&w.hand), w.outcome)
	}
	w.outcome = succeeded
	if w.parked != nil {
		p.leaveLaneLocked(w.parked)
		w.parked = nil
	}
	if p.surplusLocked() {
		delete(p.crew, w)
		return it, queue.None, false
	}
	it, w.parked, found = p.takeLocked(&w.hand)
	return it, found, true
}

// hireLocked starts another worker, if there is a task for it and none that sleeps, and the reaper in
// an aborting pool.
//
// The worker has its task from the start: so a burst of tasks does not start more workers than find
// one. It has the next one started, if tasks are left.
func (p *Pool[T, R]) hireLocked() {
	aborting := p.phase >= aborting
	p.gates.Hire.Set(aborting || len(p.crew) < p.target) // first; then look
	switch {
	case aborting:
		if !p.reaping && p.phase != ended && (p.queue.IsReady() || len(p.park.tasks) > 0) {
			p.reapLocked()
		}
	case len(p.crew) < p.target && p.queue.Idle() == 0 && (p.queue.IsReady() || p.hasReadyLocked()):
		w := &worker[T, R]{job: p.saver.NewJob(nil, nil)}
		it, parked, found := p.takeLocked(&w.hand)
		if found == queue.None {
			return
		}
		w.first, w.parked = &it, parked
		p.crew[w] = struct{}{}
		p.goLocked(func() { p.run(w) })
	}
}

// surplusLocked reports whether a worker that holds no task is to leave.
func (p *Pool[T, R]) surplusLocked() bool {
	return len(p.crew) > p.target ||
		p.phase != open && p.queue.IsEmpty() && !p.hasReadyLocked() ||
		p.phase >= aborting // what waits is the reaper's
}

// settleLocked counts a task whose result is saved. waiter is for those who wait for it.
func (p *Pool[T, R]) settleLocked(waiter *queue.Waiter, out outcome) {
	if out != succeeded {
		p.others[out]++
	}
	if waiter != nil {
		p.tell = append(p.tell, waiter)
	}
}

// tellQuiet tells those who wait until nothing waits or runs, if that is so, for a worker that has
// announced that it sleeps. It reports whether the worker is to leave instead, or to take a parked task.
func (p *Pool[T, R]) tellQuiet() (wanted bool) {
	var quiet chan struct{}
	p.mu.Lock()
	if p.quiet != nil && p.quietLocked() {
		quiet, p.quiet = p.quiet, nil
	}
	wanted = p.surplusLocked() || p.hasReadyLocked()
	p.mu.Unlock()
	if quiet != nil {
		close(quiet)
	}
	return wanted
}

// quietLocked reports whether nothing waits and nothing runs: all workers sleep.
func (p *Pool[T, R]) quietLocked() bool {
	return p.queue.Idle() == len(p.crew) && len(p.handover.handed) == 0 && p.offs.unsaved == 0 && len(p.park.tasks) == 0 &&
		(p.queue.IsEmpty() || p.onlyCalledOffLocked())
}
