package queue

import "github.com/resultpool/resultpool/internal/directory"

// A Waiter is a goroutine that waits until a task has ended. It stands in the list of the task's slot
// until somebody takes it off: whoever ends the task, who then tells it, or the goroutine itself, if it
// gives up. It is used again for other tasks.
type Waiter struct {
	told       chan struct{} // has room for one: to tell never blocks
	listed     bool          // this and the links are guarded by the segment's waiting
	prev, next *Waiter
}

// Tell has w go on, and all behind it in the list that has been taken off. It may be nil.
func (w *Waiter) Tell() {
	for w != nil {
		next := w.next // w is not ours once it is told
		w.told <- struct{}{}
		w = next
	}
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

	s := &seg.slots[ticket%segmentSize]
	seg.enlist(s, w)
	if seg.isPending(ticket) {
		select {
		case <-w.told:
			return true
		case <-giveUp:
		}
	}
	if !seg.withdraw(s, w) {
		<-w.told
		return true
	}
	return !seg.isPending(ticket)
}

func (g *segment[T]) enlist(s *slot[T], w *Waiter) {
	g.waiting.Lock()
	defer g.waiting.Unlock()
	w.listed, w.prev, w.next = true, nil, s.waiters.Load()
	if w.next != nil {
		w.next.prev = w
	}
	s.waiters.Store(w)
}

// withdraw takes w off the list. It returns false if somebody has taken it off who tells it.
func (g *segment[T]) withdraw(s *slot[T], w *Waiter) bool {
	g.waiting.Lock()
	defer g.waiting.Unlock()
	if !w.listed {
		return false
	}
	w.listed = false
	if w.next != nil {
		w.next.prev = w.prev
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		s.waiters.Store(w.next)
	}
	return true
}

// takeOff takes those who wait for a task that has ended off its list. The caller is to tell them.
func (g *segment[T]) takeOff(s *slot[T]) (first *Waiter) {
	if s.waiters.Load() == nil {
		return nil
	}
	g.waiting.Lock()
	defer g.waiting.Unlock()
	first = s.waiters.Load()
	s.waiters.Store(nil)
	for w := first; w != nil; w = w.next {
		w.listed = false
	}
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
