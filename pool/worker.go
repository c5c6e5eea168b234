package pool

import (
	"context"
	"runtime/debug"

	"github.com/resultpool/resultpool/store"
)

// A worker is one of the goroutines that run tasks. If a task ends its goroutine
// with runtime.Goexit, the worker goes on in another.
type worker[R any] struct {
	id      store.ID // the task it holds, or 0; guarded by Pool.mu
	started bool     // past its first look at the queue; guarded by Pool.mu

	// The following belong to its goroutine.
	stage   stage
	res     store.Result[R]
	outcome outcome
}

// stage is how far a worker is with the task that it holds.
type stage int

const (
	taking  stage = iota // it holds none, or one that is saved
	running              // the task's function is being called
	saving               // the store is being called
	left                 // the worker has left the crew
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

// run is the life of a worker.
func (p *Pool[T, R]) run(w *worker[R]) {
	defer p.rescue(w)
	if w.stage == saving { // the goroutine before this one ended in a task
		p.save(w)
	}
	for {
		in, ok := p.next(w)
		if !ok {
			w.stage = left
			return
		}
		p.perform(w, in)
		p.save(w)
	}
}

// rescue runs when a worker's goroutine ends. Unless the worker has left, a task
// or the store has called runtime.Goexit, and another goroutine goes on from
// there. (Goexit cannot be recovered from.)
func (p *Pool[T, R]) rescue(w *worker[R]) {
	switch w.stage {
	case left, taking:
		return
	case running:
		w.res.Err, w.outcome = ErrGoexit, failed
		w.stage = saving
	case saving:
		w.stage = taking // the saver keeps what it could not save
		w.res = store.Result[R]{}
	}
	go p.run(w)
}

// perform runs the task that w holds, if the pool has not been cancelled.
func (p *Pool[T, R]) perform(w *worker[R], in T) {
	w.res = store.Result[R]{ID: w.id}
	if cause := p.cancelCause(); cause != nil {
		w.res.Err, w.outcome = notRunBecause(cause), notRun
		return
	}
	w.stage = running
	w.res.Value, w.outcome, w.res.Err = protect(p.taskCtx, p.fn, in)
}

// save stores the result that w holds.
func (p *Pool[T, R]) save(w *worker[R]) {
	w.stage = saving
	p.saver.save(w.res, false)
	w.stage = taking
	w.res = store.Result[R]{} // the store's from now on
}

// protect calls fn and turns a panic into an error. It does not return if fn
// calls Goexit.
func protect[T, R any](ctx context.Context, fn func(context.Context, T) (R, error), in T) (v R, out outcome, err error) {
	returned := false
	defer func() {
		if !returned { // recover alone would miss panic(nil) under GODEBUG=panicnil=1
			out, err = panicked, &PanicError{Value: recover(), Stack: debug.Stack()}
		}
	}()
	v, err = fn(ctx, in)
	returned = true
	if err != nil {
		return v, failed, err
	}
	return v, succeeded, nil
}

// next settles the task that w holds, if any, and gives it another, for which it
// waits. It returns false if the worker has left the crew.
//
// All of that is one critical section, unless somebody has to be woken who waits
// for the first task and should not wait for the second.
func (p *Pool[T, R]) next(w *worker[R]) (in T, ok bool) {
	cause := p.cancelCause()
	p.mu.Lock()
	wake := p.arriveLocked(w, cause)
	for !p.surplusLocked() {
		switch {
		case p.queue.Len() > 0:
			in, more := p.takeLocked(w)
			p.mu.Unlock()
			closeAll(wake)
			closeAll(more)
			return in, true
		case len(wake) > 0:
			p.mu.Unlock()
			closeAll(wake)
			wake = nil
			p.mu.Lock()
		default:
			p.idle++
			p.work.Wait()
			p.idle--
			p.waking = false
		}
	}
	delete(p.crew, w)
	p.wakeLocked() // w may have been woken for what it leaves to others
	ended := p.endLocked()
	p.mu.Unlock()
	closeAll(wake)
	if ended {
		p.release()
	}
	return in, false
}

// arriveLocked settles the task that w holds, if any. cause is that of a cancel
// that onCancel may not have seen yet. It returns the channels to close when mu is
// free.
func (p *Pool[T, R]) arriveLocked(w *worker[R], cause error) (wake []chan struct{}) {
	if cause != nil {
		wake = p.closeLocked(cause)
	}
	if !w.started {
		w.started = true
		p.waking = false
	}
	if w.id != 0 {
		p.running--
		wake = append(wake, p.settleLocked(w.id, w.outcome)...)
		w.id = 0
	}
	return wake
}

// takeLocked gives w the first task of the queue, which must not be empty. It
// returns the channels to close when mu is free.
func (p *Pool[T, R]) takeLocked(w *worker[R]) (in T, wake []chan struct{}) {
	it := p.queue.Pop()
	w.id = store.ID(it.ID)
	p.running++
	wake = p.refillLocked()
	p.wakeLocked()
	return it.Task, wake
}

// surplusLocked reports whether a worker that holds no task is to leave.
func (p *Pool[T, R]) surplusLocked() bool {
	return len(p.crew) > p.target ||
		p.closed != nil && p.queue.Len() == 0 ||
		p.abort != nil // what waits is the reaper's
}

// wakeLocked sees to it that somebody comes for the tasks that wait: it wakes an
// idle worker or starts a new one. It is called whenever a task has come in or
// been taken, and when there may be more workers.
//
// One worker is on its way at a time. When it has taken a task, it calls
// wakeLocked for the next; so a burst of tasks does not wake more workers than
// find one. Whoever comes to the queue after a wait lowers waking, also if it was
// woken by a Broadcast: it looks at the queue as well as another.
func (p *Pool[T, R]) wakeLocked() {
	switch {
	case p.waking || p.queue.Len() == 0 || p.abort != nil:
	case p.idle > 0:
		p.waking = true
		p.work.Signal()
	case len(p.crew) < p.target:
		p.waking = true
		w := new(worker[R])
		p.crew[w] = struct{}{}
		go p.run(w)
	}
}

// settleLocked counts a task whose result is saved. It returns the channels to
// close when mu is free.
func (p *Pool[T, R]) settleLocked(id store.ID, out outcome) (wake []chan struct{}) {
	p.settled[out]++
	if c, ok := p.getters[id]; ok {
		delete(p.getters, id)
		wake = append(wake, c)
	}
	if p.quiet != nil && p.quietLocked() {
		wake = append(wake, p.quiet)
		p.quiet = nil
	}
	return wake
}

// quietLocked reports whether nothing waits and nothing runs.
func (p *Pool[T, R]) quietLocked() bool { return p.queue.Len() == 0 && p.running == 0 }
