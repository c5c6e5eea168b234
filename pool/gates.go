package pool

import "sync/atomic"

// gates let a task pass through the pool without its lock. They are derived from
// what mu guards: unlock sets them, so they agree with it whenever mu is free, or
// the worker that callAt had called is on its way. Whoever finds a gate shut takes
// mu.
//
//	gate        open while                                  found shut by
//	queue tail  the pool is open, has workers, and nobody   Submit
//	            waits for room
//	queue head  there are no surplus workers, tasks that    a worker that wants its
//	            wait are to run, and Stats does not look    next task
//	wanted      (false) no worker has to be woken or made   Submit, after it has put
//	            for a task that comes in                    its task into the queue
//	callAt      (large) nobody waits for a task to be       a worker, after it has
//	            settled or for room in the queue            taken its next task
//
// The last two are the only ones that a goroutine finds open and passes although
// somebody needs it to come. So he who needs it sets the gate first and looks
// once more at the queue then, and who passes changes the queue first and looks
// at the gate then: one of the two sees the other.
//
// All is read for each task and seldom written, and has a cache line of its own.
type gates struct {
	_      [128]byte
	wanted atomic.Bool
	callAt atomic.Uint64 // a worker whose mark is this or higher is to come
	_      [128]byte
}

// nobody is a callAt that calls nobody.
const nobody = 1<<64 - 1

// everybody is a callAt that calls every worker after every task.
const everybody = 0

// calls reports whether a worker with that mark is to come. Unless everybody is
// called, one is enough: the first to answer takes the call back. (Others would
// sleep on mu while it moves a batch, and a wake-up costs more than many tasks.)
func (g *gates) calls(mark uint64) bool {
	at := g.callAt.Load()
	return mark >= at && (at == everybody || g.callAt.CompareAndSwap(at, nobody))
}

// set stores v unless it is there already, so that nobody's copy of the cache line
// is taken away for nothing.
func set[V comparable](gate interface {
	Load() V
	Store(V)
}, v V) {
	if gate.Load() != v {
		gate.Store(v)
	}
}

// unlock frees mu. All that follows from what was changed with mu held is done
// here: submitters get the room that there is, a worker is woken, the gates are
// set, those who wait are told, and the pool ends.
func (p *Pool[T, R]) unlock() {
	p.refillLocked()
	p.wakeLocked()
	if p.idle > 0 && p.surplusLocked() {
		p.work.Broadcast() // they leave
	}
	p.queue.ShutTail(p.closed != nil || p.target == 0 || p.submitters.Len() > 0)
	p.queue.ShutHead(p.abort != nil || p.crew.n > p.target)
	ended := p.endLocked()
	wake := p.wake
	p.wake = nil
	p.mu.Unlock()

	for _, c := range wake {
		close(c)
	}
	if ended {
		p.release()
	}
}
