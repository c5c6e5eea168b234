package queue

// NewAt is New for a queue whose first ticket is the one given, as if so many items
// had gone through it.
func NewAt[T any](capacity int, ticket uint64) *Queue[T] {
	q := New[T](capacity)
	q.ring.Store(newRing[T](ticket, q.ring.Load().size, nil))
	q.tail.Store(ticket)
	q.head.Store(ticket)
	q.headSeen.Store(ticket)
	return q
}
