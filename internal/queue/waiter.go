package queue

import (
	"sync"
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/directory"
)

// A Waiter is a goroutine that waits until a task has ended, or one of the tasks that a [Group] waits for.
// It stands with the segment of the task until somebody takes it off: whoever has ended the task, who then
// tells it, or the goroutine itself, if it gives up. It is used again for other tasks.
type Waiter struct {
	ticket     uint64
	told       chan struct{} // has room for one: to tell never blocks; nil in a group
	group      *Group        // nil: it is a goroutine of its own
	id         uint64        // in a group: what the task is called there
	missed     bool          // who has taken it off has ended another task; written before told
	listed     bool          // among the others; this and the links are guarded by their lock
	prev, next *Waiter
}

// Tell has w go on, and those that were taken off with it. It may be nil.
func (w *Waiter) Tell() {
	for w != nil {
		next := w.next
		w.next = nil // w is not ours once it is told
		if w.group != nil {
			w.group.tell(w)
		} else {
			w.told <- struct{}{}
		}
		w = next
	}
}

// waiters are those who wait for tasks of a segment.
type waiters struct {
	first [segmentSize]atomic.Pointer[Waiter] // by slot

	hasOthers atomic.Bool
	mu        sync.Mutex
	others    map[uint64]*Waiter // those who are not the first, by slot: lists
}

// Await waits until the task with that ticket has ended, and returns true, also if there is no such
// task; or until giveUp is closed, and returns false. It may be called at any time.
//
// The waiter comes first and the look at the task second, and with who ends a task it is the other way
// round: so at least one sees the other.
func (q *Queue[T]) Await(ticket uint64, giveUp <-chan struct{}) (ended bool) {
	seg := q.pendingSegment(ticket)
	if seg == nil {
		return true
	}
	w, _ := q.waiters.Get().(*Waiter)
	if w == nil {
		w = &Waiter{told: make(chan struct{}, 1)}
	}
	w.ticket = ticket
	ws, i := seg.Body.list(), ticket%segmentSize
	for {
		ws.add(i, w)
		if !isPending(seg, ticket) {
			break
		}
		select {
		case <-w.told:
			if w.missed {
				continue
			}
			q.waiters.Put(w)
			return true
		case <-giveUp:
		}
		break
	}
	if !ws.remove(i, w) {
		<-w.told
	}
	q.waiters.Put(w)
	return !isPending(seg, ticket)
}

// list returns the waiters of a segment.
func (g *segment[T]) list() *waiters {
	if ws := g.waiters.Load(); ws != nil {
		return ws
	}
	g.waiters.CompareAndSwap(nil, new(waiters))
	return g.waiters.Load()
}

// takeOff takes off those who wait for the task with that ticket, which has ended. The caller is to tell
// them. It may come late, when the slot is used for another ticket: then it takes off those who wait for
// that, and they come again.
func (g *segment[T]) takeOff(ticket uint64) *Waiter {
	ws, i := g.waiters.Load(), ticket%segmentSize
	if ws == nil {
		return nil
	}
	w := ws.first[i].Load()
	for w != nil && !ws.first[i].CompareAndSwap(w, nil) {
		w = ws.first[i].Load()
	}
	if w != nil {
		w.missed = w.ticket != ticket
	}
	if !ws.hasOthers.Load() {
		return w
	}
	others := ws.takeOthers(i, ticket)
	if w == nil {
		return others
	}
	w.next = others
	return w
}

func (ws *waiters) add(i uint64, w *Waiter) {
	if ws.first[i].CompareAndSwap(nil, w) {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.others == nil {
		ws.others = make(map[uint64]*Waiter)
	}
	w.listed, w.next = true, ws.others[i]
	if w.next != nil {
		w.next.prev = w
	}
	ws.others[i] = w
	ws.hasOthers.Store(true)
}

// remove takes w off, or returns false if somebody else has, who tells it.
func (ws *waiters) remove(i uint64, w *Waiter) bool {
	if ws.first[i].CompareAndSwap(w, nil) {
		return true
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if !w.listed {
		return false
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		ws.others[i] = w.next
	}
	w.listed, w.prev, w.next = false, nil, nil
	return true
}

func (ws *waiters) takeOthers(i, ticket uint64) (first *Waiter) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	first = ws.others[i]
	for w := first; w != nil; w = w.next {
		w.listed, w.prev, w.missed = false, nil, w.ticket != ticket
	}
	delete(ws.others, i)
	ws.hasOthers.Store(len(ws.others) > 0)
	return first
}

// IsPending reports whether there is a task with that ticket that has not ended. It may be called at
// any time.
func (q *Queue[T]) IsPending(ticket uint64) bool {
	seg := q.pendingSegment(ticket)
	return seg != nil && isPending(seg, ticket)
}

// pendingSegment returns the segment of a ticket that was given out, or nil if all of its tasks are
// done. It may not be there yet: then this makes it.
func (q *Queue[T]) pendingSegment(ticket uint64) *directory.Segment[segment[T]] {
	if ticket >= q.Pushed() {
		return nil
	}
	seg := q.segments.Find(ticket >> segmentBits)
	if seg != nil {
		return seg
	}
	// One that the head is in is there. One that the head has passed was: most that are asked for are gone,
	// and there is no need for the directory's lock.
	if q.head.Load() > ticket|(segmentSize-1) {
		return q.segments.Find(ticket >> segmentBits)
	}
	return q.segments.FindOrAdd(ticket>>segmentBits, func(index uint64) *directory.Segment[segment[T]] {
		if q.head.Load() > index<<segmentBits {
			return nil
		}
		return q.newSegment(index)
	})
}

// isPending reports whether the task of a ticket that was given out has not ended: the claim that is
// next before it does not have it, since no claim has it yet, or has it as not done. One that is called off
// may have ended before its turn.
func isPending[T any](seg *directory.Segment[segment[T]], ticket uint64) bool {
	index, i := ticket>>segmentBits, ticket%segmentSize
	pending := true
	for k := range min(i+1, maxClaim) {
		if w := claim(seg.Body.claims[i-k].Load()); w.isOf(index) && w.size() > 0 {
			pending = w.isPending(k)
			break
		}
	}
	return pending && !seg.Body.isSettled(i) && seg.Index() == index
}
