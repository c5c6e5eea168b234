package queue

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
