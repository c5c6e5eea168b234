package queue

// Running returns the tickets of the tasks that have begun and not ended, in no order. It is the owner's,
// between Freeze and Thaw.
func (q *Queue[T]) Running() (tickets []uint64) {
	head := q.head.Load()
	for _, seg := range q.segments.Segments() {
		first := seg.Index() << segmentBits
		for i := uint64(0); i < segmentSize && first+i < head; {
			w := claim(seg.Body.claims[i].Load())
			if !w.isOf(seg.Index()) {
				break // all of its tasks have ended meanwhile
			}
			for k := range w.begun() {
				if w.isPending(k) {
					tickets = append(tickets, first+i+k)
				}
			}
			i += w.size()
		}
	}
	return tickets
}

// FirstWaiting returns the lowest ticket of a task that nobody has begun and that is not to be skipped, of those that
// Freeze has counted as pushed. It is the owner's, between Freeze and Thaw.
func (q *Queue[T]) FirstWaiting(pushed uint64, skip func(t uint64) bool) (ticket uint64, found bool) {
	head := q.head.Load()
	for t := q.begun.Load(); t < pushed; {
		if t >= head {
			if !skip(t) {
				return t, true
			}
			t++
			continue
		}
		seg := q.segments.Find(t >> segmentBits)
		if seg == nil { // all of its tasks are done
			t = (t>>segmentBits + 1) << segmentBits
			continue
		}
		w := claim(seg.Body.claims[t%segmentSize].Load())
		for k := w.begun(); k < w.size(); k++ {
			if !skip(t + k) {
				return t + k, true
			}
		}
		t += w.size()
	}
	return 0, false
}

// IDAt returns the ID of a task that has not ended and was put into the queue by PushShut. It is the
// owner's, with its lock held.
func (q *Queue[T]) IDAt(t uint64) uint64 {
	return q.segments.Find(t >> segmentBits).Body.slots.ids[t%segmentSize]
}

// TicketOf returns the ticket of the task with that ID that has not ended, if all were put into the queue
// by PushShut. It is the owner's, with its lock held.
func (q *Queue[T]) TicketOf(id uint64) (ticket uint64, found bool) {
	pushed := q.Pushed()
	for _, seg := range q.segments.Segments() {
		first := seg.Index() << segmentBits
		for i := uint64(0); i < segmentSize && first+i < pushed; i++ {
			if seg.Body.slots.ids[i] == id && isPending(seg, first+i) {
				return first + i, true
			}
		}
	}
	return 0, false
}
