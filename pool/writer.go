package pool

import "slices"

// maxBatch is how many results a BatchPutter is given at once, at most. As many may
// gather to be next. (A database that syncs each batch has all but reached its best
// rate there, and fewer would be lost with the process.)
const maxBatch = 1024

// maxBatchBytes is how many bytes such a batch has at most, if it is more than one result
// and the store is a RecordPutter. A disk takes longer to write so much than to sync it. In
// memory there are as many bytes again of the batch that is being written, and of both the
// values that the bytes were made of.
const maxBatchBytes = 8 << 20

// hand gives the result of the task that w holds to the writer, so that w can go on.
// It blocks while as much waits as the next batch may have. Others let a large result pass
// that waits for that, or there might always be smaller ones that are faster.
//
// There is no timer: a result that comes while the store is idle is written at once,
// and those that come while it is busy are the next batch.
func (p *Pool[T, R]) hand(w *worker[R], e entry[R]) {
	p.mu.Lock()
	first := false // this result is the one that others let pass
	for p.large && !first || !p.hasRoomLocked(len(e.data)) {
		if !p.large && len(e.data) > maxBatchBytes/maxBatch {
			p.large, first = true, true
		}
		p.room.Wait()
	}
	if first {
		p.large = false
		p.room.Broadcast()
	}
	p.gathered = append(p.gathered, e)
	p.gatheredBytes += len(e.data)
	p.handed[e.res.ID] = w.outcome
	w.mark.Store(0)
	if !p.writing {
		p.writing = true
		w := p.saver.writing(nil, p.settleHanded, p.setAside)
		persist(func() { p.write(w) })
	}
	p.unlock()
}

// hasRoomLocked reports whether the next batch takes another result of so many bytes. It
// takes at least one, however large that is.
func (p *Pool[T, R]) hasRoomLocked(size int) bool {
	return len(p.gathered) == 0 || len(p.gathered) < maxBatch && p.gatheredBytes+size <= maxBatchBytes
}

// write saves what is handed over until nothing is left, in one goroutine beside the
// workers.
func (p *Pool[T, R]) write(w *writing[R]) {
	p.saver.write(w)
	var batch []entry[R]
	for p.nextBatch(w, &batch) {
		p.saver.write(w)
	}
}

// nextBatch reports whether there is another batch. If not, the writer is to leave. The
// array of the last one, in batch, is used again.
func (p *Pool[T, R]) nextBatch(w *writing[R], batch *[]entry[R]) bool {
	p.mu.Lock()
	defer p.unlock()
	if len(p.gathered) == 0 {
		p.writing = false
		return false
	}
	*batch, p.gathered, p.gatheredBytes = p.gathered, (*batch)[:0], 0
	w.parts = append(w.parts, part[R]{res: *batch})
	p.room.Broadcast()
	return true
}

// settleHanded settles the tasks of results that were handed over.
func (p *Pool[T, R]) settleHanded(es []entry[R]) {
	p.mu.Lock()
	defer p.unlock()
	p.settleHandedLocked(es)
}

func (p *Pool[T, R]) settleHandedLocked(es []entry[R]) {
	p.running -= len(es)
	for i := range es {
		id := es[i].res.ID
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
	w := p.saver.writing(nil, p.settleAside, nil)
	w.parts = []part[R]{it}
	persist(func() { p.saver.write(w) })
	return true
}

func (p *Pool[T, R]) settleAside(es []entry[R]) {
	p.mu.Lock()
	defer p.unlock()
	p.aside--
	p.settleHandedLocked(es)
}
