package queue

import (
	"math/bits"
	"sync/atomic"
)

// firstSize is how many slots the first ring of a queue has at most.
const firstSize = 16

// A ring is the slots of the tickets from base on. When a queue grows it goes on
// in a larger ring, and the tickets that have slots in the old one keep them, so
// nothing is moved.
type ring[T any] struct {
	base  uint64
	size  uint64 // a power of two
	slots []slot[T]
	older *ring[T] // for the tickets before base; all of them together are smaller
}

// A slot holds the item of one ticket after the other, each a ring's size after
// the last. Its turn says what may happen next:
//
//	ticket      whoever takes this ticket writes the item
//	ticket + 1  whoever pops this ticket reads and clears the item
//
// Only they write to the slot, and each ends by setting turn.
type slot[T any] struct {
	turn atomic.Uint64
	item Item[T]
}

// newRing returns a ring for the tickets from base on, of n slots or more. There
// are two at least: with one, "written" would be the same turn as "free for the
// next ticket".
func newRing[T any](base, n uint64, older *ring[T]) *ring[T] {
	size := uint64(1) << max(1, bits.Len64(n-1))
	r := &ring[T]{base: base, size: size, slots: make([]slot[T], size), older: older}
	for i := range size {
		r.slot(base + i).turn.Store(base + i)
	}
	return r
}

func (r *ring[T]) slot(ticket uint64) *slot[T] { return &r.slots[ticket&uint64(len(r.slots)-1)] }

// of returns the ring among r and those before it in which a ticket has its slot.
func (r *ring[T]) of(ticket uint64) *ring[T] {
	for ticket < r.base {
		r = r.older
	}
	return r
}

// free returns how many of the n slots from that of ticket on are free.
func (r *ring[T]) free(ticket, n uint64) uint64 {
	for i := range n {
		if r.slot(ticket+i).turn.Load() != ticket+i {
			return i
		}
	}
	return n
}
