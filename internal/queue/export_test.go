package queue

import "sync/atomic"

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

// BeginPush takes a ticket and returns what publishes the item.
func (q *Queue[T]) BeginPush(task T) (publish func()) {
	t := q.tail.Add(1) - 1
	s := q.ring.Load().of(t).slot(t)
	return func() {
		s.item = Item[T]{t + 1, task}
		s.turn.Store(t + 1)
	}
}

// BeginPop takes the item at the front, which must be published, and returns what
// empties its slot.
func (q *Queue[T]) BeginPop(mark *atomic.Uint64) (empty func()) {
	h := q.head.Add(1) - 1
	r := q.ring.Load().of(h)
	s := r.slot(h)
	return func() {
		s.item = Item[T]{}
		mark.Store(h + 1)
		s.turn.Store(h + r.size)
	}
}

// IsCleared reports whether no slot refers to a task.
func (q *Queue[T]) IsCleared() bool {
	for r := q.ring.Load(); r != nil; r = r.older {
		for i := range r.slots {
			if any(r.slots[i].item.Task) != any(*new(T)) {
				return false
			}
		}
	}
	return true
}
