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
	}
	go p.run(w)
}

// perform runs the task that w holds, if the pool has not been cancelled.
func (p *Pool[T, R]) perform(w *worker[R], in T) {
	w.res = store.Result[R]{ID: w.id}
	if p.parent.Err() != nil {
		w.res.Err, w.outcome = notRunBecause(context.Cause(p.parent)), notRun
		return
	}
	w.stage = running
	w.res.Value, w.res.Err, w.outcome = protect(p.taskCtx, p.fn, in)
}

// save stores the result that w holds.
func (p *Pool[T, R]) save(w *worker[R]) {
	w.stage = saving
	p.saver.save(w.res, false)
	w.stage = taking
	w.res = store.Result[R]{} // the store's from now on
}

// protect calls fn and turns a panic into an error.
func protect[T, R any](ctx context.Context, fn func(context.Context, T) (R, error), in T) (v R, err error, out outcome) {
	defer func() {
		if r := recover(); r != nil {
			err, out = &PanicError{Value: r, Stack: debug.Stack()}, panicked
		}
	}()
	v, err = fn(ctx, in)
	if err != nil {
		return v, err, failed
	}
	return v, nil, succeeded
}

// next settles the task that w holds, if any, and gives it another, for which it
// waits. It returns false if the worker has left the crew.
func (p *Pool[T, R]) next(w *worker[R]) (in T, ok bool) {
	var cause error
	if p.parent.Err() != nil { // onCancel may not have run yet
		cause = context.Cause(p.parent)
	}
	var wake []chan struct{}
	p.mu.Lock()
	if cause != nil {
		wake = p.closeLocked(cause)
	}
	if !w.started {
		w.started = true
		p.waking = max(0, p.waking-1)
	}
	if w.id != 0 {
		p.running--
		wake = append(wake, p.settleLocked(w.id, w.outcome)...)
		w.id = 0
	}
	for !p.surplusLocked() {
		if p.queue.Len() > 0 {
			it := p.queue.Pop()
			w.id = store.ID(it.ID)
			p.running++
			wake = append(wake, p.refillLocked()...)
			p.wakeLocked()
			p.mu.Unlock()
			closeAll(wake)
			return it.Task, true
		}
		if len(wake) > 0 { // before sleeping; then look again
			p.mu.Unlock()
			closeAll(wake)
			wake = nil
			p.mu.Lock()
			continue
		}
		p.idle++
		p.work.Wait()
		p.idle--
		p.waking = max(0, p.waking-1)
	}
	delete(p.crew, w)
	p.wakeLocked() // it may have been woken for work that it leaves to others
	ended := p.endLocked()
	p.mu.Unlock()
	closeAll(wake)
	if ended {
		p.release()
	}
	return in, false
}

// surplusLocked reports whether a worker that holds no task is to leave.
func (p *Pool[T, R]) surplusLocked() bool {
	return len(p.crew) > p.target ||
		p.closed != nil && p.queue.Len() == 0 ||
		p.abort != nil // what waits is the reaper's
}

// wakeLocked sees to it that somebody comes for the tasks that wait: it wakes an
// idle worker or starts a new one. It must be called after a task has come in
// and after a worker was allowed more; it does nothing if there is nothing to do.
//
// Only one worker is on its way at a time, counted by waking. When it has found
// a task, it calls wakeLocked for the next. So a burst of tasks does not wake
// more workers than get to see one. Broadcast wakes workers that waking does not
// count: they may lower it early, which costs a needless wake-up at worst, since
// each of them looks at the queue too.
func (p *Pool[T, R]) wakeLocked() {
	switch {
	case p.waking > 0 || p.queue.Len() == 0 || p.abort != nil:
	case p.idle > 0:
		p.waking++
		p.work.Signal()
	case len(p.crew) < p.target:
		p.waking++
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
