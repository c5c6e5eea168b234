package queue

// NewAt is New for a queue whose first ticket is the one given, as if so many tasks had gone through
// it.
func NewAt[T any](capacity int, ticket uint64) *Queue[T] {
	q := New[T](capacity)
	for _, word := range []interface{ Store(uint64) }{&q.tail, &q.headSeen, &q.head, &q.begun} {
		word.Store(ticket)
	}
	seg := q.segmentFor(ticket)
	for i := range ticket % segmentSize { // what is before it in its segment is done
		seg.Body.claims[i].Store(uint64(newClaim(ticket>>segmentBits, 1) | 1))
		seg.Body.done.Add(1)
	}
	return q
}

// BeginPush takes a ticket and returns what publishes the task: a goroutine may lose its processor in
// between.
func (q *Queue[T]) BeginPush(task T) (publish func()) {
	t := q.tail.Add(1) - 1
	return func() { q.publish(t, 1, []T{task}) }
}

// BeginClaim claims n tasks at the head and returns what moves the head.
func (q *Queue[T]) BeginClaim(h *Hand[T], n uint64) (it Item[T], move func()) {
	head := q.head.Load()
	h.seg, h.index, h.first = q.segments.Find(head>>segmentBits), head>>segmentBits, head%segmentSize
	if !h.word().CompareAndSwap(h.word().Load(), uint64(newClaim(h.index, n))) {
		panic("it is claimed")
	}
	h.hold(0)
	return h.take(), func() { q.head.CompareAndSwap(head, head+n) }
}

// SetLimit has the next claim of h be of n tasks, if so many wait.
func (h *Hand[T]) SetLimit(n int) { h.limit, h.size = uint64(n), 0 }

// IsCleared reports whether no slot refers to a task, and no segment is kept but the last one.
func (q *Queue[T]) IsCleared() bool {
	segs := q.segments.Segments()
	for _, seg := range segs {
		for i := range uint64(segmentSize) {
			if any(seg.Body.slots.take(i).Task) != any(*new(T)) {
				return false
			}
		}
	}
	return len(segs) <= 1
}

// Segments returns how many segments there are.
func (q *Queue[T]) Segments() int { return len(q.segments.Segments()) }

// Waiting returns how many goroutines stand in the list of the task with that ticket.
func (q *Queue[T]) Waiting(ticket uint64) (n int) {
	seg := &q.segments.Find(ticket >> segmentBits).Body
	ws, i := seg.waiters.Load(), ticket%segmentSize
	if ws == nil {
		return 0
	}
	if ws.first[i].Load() != nil {
		n++
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := ws.others[i]; w != nil; w = w.next {
		n++
	}
	return n
}
