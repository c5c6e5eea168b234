package queue

import "sync/atomic"

// Gates let a task pass through the pool without its lock, mu. They are derived from what mu
// guards, and agree with it whenever mu is free, or the worker that was called is on its way.
// Whoever finds a gate shut takes mu. The first two are the ends of the [Queue].
//
//	gate        open while                           who finds it shut        who sets it
//	queue tail  the pool is open, has workers, and   Submit                   wakeAndUnlock;
//	            nobody waits for room                                         lockForSubmit shuts it
//	queue head  there are no surplus workers, tasks  a worker that wants its  wakeAndUnlock; Stats
//	            that wait are to run, and Stats      next task                and closeLocked shut it
//	            does not look
//	wanted      (false) no worker has to be woken    Submit, after it has     wakeLocked; a worker,
//	            or started for a task that comes in  put its task in          before it sleeps
//	callFrom    (large) nobody waits for a task to   a worker, after it has   refillLocked; await;
//	            be settled or for room in the queue  taken its next task      the worker that it calls
//
// The last two are the only ones that a goroutine finds open and passes although somebody needs it
// to stop. Both sides store first and load second: the side that needs attention sets the gate,
// then rereads the queue; the passing side changes the queue, then reads the gate. At least one of
// them sees the other.
//
// They are read for each task and seldom written, and have a cache line of their own. For that
// reason the methods that are called often do not store what is there already.
//
// The zero Gates call everybody. The owner sets them when it first frees mu.
type Gates struct {
	_        cacheLinePad
	wanted   atomic.Bool
	callFrom atomic.Uint64 // a worker whose mark is this or higher is to take mu
	_        cacheLinePad
}

const (
	// Nobody is the mark from which on no worker is called.
	Nobody = 1<<64 - 1

	// Everybody is the mark from which on every worker is called after every task.
	Everybody = 0
)

// SetWanted sets whether a submitter that has put a task in is to take mu. mu is held.
func (g *Gates) SetWanted(on bool) {
	if g.wanted.Load() != on {
		g.wanted.Store(on)
	}
}

// Wanted reports whether a submitter that has put a task in is to take mu.
func (g *Gates) Wanted() bool { return g.wanted.Load() }

// Call calls workers from that mark on. mu is held, and the caller rereads the queue afterwards.
func (g *Gates) Call(from uint64) { g.callFrom.Store(from) }

// SetCall is Call for a caller that has reread the queue. mu is held.
func (g *Gates) SetCall(from uint64) {
	if g.callFrom.Load() != from {
		g.callFrom.Store(from)
	}
}

// Calls reports whether a worker with that mark is to take mu. Unless everybody is called, one is
// enough: the first to answer takes the call back. (Others would sleep on mu while it moves many
// tasks, and a wake-up costs more than many tasks.)
func (g *Gates) Calls(mark uint64) bool {
	from := g.callFrom.Load()
	return mark >= from && (from == Everybody || g.callFrom.CompareAndSwap(from, Nobody))
}

// CallsAny reports whether any worker is called, for tests: a call that nobody needs any more costs
// every worker the lock after every task.
func (g *Gates) CallsAny() bool { return g.callFrom.Load() != Nobody }
