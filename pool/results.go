package pool

import (
	"time"

	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/internal/saver"
	"github.com/resultpool/resultpool/store"
)

// A handover is where workers leave the results of a BatchPutter for the writer, a goroutine that
// is there while there is something to write. All of it is guarded by Pool.mu.
type handover[R any] struct {
	next    saver.Gathering[R]
	batch   []saver.Entry[R]    // what the writer saves now
	handed  map[store.ID]handed // the tasks whose results were handed over and are not settled
	unrun   int                 // those of them that the reaper has taken
	writing bool                // the writer's goroutine is there
	aside   int                 // results that are tried beside the writer
}

// handed is a task whose result was handed over.
type handed struct {
	ticket  uint64
	outcome outcome
	ran     time.Duration
	unrun   bool // it was taken by the reaper
}

// hand gives the result of the task that w holds to the writer, so that w can go on. It blocks while
// the next batch is full.
//
// The task has not ended for the queue, so it is pending for everybody who looks, and counts as
// running.
func (p *Pool[T, R]) hand(w *worker[T, R], e saver.Entry[R]) {
	h := &p.handover
	p.mu.Lock()
	h.next.Add(e)
	h.handed[w.id] = handed{ticket: w.hand.Ticket(), outcome: w.outcome, ran: w.ran}
	w.ran = 0
	w.hand.Pass()
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
func (p *Pool[T, R]) settleHanded(es []saver.Entry[R], givenUp error) {
	defer p.giveBack(es)        // at last: those tasks may come again, under the same IDs
	defer p.settleHandedNow(es) // also if a hook ends the goroutine
	p.tellAllEnded(es, givenUp, func(id store.ID) (outcome, time.Duration) {
		t := p.handover.handed[id]
		return t.outcome, t.ran
	})
}

func (p *Pool[T, R]) settleHandedNow(es []saver.Entry[R]) {
	h := &p.handover
	p.mu.Lock()
	defer p.wakeAndUnlock()
	for i := range es {
		id := es[i].ID()
		t := h.handed[id]
		delete(h.handed, id)
		if t.unrun {
			h.unrun--
		}
		p.settleLocked(p.queue.EndTicket(t.ticket), t.outcome)
	}
}

// giveBack tells the share that tasks are settled. It gives those back that are to run again and that the engine is to
// have until then.
func (p *Pool[T, R]) giveBack(es []saver.Entry[R]) {
	if p.share == nil {
		return
	}
	ids := make([]uint64, len(es))
	for i := range es {
		ids[i] = uint64(es[i].ID())
	}
	p.share.Settled(ids)
}

// reapLocked starts the reaper, which settles the tasks that wait in an aborting pool: a goroutine
// beside the workers, which may be busy for long with tasks that ignore their context.
//
// It takes tasks as a worker does. Stats counts them as waiting until their results are saved.
func (p *Pool[T, R]) reapLocked() {
	p.reaping = true
	job := p.saver.NewJob(p.settleHanded, nil)
	p.goLocked(func() { job.RunAll(p.nextUnrun) })
}

// nextUnrun returns results for the tasks at the front of the queue, or none: then the reaper is to
// leave.
func (p *Pool[T, R]) nextUnrun() []saver.Entry[R] {
	p.mu.Lock()
	defer p.wakeAndUnlock()
	why := p.notRunError(p.unrun)
	var unrun []saver.Entry[R]
	for id, t := range p.park.tasks {
		if len(unrun) == saver.MaxBatch {
			break
		}
		p.unparkLocked(t)
		p.leaveLaneLocked(t)
		res, out := p.unrunResult(t, p.unrun, false)
		unrun = append(unrun, saver.NewEntry(res))
		p.handover.handed[id] = handed{ticket: t.ticket, outcome: out, ran: t.ran, unrun: true}
	}
	for len(unrun) < saver.MaxBatch {
		it, _, found := p.queue.NextOwned(&p.reaper)
		if found == queue.None {
			break
		}
		if p.keys != nil {
			p.keys.Forget(p.keys.Next()) // it is kept for each task in the queue
		}
		id := store.ID(it.ID)
		if p.passLocked(&p.reaper, id) {
			continue
		}
		unrun = append(unrun, saver.NewEntry(store.Result[R]{ID: id, Err: why}))
		p.handover.handed[id] = handed{ticket: p.reaper.Ticket(), outcome: notRun, unrun: true}
		p.reaper.Pass()
	}
	p.handover.unrun += len(unrun)
	p.reaping = len(unrun) > 0
	return unrun
}
