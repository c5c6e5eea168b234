package pool

import (
	"slices"

	"github.com/resultpool/resultpool/store"
)

// maxBatch is how many results a BatchPutter is given at once, at most. As many may
// wait to be next. (A database that syncs each batch has all but reached its best rate
// there, and fewer would be lost with the process.)
const maxBatch = 1024

// A batch is results that workers have handed over.
type batch[R any] struct {
	res   []store.Result[R] // for the store alone, once the writer has taken the batch
	tasks []handed          // the same, for the pool
}

// handed is a task whose result was handed over.
type handed struct {
	id      store.ID
	outcome outcome
}

func (b *batch[R]) add(res store.Result[R], out outcome) {
	b.res = append(b.res, res)
	b.tasks = append(b.tasks, handed{res.ID, out})
}

func (b *batch[R]) reset() {
	clear(b.res)
	b.res, b.tasks = b.res[:0], b.tasks[:0]
}

// hand gives the result of the task that w holds to the writer, so that w can go on.
// It blocks while as many wait as the next batch may have.
//
// There is no timer: a result that comes while the store is idle is written at once,
// and those that come while it is busy are the next batch.
func (p *Pool[T, R]) hand(w *worker[R], res store.Result[R]) {
	p.mu.Lock()
	for len(p.gathered.res) == maxBatch {
		p.room.Wait()
	}
	p.gathered.add(res, w.outcome)
	w.mark.Store(0)
	if !p.writing {
		p.writing = true
		go p.write(&writing[R]{over: p.settleWritten, aside: p.setAside})
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
	for p.nextBatch(w) {
		p.saver.write(w)
	}
	left = true
}

// nextBatch reports whether there is another batch. If not, the writer is to leave.
func (p *Pool[T, R]) nextBatch(w *writing[R]) bool {
	p.mu.Lock()
	defer p.unlock()
	p.written.reset()
	if len(p.gathered.res) == 0 {
		p.writing = false
		return false
	}
	p.written, p.gathered = p.gathered, p.written
	w.parts = append(w.parts, part[R]{res: p.written.res})
	p.room.Broadcast()
	return true
}

// settleWritten settles the first n tasks of the batch that is being written.
func (p *Pool[T, R]) settleWritten(n int) {
	p.mu.Lock()
	defer p.unlock()
	p.running -= n
	for _, t := range p.written.tasks[:n] {
		p.settleLocked(t.id, t.outcome)
	}
	p.written.tasks = slices.Delete(p.written.tasks, 0, n)
}

// setAside takes the next result of the batch that is being written, which the store
// fails to take alone, out of the way of the others. It is tried for as long as it takes
// beside the writer, as a worker's is over a store without batches; and there are no more
// of them than there are workers, so a store that is down stops the writer.
func (p *Pool[T, R]) setAside(it part[R]) bool {
	p.mu.Lock()
	defer p.unlock()
	if len(p.aside) >= p.target {
		return false
	}
	t := p.written.tasks[0]
	p.written.tasks = slices.Delete(p.written.tasks, 0, 1)
	p.aside = append(p.aside, t)
	it.res = slices.Clone(it.res)
	go p.saver.write(&writing[R]{parts: []part[R]{it}, over: func(int) { p.settleAside(t) }})
	return true
}

func (p *Pool[T, R]) settleAside(t handed) {
	p.mu.Lock()
	defer p.unlock()
	p.running--
	p.aside = slices.DeleteFunc(p.aside, func(a handed) bool { return a.id == t.id })
	p.settleLocked(t.id, t.outcome)
}

// isHandedLocked reports whether the result of the task with that ID was handed over
// and is not saved yet.
func (p *Pool[T, R]) isHandedLocked(id store.ID) bool {
	is := func(t handed) bool { return t.id == id }
	return slices.ContainsFunc(p.written.tasks, is) || slices.ContainsFunc(p.gathered.tasks, is) || slices.ContainsFunc(p.aside, is)
}
