package pool

import (
	"slices"

	"github.com/resultpool/resultpool/store"
)

// maxBatch is how many results a BatchPutter is given at once, at most. As many may
// gather to be next. (A database that syncs each batch has all but reached its best
// rate there, and fewer would be lost with the process.)
const maxBatch = 1024

// hand gives the result of the task that w holds to the writer, so that w can go on.
// It blocks while as many wait as the next batch may have.
//
// There is no timer: a result that comes while the store is idle is written at once,
// and those that come while it is busy are the next batch.
func (p *Pool[T, R]) hand(w *worker[R], res store.Result[R]) {
	p.mu.Lock()
	for len(p.gathered) == maxBatch {
		p.room.Wait()
	}
	p.gathered = append(p.gathered, res)
	p.handed[res.ID] = w.outcome
	w.mark.Store(0)
	if !p.writing {
		p.writing = true
		go p.write(&writing[R]{over: p.settleHanded, aside: p.setAside})
	}
	p.unlock()
}

// write saves what is handed over until nothing is left, in one goroutine beside the
// workers.
func (p *Pool[T, R]) write(w *writing[R]) {
	left := false
	defer func() {
		if !left { // the store has called Goexit
			go p.write(w)
		}
	}()
	p.saver.write(w)
	var batch []store.Result[R]
	for p.nextBatch(w, &batch) {
		p.saver.write(w)
	}
	left = true
}

// nextBatch reports whether there is another batch. If not, the writer is to leave. The
// array of the last one, in batch, is used again.
func (p *Pool[T, R]) nextBatch(w *writing[R], batch *[]store.Result[R]) bool {
	p.mu.Lock()
	defer p.unlock()
	if len(p.gathered) == 0 {
		p.writing = false
		return false
	}
	*batch, p.gathered = p.gathered, (*batch)[:0]
	w.parts = append(w.parts, part[R]{res: *batch})
	p.room.Broadcast()
	return true
}

// settleHanded settles the tasks of results that were handed over.
func (p *Pool[T, R]) settleHanded(res []store.Result[R]) {
	p.mu.Lock()
	defer p.unlock()
	p.settleHandedLocked(res)
}

func (p *Pool[T, R]) settleHandedLocked(res []store.Result[R]) {
	p.running -= len(res)
	for i := range res {
		id := res[i].ID
		p.settleLocked(id, p.handed[id])
		delete(p.handed, id)
	}
}

// setAside takes a result that the store fails to take, alone, out of the way of the
// others. It is tried for as long as it takes beside the writer, as a worker's is over a
// store without batches; and there are no more of them than there are workers, so a store
// that is down stops the writer.
func (p *Pool[T, R]) setAside(it part[R]) bool {
	p.mu.Lock()
	defer p.unlock()
	if p.aside >= p.target {
		return false
	}
	p.aside++
	it.res = slices.Clone(it.res) // the array is that of a batch
	go p.saver.write(&writing[R]{parts: []part[R]{it}, over: p.settleAside})
	return true
}

func (p *Pool[T, R]) settleAside(res []store.Result[R]) {
	p.mu.Lock()
	defer p.unlock()
	p.aside--
	p.settleHandedLocked(res)
}
