package pool

import (
	"runtime/debug"
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/store"
)

// A worker is one of the goroutines that run tasks. If a task ends its goroutine
// with runtime.Goexit, the worker goes on in another.
type worker[R any] struct {
	// mark is the ticket + 1 of the task that the worker holds, or 0. It changes
	// from and to 0 with Pool.mu held, and otherwise in a Pop.
	mark atomic.Uint64

	// The following belong to its goroutine.
	stage   stage
	id      store.ID // the task it holds, or held last
	outcome outcome
	ending  *ending[R] // how the last shift ended, if it was by a panic or a Goexit

	// The following are guarded by Pool.mu.
	started    bool // past its first look at the queue
	prev, next *worker[R]

	_ [128]byte // each worker writes to its own for every task
}

// An ending is what a panic or a Goexit has left.
type ending[R any] struct {
	e     entry[R] // its result, as far as it was there
	first attempt  // how the first attempt to save that went
	panic *PanicError
}

// A crew is the workers of a pool, in a list.
type crew[R any] struct {
	first *worker[R]
	n     int
}

func (c *crew[R]) add(w *worker[R]) {
	c.n++
	w.next = c.first
	if w.next != nil {
		w.next.prev = w
	}
	c.first = w
}

func (c *crew[R]) remove(w *worker[R]) {
	c.n--
	if w.next != nil {
		w.next.prev = w.prev
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		c.first = w.next
	}
}

// all ranges over the workers.
func (c *crew[R]) all(yield func(*worker[R]) bool) {
	for w := c.first; w != nil && yield(w); w = w.next {
	}
}

// stage is how far a worker is with the task that it holds.
type stage int

const (
	taking   stage = iota // it holds none, or one that is saved
	running               // the task's function is being called
	encoding              // the store is being asked for the bytes of its result
	putting               // the store is being called with its result, for the first time
	saving                // the result that is in res has to be saved, or is being saved
	left                  // the worker has left the crew
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
func (p *Pool[T, R]) run(w *worker[R]) {
	p.goexited(w) // if this is not the first of its goroutines
	for {
		p.shift(w)
		if w.stage == left {
			return
		}
		p.panicked(w)
	}
}

// shift runs tasks until the worker leaves, or until a task or the store panics.
// What is deferred guards many tasks: a call of it for each would cost as much as
// taking the task does.
func (p *Pool[T, R]) shift(w *worker[R]) {
	var res store.Result[R] // of the task that w holds
	defer func() {
		switch w.stage {
		case running, encoding, putting, saving:
			// After a Goexit recover returns nil.
			w.ending = &ending[R]{e: entry[R]{res: res}, panic: &PanicError{Value: recover(), Stack: debug.Stack()}}
		}
	}()
	if e := w.ending; e != nil && w.stage == saving { // left over from the shift before
		res, w.ending = e.e.res, nil
		switch {
		case p.saver.batch == nil:
			p.saver.save(res, e.first)
		case e.e.instead != nil: // to encode that may end this goroutine, too
			p.hand(w, e.e)
		default:
			p.encodeAndHand(w, res)
		}
	}
	for {
		w.stage = taking
		res = store.Result[R]{} // the store's from now on
		it, ok := p.next(w)
		if !ok {
			w.stage = left
			return
		}
		w.id, w.outcome = store.ID(it.ID), succeeded
		res.ID = w.id
		if cause := p.cancelCause(); cause != nil {
			res.Err, w.outcome = p.notRun(cause), notRun
		} else {
			w.stage = running
			if p.joint == nil {
				res.Value, res.Err = p.fn(p.taskCtx, it.Task)
			} else {
				res.Value, res.Err = p.joint.Run(p.taskCtx, it.ID)
			}
			if res.Err != nil {
				w.outcome = failed
				if isHandBack(res.Err) {
					w.outcome = notRun
				}
			}
		}
		if p.saver.batch != nil {
			p.encodeAndHand(w, res)
			continue
		}
		w.stage = putting
		if first := p.saver.put(res); first.fate != stored {
			w.stage = saving
			p.saver.save(res, first)
		}
	}
}

func (p *Pool[T, R]) encodeAndHand(w *worker[R], res store.Result[R]) {
	w.stage = encoding
	e := p.saver.encode(res)
	w.stage = taking
	p.hand(w, e)
}

// panicked sees to it that the worker goes on after a panic.
func (p *Pool[T, R]) panicked(w *worker[R]) {
	e := w.ending
	switch w.stage {
	case running:
		w.stage, w.outcome = saving, panicked
		w.ending = &ending[R]{e: entry[R]{res: store.Result[R]{ID: w.id, Err: e.panic}}}
	case putting:
		w.stage = saving
		w.ending = &ending[R]{e: e.e, first: attempt{broken, &putPanicked{e.panic}}}
	default: // the saver keeps what it could not save
		w.stage, w.ending = taking, nil
	}
}

// goexited does so after a Goexit, which cannot be recovered from: this is another
// goroutine.
func (p *Pool[T, R]) goexited(w *worker[R]) {
	switch w.stage {
	case running:
		w.stage, w.outcome = saving, failed
		w.ending = &ending[R]{e: entry[R]{res: store.Result[R]{ID: w.id, Err: ErrGoexit}}}
	case encoding:
		w.stage = saving
		w.ending.e = replaced(w.ending.e, errPutGoexit)
	case putting:
		p.saver.giveUp(w.ending.e.res, errPutGoexit)
		w.stage, w.ending = taking, nil
	default:
		w.stage, w.ending = taking, nil
	}
}

// next settles the task that w holds, if any, and gives it another, for which it
// waits. It returns false if the worker has left the crew.
func (p *Pool[T, R]) next(w *worker[R]) (it queue.Item[T], ok bool) {
	if w.outcome != succeeded || w.mark.Load() == 0 {
		return p.nextLocked(w)
	}
	if it, ok = p.queue.Pop(&w.mark); !ok {
		return p.nextLocked(w)
	}
	if p.gates.calls(w.mark.Load()) {
		p.lockHeedingCancel() // w has made room
		p.tellLocked(w.id)
		p.unlock()
	}
	return it, true
}

// nextLocked is next with mu.
func (p *Pool[T, R]) nextLocked(w *worker[R]) (it queue.Item[T], ok bool) {
	p.lockHeedingCancel()
	p.arriveLocked(w)
	for tidy := false; !p.surplusLocked(); {
		if it, ok = p.queue.Pop(&w.mark); ok {
			p.running++
			p.unlock()
			return it, true
		}
		if !tidy { // whoever is concerned by what has changed must not wait for the end of this sleep
			p.unlock()
			p.mu.Lock()
			tidy = true
			continue
		}
		p.gates.wanted.Store(true)
		if p.queue.IsReady() {
			continue
		}
		p.idle++
		p.work.Wait()
		p.idle--
		p.waking, tidy = false, false
	}
	p.crew.remove(w)
	p.unlock()
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

// surplusLocked reports whether a worker that holds no task is to leave.
func (p *Pool[T, R]) surplusLocked() bool {
	return p.crew.n > p.target ||
		p.closed != nil && p.queue.Len() == 0 ||
		p.abort != nil // what waits is the reaper's
}

// wakeLocked sees to it that somebody comes for the tasks that wait: it wakes an
// idle worker or starts a new one.
//
// One worker is on its way at a time. When it has taken a task, it calls
// wakeLocked for the next; so a burst of tasks does not wake more workers than
// find one. Whoever comes to the queue after a wait lowers waking, also if it was
// woken by a Broadcast: it looks at the queue as well as another.
func (p *Pool[T, R]) wakeLocked() {
	idle, more := p.idle > 0, p.crew.n < p.target
	switch {
	case p.abort != nil:
		set(&p.gates.wanted, true) // see pushed
		return
	case p.waking || !idle && !more:
		set(&p.gates.wanted, false)
		return
	}
	set(&p.gates.wanted, true) // for what comes in from here on
	if !p.queue.IsReady() {
		return
	}
	p.waking = true
	p.gates.wanted.Store(false)
	if idle {
		p.work.Signal()
		return
	}
	w := new(worker[R])
	p.crew.add(w)
	persist(func() { p.run(w) })
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

// tellLocked wakes those who wait for the task with that ID, which is settled.
func (p *Pool[T, R]) tellLocked(id store.ID) {
	if g, ok := p.getters[id]; ok {
		delete(p.getters, id)
		p.wake = append(p.wake, g.settled)
	}
}

// quietLocked reports whether nothing waits and nothing runs.
func (p *Pool[T, R]) quietLocked() bool { return p.running == 0 && p.queue.Len() == 0 }
