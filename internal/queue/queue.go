// Package queue is the bounded first-in, first-out line of tasks that wait for a
// worker. It knows neither pool nor store.
package queue

import (
	"fmt"
	"sync/atomic"
)

// A Queue holds up to a fixed number of items in a ring of slots, each of which
// says whose turn it is: D. Vyukov's bounded queue for many producers and many
// consumers (1024cores.net, "Bounded MPMC queue").
//
// Every item has a ticket, its place in the order of all items ever pushed,
// counted from 0. The tail is the next ticket to be given to an item, the head
// the next to be popped. One compare-and-swap of the tail takes a ticket; then
// the item is written to the ticket's slot and published there. One
// compare-and-swap of the head takes a published item; then it is read, and its
// slot is free. Nobody waits for anybody: a Pop that meets a Push between its
// steps finds the queue empty, also if more is published behind it, and a Push
// that meets a Pop so, a ring's size later, finds it full.
//
// A Queue has an owner, who keeps the rest of what it knows of the items under a
// lock. The owner can shut either end. That happens at once: no Push is under way
// afterwards that could still take a ticket, and no Pop. So the owner, with its
// lock held and an end shut, has that end for itself, and fast operations at both
// ends need no lock as long as they are open.
//
// The methods say who may call them and when.
type Queue[T any] struct {
	capacity uint64

	// ring is that of the next ticket. The owner changes it, with the tail shut; see grow.
	ring atomic.Pointer[ring[T]]

	// dropped is the first ticket that Drop has passed over, or never. It is the owner's.
	dropped uint64

	// What follows is written for each item, the tail by those who push and the
	// head by those who pop. They must not share a cache line with each other
	// or with what is only read.
	_    cacheLinePad
	tail atomic.Uint64 // with the bit shut
	// headSeen is the head as of some time ago. Those who push read it in place of the head, whose
	// cache line the workers write to for each task.
	headSeen atomic.Uint64
	_        cacheLinePad
	head     atomic.Uint64 // with the bit shut
	_        cacheLinePad
}

// cacheLinePad keeps what is before and after it out of one cache line, also of
// processors that fetch two at a time.
type cacheLinePad [128]byte

// shut is the bit of the tail and of the head that makes each compare-and-swap of
// Push and of Pop fail.
const shut = 1 << 63

// never is a ticket that is not reached.
const never = shut - 1

// An Item is one waiting task.
type Item[T any] struct {
	ID   uint64
	Task T
}

// New returns an empty queue for up to capacity items, at least one. Memory is
// taken as it fills.
func New[T any](capacity int) *Queue[T] {
	if capacity < 1 {
		panic(fmt.Sprintf("queue: capacity is %d, want 1 or more", capacity))
	}
	q := &Queue[T]{capacity: uint64(capacity), dropped: never}
	q.ring.Store(newRing[T](0, min(q.capacity, firstSize), nil))
	return q
}

// Push adds a task at the back and returns its ID. It fails if there is no room in
// the present ring, if the tail is shut, or if the next ticket has no ID in ids.
// It may be called from any goroutine at any time.
func (q *Queue[T]) Push(ids Range, task T) (id uint64, ok bool) {
	for {
		t := q.tail.Load()
		if t >= ids.End { // which also holds if it is shut
			return 0, false
		}
		r := q.ring.Load()
		s := r.slot(t)
		if q.room(r, t, 1) < 1 || s.turn.Load() != t {
			if q.tail.Load() != t {
				continue
			}
			return 0, false
		}
		if !q.tail.CompareAndSwap(t, t+1) {
			continue
		}
		id := t + ids.Offset
		s.item = Item[T]{id, task}
		s.turn.Store(t + 1)
		return id, true
	}
}

// PushAll is Push for as many of tasks, from the first, as there is room and are
// IDs for. It returns the ID of the first and how many they are; the IDs are
// consecutive.
func (q *Queue[T]) PushAll(ids Range, tasks []T) (first uint64, n int) {
	return q.pushAll(0, ids, tasks)
}

// PushShut is PushAll for the owner, who has shut the tail and holds its lock. It
// takes more memory if that makes room.
func (q *Queue[T]) PushShut(ids Range, tasks []T) (first uint64, n int) {
	first, n = q.pushAll(shut, ids, tasks)
	if n == 0 && len(tasks) > 0 && q.Pushed() < ids.End && q.grow() {
		return q.pushAll(shut, ids, tasks)
	}
	return first, n
}

// pushAll does so if the tail's bit is as expected.
func (q *Queue[T]) pushAll(bit uint64, ids Range, tasks []T) (first uint64, n int) {
	for {
		tail := q.tail.Load()
		t := tail &^ shut
		if tail&shut != bit || t >= ids.End {
			return 0, 0
		}
		r := q.ring.Load()
		want := min(uint64(len(tasks)), ids.End-t)
		n := r.free(t, min(want, uint64(max(0, q.room(r, t, want)))))
		if n == 0 {
			if q.tail.Load() != tail {
				continue
			}
			return 0, 0
		}
		if !q.tail.CompareAndSwap(tail, tail+n) {
			continue
		}
		for i := range n {
			s := r.slot(t + i)
			s.item = Item[T]{t + i + ids.Offset, tasks[i]}
			s.turn.Store(t + i + 1)
		}
		return t + ids.Offset, int(n)
	}
}

// room returns how many tickets from t on are within the bounds of r and of the
// queue: exactly if that is less than want, and otherwise perhaps too few, but
// not less than want. It is meaningless, and may be negative, unless the tail is t.
func (q *Queue[T]) room(r *ring[T], t, want uint64) int64 {
	limit := int64(min(r.size, q.capacity))
	room := limit - int64(t-q.headSeen.Load())
	if room < int64(want) {
		h := q.head.Load() &^ shut
		q.headSeen.Store(h)
		room = limit - int64(t-h)
	}
	return room
}

// Pop removes the item at the front, if there is one that is published and the
// head is not shut. It may be called from any goroutine at any time.
//
// Mark is set to the item's ticket + 1 in a moment at which IsWaiting is true for
// it: whoever finds that it does not wait any more and looks at the mark then
// sees that, or what the mark was set to after.
func (q *Queue[T]) Pop(mark *atomic.Uint64) (it Item[T], ok bool) {
	for {
		h := q.head.Load()
		if h&shut != 0 {
			return it, false
		}
		r := q.ring.Load().of(h)
		s := r.slot(h)
		if s.turn.Load() != h+1 {
			if q.head.Load() != h {
				continue
			}
			return it, false
		}
		if !q.head.CompareAndSwap(h, h+1) {
			continue
		}
		it = s.item
		s.item = Item[T]{} // the queue must not keep a task reachable
		mark.Store(h + 1)
		s.turn.Store(h + r.size)
		return it, true
	}
}

// IsReady reports whether a Pop would succeed if the head was not shut.
func (q *Queue[T]) IsReady() bool {
	for {
		h := q.Popped()
		if q.ring.Load().of(h).slot(h).turn.Load() == h+1 {
			return true
		}
		if q.Popped() == h { // if not, that was the slot of an item that is gone
			return false
		}
	}
}

// ShutTail shuts or opens the tail. It is the owner's, with its lock held.
func (q *Queue[T]) ShutTail(on bool) { setShut(&q.tail, on) }

// ShutHead shuts or opens the head. It is the owner's, with its lock held.
func (q *Queue[T]) ShutHead(on bool) { setShut(&q.head, on) }

func setShut(end *atomic.Uint64, on bool) {
	switch is := end.Load()&shut != 0; {
	case on && !is:
		end.Or(shut)
	case !on && is:
		end.And(^uint64(shut))
	}
}

// Pushed returns how many items have been pushed so far, or the next ticket.
func (q *Queue[T]) Pushed() uint64 { return q.tail.Load() &^ shut }

// Popped returns how many items have been popped or dropped so far.
func (q *Queue[T]) Popped() uint64 { return q.head.Load() &^ shut }

// Len returns how many items wait. It is exact if one end is shut, and otherwise
// never too low.
func (q *Queue[T]) Len() int {
	h := q.Popped() // first: the tail is never behind it
	return int(q.Pushed() - h)
}

// Cap returns for how many items there is room in all.
func (q *Queue[T]) Cap() int { return int(q.capacity) }

// RoomAfter returns how many items have to be popped, of all that have been pushed
// so far, until there is room for n more. The tail is shut.
func (q *Queue[T]) RoomAfter(n int) (popped uint64) {
	t := q.Pushed() + uint64(n)
	return t - min(t, q.capacity)
}

// IsFree reports whether the slot of the next ticket is free: if not, it is that
// of an item that waits or is being popped. The tail is shut.
func (q *Queue[T]) IsFree() bool {
	t := q.Pushed()
	return q.ring.Load().slot(t).turn.Load() == t
}

// IsWaiting reports whether the item with that ticket, which must have been
// pushed, is in the queue or being popped. It is the owner's, with its lock held.
func (q *Queue[T]) IsWaiting(ticket uint64) bool {
	switch {
	case ticket >= q.Popped():
		return true
	case ticket >= q.dropped:
		return false
	default:
		return q.ring.Load().of(ticket).slot(ticket).turn.Load() == ticket+1
	}
}

// Drop removes n items from the front, published or not. It is the owner's, who
// has shut both ends for good and holds its lock. Who publishes an item after it
// was dropped has to see to it that Sweep is called.
func (q *Queue[T]) Drop(n int) {
	h := q.Popped()
	if q.dropped == never {
		q.dropped = h
	}
	q.head.Store((h + uint64(n)) | shut)
	q.forget(h)
}

// Sweep forgets the tasks that were dropped, as far as they are published. It is
// the owner's, with its lock held.
func (q *Queue[T]) Sweep() { q.forget(q.dropped) }

// forget does so for those from ticket t on.
func (q *Queue[T]) forget(t uint64) {
	for ; t < q.Popped(); t++ {
		if s := q.ring.Load().of(t).slot(t); s.turn.Load() == t+1 {
			s.item = Item[T]{}
		}
	}
}

// grow makes a larger ring for the tickets to come, if that is allowed and makes
// room: if the present one is full, or the next slot is still being emptied.
func (q *Queue[T]) grow() bool {
	r := q.ring.Load()
	if r.size >= q.capacity || q.room(r, q.Pushed(), 1) >= 1 && q.IsFree() {
		return false
	}
	q.ring.Store(newRing(q.Pushed(), min(2*r.size, q.capacity), r))
	return true
}
