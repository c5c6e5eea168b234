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
	saving int  // how many tasks are being saved one by one: 1 or 0
	single bool // PutBatch has failed, or is being called
}

func (p *Pool[T, R]) reap(r *reaper) {
	over := false
	defer func() {
		if over {
			return
		}
		// The store has called Goexit. What it did not take one by one is with
		// the saver; a batch is tried again, one by one.
		p.settleWaiting(r.saving)
		r.saving = 0
		go p.reap(r)
	}()

	for {
		unrun := p.unrun()
		if len(unrun) == 0 {
			break
		}
		tried := false
		if p.saver.batch != nil && !r.single {
			r.single, tried = true, true
			if p.saver.saveBatch(unrun) {
				p.settleWaiting(len(unrun))
				r.single = false
				continue
			}
		}
		for _, res := range unrun {
			r.saving = 1
			p.saver.save(res, tried)
			p.settleWaiting(1)
			r.saving = 0
		}
	}

	p.mu.Lock()
	p.reaping = false
	ended := p.endLocked()
	p.mu.Unlock()
	over = true
	if ended {
		p.release()
	}
}

// unrun returns results for the tasks at the front of the queue.
func (p *Pool[T, R]) unrun() []store.Result[R] {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := notRunBecause(p.abort)
	unrun := make([]store.Result[R], min(p.queue.Len(), reapBatch))
	for i := range unrun {
		unrun[i] = store.Result[R]{ID: store.ID(p.queue.At(i)), Err: err}
	}
	return unrun
}

// settleWaiting settles the first n tasks of the queue as not run.
func (p *Pool[T, R]) settleWaiting(n int) {
	var wake []chan struct{}
	p.mu.Lock()
	for range n {
		it := p.queue.Pop()
		wake = append(wake, p.settleLocked(store.ID(it.ID), notRun)...)
	}
	p.mu.Unlock()
	closeAll(wake)
}
