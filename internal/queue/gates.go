package queue

import "sync/atomic"

// Gates let a task pass through the pool without its lock, mu. They are derived from what mu guards,
// and agree with it whenever mu is free. Whoever finds a gate set takes mu.
//
//	gate     is set while                                   who looks                      who sets it
//	tail     (shut) the pool is not open, has no workers,   Submit                         wakeAndUnlock;
//	         or somebody waits for room                                                    lockForSubmit
//	Hire     a worker may have to be started, or the pool   Submit, after it has put its   wakeAndUnlock
//	         is aborting                                    task in; a worker, after a claim
//	away     (TurnAway) a worker may have to leave          a worker, for each task        wakeAndUnlock
//	Settle   the pool drains, or somebody waits until       a worker, before it sleeps     wakeAndUnlock
//	         nothing runs
//	Ended    somebody sleeps until a task ends,             a worker, after each task;     Pool.finished, under
//	         whichever                                      wakeAndUnlock                  its own lock
//	roomAt   somebody waits for room                        a worker, after each claim     refillLocked
//
// Both sides store first and load second: the side that needs attention sets the gate, then rereads
// the queue or counts the idle; the passing side changes these, then reads the gate. At least one of
// them sees the other.
//
// They are read for each task and seldom written, and have a cache line of their own. For that
// reason the methods that are called often do not store what is there already.
type Gates struct {
	_                   cacheLinePad
	Hire, Settle, Ended Gate
	roomAt              atomic.Uint64 // a worker that sees as many tasks claimed is to take mu
	_                   cacheLinePad
}

// A Gate is open or, if it is set, shut.
type Gate struct{ atomic.Bool }

// Set sets the gate or opens it. mu is held.
func (g *Gate) Set(on bool) {
	if g.Load() != on {
		g.Store(on)
	}
}

// Nobody is the number of claimed tasks from which on no worker is called.
const Nobody = 1<<64 - 1

// Call calls a worker that sees so many tasks claimed. mu is held, and the caller rereads the queue
// afterwards.
func (g *Gates) Call(claimed uint64) {
	if g.roomAt.Load() != claimed {
		g.roomAt.Store(claimed)
	}
}

// Calls reports whether a worker that sees so many tasks claimed is to take mu, or any worker, if somebody
// waits for any room. One is enough: the first to answer takes the call back. (Others would sleep on mu
// while it moves many tasks, and a wake-up costs more than many tasks.)
func (g *Gates) Calls(claimed uint64, anyRoom bool) bool {
	at := g.roomAt.Load()
	return at != Nobody && (anyRoom || claimed >= at) && g.roomAt.CompareAndSwap(at, Nobody)
}

// CallsAny reports whether any worker is called.
func (g *Gates) CallsAny() bool { return g.roomAt.Load() != Nobody }
