package queue

import "github.com/resultpool/resultpool/internal/directory"

// A Waiter is what goroutines of users wait for until somebody tells them to go on. All who wait for
// one task share one. It stays in the slot of the task, also if all have given up.
type Waiter struct{ told chan struct{} }

// NewWaiter returns one that is not told.
func NewWaiter() *Waiter { return &Waiter{make(chan struct{})} }

// Tell has those who wait go on. It is called once, by whoever has ended the task.
func (w *Waiter) Tell() { close(w.told) }

// Told is closed by Tell.
func (w *Waiter) Told() <-chan struct{} { return w.told }

// Await returns what to wait for until the task with that ticket has ended, or nil if that is over
// already, or there is none. It may be called at any time.
//
// The waiter comes first and the look at the task second, and with who ends a task it is the other way
// round: so at least one sees the other.
func (q *Queue[T]) Await(ticket uint64) *Waiter {
	seg := q.pendingSegment(ticket)
	if seg == nil || !seg.isPending(ticket) {
		return nil
	}
	s := &seg.slots[ticket%segmentSize]
	w := s.waiter.Load()
	if w == nil {
		w = NewWaiter()
		if !s.waiter.CompareAndSwap(nil, w) {
			w = s.waiter.Load()
		}
	}
	if !seg.isPending(ticket) {
		return nil
	}
	return w
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
