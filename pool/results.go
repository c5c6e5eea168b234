package pool

import (
	"github.com/resultpool/resultpool/internal/saver"
	"github.com/resultpool/resultpool/store"
)

// A handover is where workers leave the results of a BatchPutter for the writer, a goroutine that
// is there while there is something to write. All of it is guarded by Pool.mu.
type handover[R any] struct {
	next     saver.Gathering[R]
	batch    []saver.Entry[R]     // what the writer saves now
	outcomes map[store.ID]outcome // of the tasks whose results were handed over and are not settled
	writing  bool                 // the writer's goroutine is there
	aside    int                  // results that are tried beside the writer
}

// hand gives the result of the task that w holds to the writer, so that w can go on. It blocks while
// the next batch is full.
//
// The mark goes to 0 and the ID into outcomes under one lock, so that the task is pending for
// everybody who looks, and counted once in running.
func (p *Pool[T, R]) hand(w *worker[R], e saver.Entry[R]) {
	h := &p.handover
	p.mu.Lock()
	h.next.Add(e)
	h.outcomes[w.id] = w.outcome
	w.mark.Store(0)
	if !h.writing {
		h.writing = true
		job := p.saver.NewJob(p.settleHanded, p.setAside)
		p.goLocked(func() { job.RunAll(p.nextBatch) })
	}
	p.wakeAndUnlock()
}

// nextBatch returns the next batch, or none: then the writer is to leave. The array of the last batch,
// which is saved, is used again.
//
// That there is none and that the writer leaves is one decision under mu: a worker that comes later
// sees writing == false and starts another one.
func (p *Pool[T, R]) nextBatch() []saver.Entry[R] {
	h := &p.handover
	p.mu.Lock()
	defer p.wakeAndUnlock()
	h.batch = h.next.Take(h.batch)
	if h.writing = len(h.batch) > 0; !h.writing {
		h.batch = nil // an idle pool keeps one array
	}
	return h.batch
}

// setAside takes a result that the store fails to take, alone, out of the way of the others: one that
// fails for a reason of its own must not hold up those that the store would take. It is tried beside
// the writer for as long as it takes, as a worker's is over a store without batches. There are no more
// of them than workers, so a store that is down stops the writer.
func (p *Pool[T, R]) setAside(one *saver.Job[R]) bool {
	p.mu.Lock()
	defer p.wakeAndUnlock()
	if p.handover.aside >= p.target {
		return false
	}
	p.handover.aside++
	p.goLocked(func() {
		one.Run()
		p.mu.Lock()
		p.handover.aside--
		p.mu.Unlock()
	})
	return true
}

// settleHanded settles the tasks of results that were handed over. They are stored by now, or among
// those that Stop hands back: a Get that is woken here finds them.
func (p *Pool[T, R]) settleHanded(es []saver.Entry[R]) {
	h := &p.handover
	p.mu.Lock()
	defer p.wakeAndUnlock()
	p.running -= len(es)
	for i := range es {
		id := es[i].ID()
		p.settleLocked(id, h.outcomes[id])
		delete(h.outcomes, id)
	}
}

// reapLocked starts the reaper, which settles the tasks that wait in an aborting pool: a goroutine
// beside the workers, which may be busy for long with tasks that ignore their context.
//
// A task stays in the queue until its result is saved, so it is pending until then. Nobody else
// takes from the queue of an aborting pool, nor adds to it.
func (p *Pool[T, R]) reapLocked() {
	p.reaping = true
	job := p.saver.NewJob(p.settleWaiting, nil)
	p.goLocked(func() { job.RunAll(p.nextUnrun) })
}

// nextUnrun returns results for the tasks at the front of the queue, or none: then the reaper is to
// leave.
func (p *Pool[T, R]) nextUnrun() []saver.Entry[R] {
	p.mu.Lock()
	defer p.wakeAndUnlock()
	why := p.notRunError(p.unrun)
	unrun := make([]saver.Entry[R], min(p.queue.Len(), saver.MaxBatch))
	for i := range unrun {
		id := p.ids.ID(p.queue.Popped() + uint64(i))
		unrun[i] = saver.NewEntry(store.Result[R]{ID: store.ID(id), Err: why})
	}
	p.reaping = len(unrun) > 0
	return unrun
}

// settleWaiting settles the first tasks of the queue as not run: those of es. They leave the queue
// here and not before, so that a Get of one of them has waited for its result.
func (p *Pool[T, R]) settleWaiting(es []saver.Entry[R]) {
	p.mu.Lock()
	defer p.wakeAndUnlock()
	p.queue.Drop(len(es))
	for i := range es {
		p.settleLocked(es[i].ID(), notRun)
	}
}
