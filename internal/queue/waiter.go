package queue

import (
	"sync"
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/directory"
)

// A Waiter is a goroutine that waits until a task has ended. The first one stands in the slot of the
// task, and others in a list, until somebody takes it off: whoever has ended the task, who then tells
// it, or the goroutine itself, if it gives up. It is used again for other tasks.
type Waiter struct {
	told       chan struct{} // has room for one: to tell never blocks
	listed     bool          // in a list; this and the links are guarded by others.mu
	prev, next *Waiter
}

// Tell has w go on, and those that were taken off with it. It may be nil.
func (w *Waiter) Tell() {
	for w != nil {
		next := w.next
		w.next = nil // w is not ours once it is told
		w.told <- struct{}{}
		w = next
	}
}

// others are those who wait for tasks of a segment and are not the first of their task.
type others struct {
	some  atomic.Bool
	mu    sync.Mutex
	lists map[uint64]*Waiter // by slot
}

// Await waits until the task with that ticket has ended, and returns true, also if there is no such
// task; or until giveUp is closed, and returns false. It may be called at any time.
//
// The waiter comes first and the look at the task second, and with who ends a task it is the other way
// round: so at least one sees the other.
func (q *Queue[T]) Await(ticket uint64, giveUp <-chan struct{}) (ended bool) {
	seg := q.pendingSegment(ticket)
	if seg == nil || !seg.isPending(ticket) {
		return true
	}
	w, _ := q.waiters.Get().(*Waiter)
	if w == nil {
		w = &Waiter{told: make(chan struct{}, 1)}
	}
	defer q.waiters.Put(w)

	i := ticket % segmentSize
	isFirst := seg.slots[i].waiter.CompareAndSwap(nil, w)
	if !isFirst {
		seg.others.add(i, w)
	}
	if seg.isPending(ticket) {
		select {
		case <-w.told:
			return true
		case <-giveUp:
		}
	}
	if isFirst && !seg.slots[i].waiter.CompareAndSwap(w, nil) || !isFirst && !seg.others.remove(i, w) {
		<-w.told // it was taken off by somebody who tells it
		return true
	}
	return !seg.isPending(ticket)
}

// takeOff takes off those who wait for the task of a slot, which has ended. The caller is to tell them.
func (g *segment[T]) takeOff(i uint64) (first *Waiter) {
	s := &g.slots[i]
	if s.waiter.Load() != nil {
		first = s.waiter.Swap(nil)
	}
	if !g.others.some.Load() {
		return first
	}
	rest := g.others.take(i)
	if first == nil {
		return rest
	}
	first.next = rest
	return first
}

func (o *others) add(i uint64, w *Waiter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lists == nil {
		o.lists = make(map[uint64]*Waiter)
	}
	w.listed, w.prev, w.next = true, nil, o.lists[i]
	if w.next != nil {
		w.next.prev = w
	}
	o.lists[i] = w
	o.some.Store(true)
}

// remove returns false if somebody has taken w.
func (o *others) remove(i uint64, w *Waiter) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !w.listed {
		return false
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		o.lists[i] = w.next
	}
	w.listed, w.prev, w.next = false, nil, nil
	return true
}

func (o *others) take(i uint64) (first *Waiter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	first = o.lists[i]
	for w := first; w != nil; w = w.next {
		w.listed = false
	}
	delete(o.lists, i)
	o.some.Store(len(o.lists) > 0)
	return first
}

// IsPending reports whether there is a task with that ticket that has not ended. It may be called at
// any time.
func (q *Queue[T]) IsPending(ticket uint64) bool {
	seg := q.pendingSegment(ticket)
	return seg != nil && seg.isPending(ticket)
}

// pendingSegment returns the segment of a ticket that was given out, or nil if all of its tasks are
// done. It may not be there yet: then this makes it.
func (q *Queue[T]) pendingSegment(ticket uint64) *segment[T] {
	if ticket >= q.Pushed() {
		return nil
	}
	seg := q.segments.Find(ticket >> segmentBits)
	if seg == nil {
		// One that the head is in is there. One that the head has passed was.
		seg = q.segments.FindOrAdd(ticket>>segmentBits, func() *directory.Segment[segment[T]] {
			if q.head.Load() > ticket>>segmentBits<<segmentBits {
				return nil
			}
			return q.newSegment()
		})
		if seg == nil {
			return nil
		}
	}
	return &seg.Body
}

// isPending reports whether the task of a ticket that was given out has not ended: the claim that is
// next before it does not have it, since no claim has it yet, or has it as not done.
func (g *segment[T]) isPending(ticket uint64) bool {
	i := ticket % segmentSize
	for k := range i + 1 {
		if w := claim(g.slots[i-k].claim.Load()); w.size() > 0 {
			return w.isPending(k)
		}
	}
	return true
}
