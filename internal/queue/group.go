package queue

import (
	"sync"

	"github.com/resultpool/resultpool/internal/directory"
)

// A Group is one goroutine that waits for many tasks: a Waiter for each of them, which all share one
// list of those that were told. So the tasks come in the order in which they have ended, the goroutine
// wakes once for all that have ended meanwhile, and to end a task costs as much as with one Await of it.
//
// All but tell is for that goroutine. The zero Group waits for nothing.
type Group struct {
	waiters []*[groupBlock]Waiter
	used    int // of the last block
	took    []*Waiter
	ready   chan struct{} // has room for one: something was told since somebody has looked

	mu   sync.Mutex
	told []*Waiter // guarded by mu
}

// groupBlock is how many waiters are allocated at once.
const groupBlock = 128

// taken is the ticket of a waiter that was told and is not needed any more.
const taken = 1<<64 - 1

// Ready returns a channel on which there is something once Take returns something, or may do so.
func (g *Group) Ready() <-chan struct{} {
	if g.ready == nil {
		g.ready = make(chan struct{}, 1)
	}
	return g.ready
}

// tell tells the group that a task of its has ended, or that a waiter was taken off by mistake.
func (g *Group) tell(w *Waiter) {
	g.mu.Lock()
	g.told = append(g.told, w)
	first := len(g.told) == 1
	g.mu.Unlock()
	if first {
		select {
		case g.ready <- struct{}{}:
		default:
		}
	}
}

// Join has g wait for the task with that ticket as well, which Take will call by that ID. It returns false
// if there is no such task, or it has ended.
func (q *Queue[T]) Join(g *Group, ticket, id uint64) bool {
	seg := q.pendingSegment(ticket)
	if seg == nil || !isPending(seg, ticket) {
		return false
	}
	g.Ready()
	if len(g.waiters) == 0 || g.used == groupBlock {
		g.waiters, g.used = append(g.waiters, new([groupBlock]Waiter)), 0
	}
	w := &g.waiters[len(g.waiters)-1][g.used]
	*w = Waiter{ticket: ticket, group: g, id: id}
	if !stand(seg, w) {
		return false // its place is used for the next one
	}
	g.used++
	return true
}

// stand has w wait for its task. It returns false if that has ended, and w is not told of it.
func stand[T any](seg *directory.Segment[segment[T]], w *Waiter) bool {
	ws, i := seg.Body.list(), w.ticket%segmentSize
	ws.add(i, w)
	return isPending(seg, w.ticket) || !ws.remove(i, w)
}

// Take appends to ids those of the tasks that have ended since the last Take, in that order. It does not
// wait.
func (q *Queue[T]) Take(g *Group, ids []uint64) []uint64 {
	g.mu.Lock()
	g.told, g.took = g.took[:0], g.told
	g.mu.Unlock()
	for _, w := range g.took {
		if w.missed {
			if seg := q.pendingSegment(w.ticket); seg != nil && stand(seg, w) {
				continue
			}
		}
		w.ticket = taken
		ids = append(ids, w.id)
	}
	return ids
}

// Leave has g wait for nothing any more.
func (q *Queue[T]) Leave(g *Group) {
	for b, block := range g.waiters {
		for i := range block {
			w := &block[i]
			if b == len(g.waiters)-1 && i == g.used {
				break
			}
			if w.ticket == taken {
				continue
			}
			// If the segment is gone, w was taken off, or is just being.
			if seg := q.segments.Find(w.ticket >> segmentBits); seg != nil {
				seg.Body.list().remove(w.ticket%segmentSize, w)
			}
		}
	}
}
