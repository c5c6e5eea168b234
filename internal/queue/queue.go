// Package queue is the bounded first-in, first-out line of tasks that wait for a
// worker. It knows neither pool nor store.
package queue

import (
	"fmt"
	"sort"
)

// An Item is one waiting task.
type Item[T any] struct {
	ID   uint64
	Task T
}

// A Queue holds up to a fixed number of items in a ring. Their IDs increase from
// the front to the back.
//
// It is not safe for concurrent use: its owner's lock guards it. (A lock of its
// own would be taken beside the owner's, for a counter that has to change at the
// same moment as the queue; a channel could not be looked through, nor closed
// while others send.)
type Queue[T any] struct {
	ring     []Item[T] // grows up to capacity; no slot but the n from front is used
	front    int
	n        int
	capacity int
}

// New returns an empty queue for up to capacity items, at least one. Memory is
// taken as it fills.
func New[T any](capacity int) *Queue[T] {
	if capacity < 1 {
		panic(fmt.Sprintf("queue: capacity is %d, want 1 or more", capacity))
	}
	return &Queue[T]{capacity: capacity}
}

// Len returns how many items wait.
func (q *Queue[T]) Len() int { return q.n }

// Full reports whether there is no room for one more.
func (q *Queue[T]) Full() bool { return q.n == q.capacity }

// Push adds an item at the back. There must be room, and the ID must be above
// those of the items that wait.
func (q *Queue[T]) Push(it Item[T]) {
	if q.n == len(q.ring) {
		q.grow()
	}
	q.ring[q.index(q.n)] = it
	q.n++
}

// Pop removes the item at the front. There must be one.
func (q *Queue[T]) Pop() Item[T] {
	if q.n == 0 {
		panic("queue: Pop of an empty queue")
	}
	it := q.ring[q.front]
	q.ring[q.front] = Item[T]{} // the queue must not keep a task reachable
	q.front = q.index(1)
	q.n--
	return it
}

// At returns the ID of the i-th item from the front, counted from 0.
func (q *Queue[T]) At(i int) uint64 { return q.ring[q.index(i)].ID }

// Contains reports whether an item with that ID waits.
func (q *Queue[T]) Contains(id uint64) bool {
	i := sort.Search(q.n, func(i int) bool { return q.At(i) >= id })
	return i < q.n && q.At(i) == id
}

// index turns a distance from the front into a place in the ring.
func (q *Queue[T]) index(i int) int {
	i += q.front
	if i >= len(q.ring) {
		i -= len(q.ring)
	}
	return i
}

func (q *Queue[T]) grow() {
	if q.n == q.capacity {
		panic("queue: Push to a full queue")
	}
	size := min(max(16, 2*len(q.ring)), q.capacity)
	ring := make([]Item[T], size)
	k := copy(ring, q.ring[q.front:])
	copy(ring[k:], q.ring[:q.front])
	q.ring, q.front = ring, 0
}
