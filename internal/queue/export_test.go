package queue

// IsCleared reports whether no unused slot refers to a task.
func (q *Queue[T]) IsCleared() bool {
	for _, it := range q.ring {
		if any(it.Task) != any(*new(T)) {
			return false
		}
	}
	return true
}
