package pool

import "github.com/resultpool/resultpool/store"

// reapBatch is how many results of unrun tasks a BatchPutter is given at once.
const reapBatch = 1024

// A reaper settles the tasks that wait in an aborting pool, in one goroutine
// beside the workers: these may be busy for long with tasks that ignore their
// context. Its fields belong to its goroutine, or, after a Goexit of the store,
// to the one that goes on.
//
// A task stays in the queue until its result is saved, so it is pending until
// then. Nobody else takes from the queue of an aborting pool, nor adds to it.
type reaper struct {
	saving    bool // the first task's result is being saved, alone
	maybeHeld int  // how many results, from the first, a PutBatch may have stored
	single    bool // PutBatch has failed, or is being called
}

func (p *Pool[T, R]) reap(r *reaper) {
	left := false
	defer func() {
		if left {
			return
		}
		// The store has called Goexit. A result that was being saved alone is
		// with the saver now; those of a batch are tried again, one by one.
		if r.saving {
			p.reaped(r)
		}
		go p.reap(r)
	}()

	for unrun := p.unrun(); len(unrun) > 0; unrun = p.unrun() {
		if p.saver.batch != nil && !r.single {
			r.single, r.maybeHeld = true, len(unrun)
			ok, maybeHeld := p.saver.putBatch(unrun)
			if ok {
				r.single, r.maybeHeld = false, 0
				p.settleWaiting(len(unrun))
				continue
			}
			if !maybeHeld {
				r.maybeHeld = 0
			}
		}
		for _, res := range unrun {
			r.saving = true
			if r.maybeHeld > 0 {
				p.saver.saveAgain(res)
			} else {
				p.saver.save(res, attempt{})
			}
			p.reaped(r)
		}
	}

	p.mu.Lock()
	p.reaping = false
	p.unlock()
	left = true
}

// reaped settles the first task, whose result was saved alone.
func (p *Pool[T, R]) reaped(r *reaper) {
	p.settleWaiting(1)
	r.saving = false
	r.maybeHeld = max(0, r.maybeHeld-1)
}

// unrun returns results for the tasks at the front of the queue.
func (p *Pool[T, R]) unrun() []store.Result[R] {
	p.mu.Lock()
	defer p.unlock()
	err := notRunBecause(p.abort)
	unrun := make([]store.Result[R], min(p.queue.Len(), reapBatch))
	for i := range unrun {
		unrun[i] = store.Result[R]{ID: p.ids.idLocked(p.queue.Popped() + uint64(i)), Err: err}
	}
	return unrun
}

// settleWaiting settles the first n tasks of the queue as not run.
func (p *Pool[T, R]) settleWaiting(n int) {
	p.mu.Lock()
	defer p.unlock()
	first := p.queue.Popped()
	p.queue.Drop(n)
	for i := range uint64(n) {
		p.settleLocked(p.ids.idLocked(first+i), notRun)
	}
}
