package pool

import (
	"runtime/debug"
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/internal/saver"
	"github.com/resultpool/resultpool/store"
)

// A worker is one of the goroutines that run tasks. If foreign code ends its goroutine with
// runtime.Goexit, the worker goes on in another: so all that it must not lose is here, and nothing
// in local variables of its functions.
//
// The task and its result belong to the worker from Pop on. The result is the store's once Put was
// called with it, or the writer's once it was handed over; then only the mark stands for the task.
type worker[R any] struct {
	// mark is the ticket + 1 of the task that the worker holds, or 0. It changes from and to 0
	// with Pool.mu held, and otherwise in a Pop. A Get that looks for a task reads it without
	// any other word of the worker: a task is held by whoever has its mark.
	mark atomic.Uint64

	// The following belong to its goroutine.
	stage   stage
	id      store.ID        // of the task it holds, or held last
	res     store.Result[R] // of that task, until it is saved or handed over
	outcome outcome
	job     *saver.Job[R] // saves its results, unless the store is a BatchPutter

	// The following are guarded by Pool.mu.
	started bool // past its first look at the queue
	at      int  // its place in the crew

	_ [128]byte // each worker writes to its own for every task
}

// stage is what a worker does with the task that it holds: where a Goexit has left it.
type stage int

const (
	idle     stage = iota // nothing that foreign code takes part in
	calling               // the task's function is being called
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
func (p *Pool[T, R]) run(w *worker[R]) {
	p.resume(w)
	for {
		it, ok := p.next(w)
		if !ok {
			return
		}
		w.id = store.ID(it.ID)
		w.res.ID, w.outcome = w.id, succeeded
		if cause := p.cancelCause(); cause != nil {
			w.res.Err, w.outcome = p.notRunError(cause), notRun
		} else {
			p.call(w, it)
		}
		p.save(w)
	}
}

// call calls the task's function. What a deferred function for each task costs, BenchmarkPool does
// not tell from its noise: 124 ns a task with it and 124 without by Submit, 86 and 88 by SubmitAll
// (dense, two cores, medians of six). To guard many tasks with one took five stages.
func (p *Pool[T, R]) call(w *worker[R], it queue.Item[T]) {
	defer func() {
		if w.stage == calling { // after a panic; in a Goexit, resume makes another result
			w.res.Err, w.outcome = &PanicError{Value: recover(), Stack: debug.Stack()}, panicked
		}
	}()
	w.stage = calling
	if p.share == nil {
		w.res.Value, w.res.Err = p.fn(p.taskCtx, it.Task)
	} else {
		w.res.Value, w.res.Err = p.share.Run(p.taskCtx, it.ID)
	}
	w.stage = idle
	if w.res.Err != nil {
		w.outcome = p.outcomeOf(w.res.Err)
	}
}

// save returns when the result of the task that w holds is stored, given up or handed over. The
// worker keeps its slot until then. To go on and save beside the next task would be faster, but
// results would pile up without a bound while the store is down.
func (p *Pool[T, R]) save(w *worker[R]) {
	if p.saver.TakesBatches() {
		w.stage = encoding
		e := p.saver.Encode(w.res)
		w.stage = idle
		w.forget()
		p.hand(w, e)
		return
	}
	w.stage = saving
	w.job.Save(&w.res)
	w.stage = idle
	w.forget()
}

// forget forgets the result, which is not the worker's any more.
func (w *worker[R]) forget() {
	var none R
	w.res.Value, w.res.Err = none, nil
}

// resume goes on where a Goexit has ended the worker's last goroutine. The stage says whose code it
// was: the task's, so that the task has failed with ErrGoexit; or the store's, so that its result
// is replaced, or handed back.
func (p *Pool[T, R]) resume(w *worker[R]) {
	switch w.stage {
	case idle: // this is its first
	case calling:
		w.forget()
		w.res.Err, w.outcome = ErrGoexit, failed
		p.save(w)
	case encoding:
		w.stage = idle
		e := p.saver.EncodeGoexited(w.res)
		w.forget()
		p.hand(w, e)
	case saving:
		w.job.Resume(&w.res)
		w.stage = idle
		w.forget()
	}
}

// next settles the task that w holds, if any, and gives it another, for which it waits. It returns
// false if the worker has left the crew.
//
// A task that has succeeded is settled by the Pop of the next one, which changes the mark. That is
// after its result was stored, and a Get that then finds the mark changed finds the result. Other
// outcomes are counted, which takes mu.
func (p *Pool[T, R]) next(w *worker[R]) (it queue.Item[T], ok bool) {
	if w.outcome != succeeded || w.mark.Load() == 0 {
		return p.waitForTask(w)
	}
	if it, ok = p.queue.Pop(&w.mark); !ok {
		return p.waitForTask(w)
	}
	if p.gates.Calls(w.mark.Load()) {
		p.lockHeedingCancel() // w has made room
		p.tellLocked(w.id)
		p.wakeAndUnlock()
	}
	return it, true
}

// waitForTask is next with mu, for a worker that has to settle its task so, or to sleep.
//
// Before it sleeps, it frees mu once by wakeAndUnlock: its own arrival may be what somebody waits
// for. And it says that it is wanted before it looks at the queue for the last time: see
// [queue.Gates].
func (p *Pool[T, R]) waitForTask(w *worker[R]) (it queue.Item[T], ok bool) {
	p.lockHeedingCancel()
	p.arriveLocked(w)
	for tidy := false; !p.surplusLocked(); {
		if it, ok = p.queue.Pop(&w.mark); ok {
			p.running++
			p.wakeAndUnlock()
			return it, true
		}
		if !tidy {
			p.wakeAndUnlock()
			p.mu.Lock()
			tidy = true
			continue
		}
		p.gates.SetWanted(true)
		if p.queue.IsReady() {
			continue
		}
		p.idle++
		p.work.Wait()
		p.idle--
		p.waking, tidy = false, false
	}
	p.leaveLocked(w)
	p.wakeAndUnlock()
	return it, false
}

// arriveLocked settles the task that w holds, if any.
func (p *Pool[T, R]) arriveLocked(w *worker[R]) {
	if !w.started {
		w.started = true
		p.waking = false
	}
	if w.mark.Load() != 0 {
		w.mark.Store(0)
		p.running--
		p.settleLocked(w.id, w.outcome)
	}
}

// hireLocked starts another worker.
func (p *Pool[T, R]) hireLocked() {
	w := &worker[R]{at: len(p.crew), job: p.saver.NewJob(nil, nil)}
	p.crew = append(p.crew, w)
	p.goLocked(func() { p.run(w) })
}

// leaveLocked takes a worker off the crew. The last one of the crew gets its place.
func (p *Pool[T, R]) leaveLocked(w *worker[R]) {
	end := len(p.crew) - 1
	last := p.crew[end]
	p.crew[w.at], last.at = last, w.at
	p.crew[end] = nil
	p.crew = p.crew[:end]
}

// surplusLocked reports whether a worker that holds no task is to leave.
func (p *Pool[T, R]) surplusLocked() bool {
	return len(p.crew) > p.target ||
		p.phase != open && p.queue.Len() == 0 ||
		p.phase >= aborting // what waits is the reaper's
}

// wakeLocked has somebody come for the tasks that wait: it wakes an idle worker or starts a new
// one.
//
// One worker is on its way at a time. When it has taken a task, it calls wakeLocked for the next;
// so a burst of tasks does not wake more workers than find one. Whoever comes to the queue after a
// wait lowers waking, even if it was woken by a Broadcast: it looks at the queue as well as another.
func (p *Pool[T, R]) wakeLocked() {
	sleeping, more := p.idle > 0, len(p.crew) < p.target
	switch {
	case p.phase >= aborting:
		p.gates.SetWanted(true) // see pushed
		return
	case p.waking || !sleeping && !more:
		p.gates.SetWanted(false)
		return
	}
	p.gates.SetWanted(true) // for what comes in from here on
	if !p.queue.IsReady() {
		return
	}
	p.waking = true
	p.gates.SetWanted(false)
	if sleeping {
		p.work.Signal()
		return
	}
	p.hireLocked()
}

// settleLocked counts a task whose result is saved.
func (p *Pool[T, R]) settleLocked(id store.ID, out outcome) {
	if out != succeeded {
		p.others[out]++
	}
	p.tellLocked(id)
	if p.quiet != nil && p.quietLocked() {
		p.wake = append(p.wake, p.quiet)
		p.quiet = nil
	}
}

// tellLocked wakes, when mu is free, those who wait for the task with that ID, which is settled.
func (p *Pool[T, R]) tellLocked(id store.ID) {
	if g, ok := p.getters[id]; ok {
		delete(p.getters, id)
		p.wake = append(p.wake, g.settled)
	}
}

// quietLocked reports whether nothing waits and nothing runs.
func (p *Pool[T, R]) quietLocked() bool { return p.running == 0 && p.queue.Len() == 0 }
