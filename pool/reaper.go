package pool

import "github.com/resultpool/resultpool/store"

// reap settles the tasks that wait in an aborting pool, in one goroutine beside the
// workers: these may be busy for long with tasks that ignore their context.
//
// A task stays in the queue until its result is saved, so it is pending until then.
// Nobody else takes from the queue of an aborting pool, nor adds to it.
func (p *Pool[T, R]) reap(w *writing[R]) {
	p.saver.write(w)
	for unrun := p.unrun(); len(unrun) > 0; unrun = p.unrun() {
		w.parts = append(w.parts, part[R]{res: unrun})
		p.saver.write(w)
	}

	p.mu.Lock()
	p.reaping = false
	p.unlock()
}

// unrun returns results for the tasks at the front of the queue.
func (p *Pool[T, R]) unrun() []entry[R] {
	p.mu.Lock()
	defer p.unlock()
	err := p.notRun(p.abort)
	unrun := make([]entry[R], min(p.queue.Len(), maxBatch))
	for i := range unrun {
		unrun[i].res = store.Result[R]{ID: p.ids.idLocked(p.queue.Popped() + uint64(i)), Err: err}
	}
	return unrun
}

// settleWaiting settles the first tasks of the queue as not run: those of res.
func (p *Pool[T, R]) settleWaiting(es []entry[R]) {
	p.mu.Lock()
	defer p.unlock()
	p.queue.Drop(len(es))
	for i := range es {
		p.settleLocked(es[i].res.ID, notRun)
	}
}
