package linear

import (
	"fmt"
	"math/bits"

	"github.com/anishathalye/porcupine"
)

// queueStep is a step of an operation on a queue.
type queueStep struct {
	kind  queueKind
	first uint64 // ticket, counted from 0
	n     int    // of tickets
	on    bool   // what ShutTail or ShutHead is to do, and whether a push is one of the owner's
	yes   bool   // what IsReady says
}

type queueKind int

const (
	take      queueKind = iota // a push takes tickets
	publish                    // and publishes one of them
	full                       // a push fails
	pop                        // a pop takes an item
	free                       // and frees its slot
	nothing                    // a pop fails
	shutTail                   // ShutTail
	shutHead                   // ShutHead
	mayGrow                    // a push of the owner's has a larger ring made, if it has to
	askReady                   // IsReady
	queueEnds                  // how many kinds there are
)

// queueState is a queue of up to 64 tickets in all.
type queueState struct {
	capacity, size     uint64 // of the queue and of its ring
	base               uint64 // the first ticket of the ring
	head, tail         uint64
	published, freed   uint64 // bit sets of tickets
	headShut, tailShut bool
}

// queueModel is a first-in, first-out line with places for capacity items.
//
// The queue does not promise that each operation happens at one moment. A push takes
// a ticket and then publishes the item, and a pop that comes to that item in between
// finds nothing, also if others are published behind it; a pop takes an item and then
// frees its slot, and a push that needs this slot finds the queue full. So each of
// them is two operations here, with the same beginning and end; and nothing else may
// make a push fail that has room, or a pop that finds an item.
//
// A ring that is smaller than the queue is full before it; PushShut has a larger one
// made then. Whether it did is not seen, so both are possible.
func queueModel(capacity int) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any {
			c := uint64(capacity)
			return []any{queueState{capacity: c, size: slots(min(c, 16))}}
		},
		Step: func(state, input, _ any) []any {
			var next []any
			for _, s := range state.(queueState).step(input.(queueStep)) {
				next = append(next, s)
			}
			return next
		},
		DescribeOperation: func(input, _ any) string { return input.(queueStep).String() },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
	return m.ToModel()
}

// slots is how many slots a ring has that is to have n: a power of two, two at least.
func slots(n uint64) uint64 { return 1 << max(1, bits.Len64(n-1)) }

func (s queueState) step(c queueStep) []queueState {
	ok := false
	switch c.kind {
	case take:
		ok = s.tailShut == c.on && c.first == s.tail && s.room() >= c.n
		s.tail += uint64(c.n)
	case publish:
		ok = c.first < s.tail
		s.published |= 1 << c.first
	case full:
		ok = s.room() == 0 || s.tailShut && !c.on
	case pop:
		ok = !s.headShut && c.first == s.head && s.ready()
		s.head++
	case free:
		ok = c.first < s.head
		s.freed |= 1 << c.first
	case nothing:
		ok = s.headShut || !s.ready()
	case shutTail:
		ok, s.tailShut = true, c.on
	case shutHead:
		ok, s.headShut = true, c.on
	case askReady:
		ok = s.ready() == c.yes
	case mayGrow:
		if s.room() == 0 && s.size < s.capacity {
			grown := s
			grown.size, grown.base = slots(min(2*s.size, s.capacity)), s.tail
			return []queueState{s, grown}
		}
		ok = true
	}
	if !ok {
		return nil
	}
	return []queueState{s}
}

// ready reports whether the first item is published.
func (s queueState) ready() bool { return s.head < s.tail && s.published&(1<<s.head) != 0 }

// room returns how many tickets can be taken: those in the bounds of ring and queue,
// up to the first whose slot is not free.
func (s queueState) room() int {
	limit := min(s.size, s.capacity) - min(s.size, s.capacity, s.tail-s.head)
	for i := range limit {
		if t := s.tail + i; t >= s.base+s.size && s.freed&(1<<(t-s.size)) == 0 {
			return int(i)
		}
	}
	return int(limit)
}

func (c queueStep) String() string {
	switch c.kind {
	case take:
		return fmt.Sprintf("take %d tickets from %d on, with the tail shut: %t", c.n, c.first, c.on)
	case full:
		return fmt.Sprintf("Push -> full, with the tail shut: %t", c.on)
	case shutTail, shutHead:
		return fmt.Sprintf("%s(%t)", c.name(), c.on)
	case askReady:
		return fmt.Sprintf("IsReady -> %t", c.yes)
	default:
		return fmt.Sprintf("%s %d", c.name(), c.first)
	}
}

func (c queueStep) name() string {
	return [queueEnds]string{"take", "publish", "full", "Pop", "free", "Pop -> nothing",
		"ShutTail", "ShutHead", "may grow", "IsReady"}[c.kind]
}
