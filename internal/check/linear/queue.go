// Package linear records what goroutines see of a queue while they use it at once, and
// asks Porcupine whether an order of the operations explains it. For stores, the check
// histories of package storetest does the same.
package linear

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// A step is a step of an operation on a queue.
type step struct {
	kind   kind
	ticket uint64
	task   int
}

type kind string

const (
	take    kind = "a push takes the ticket"
	publish kind = "… and publishes it"
	full    kind = "a push fails"
	pop     kind = "a pop takes the ticket"
	free    kind = "… and frees its slot"
	nothing kind = "a pop fails"
)

// tickets is how many there may be: three goroutines push seven times each.
const tickets = 21

// state is a queue.
type state struct {
	head, tail       uint64
	published, freed uint64 // bit sets of tickets
	tasks            [tickets]int
}

// model is a first-in, first-out line with places for capacity items.
//
// The queue does not promise that each operation happens at one moment. A push takes
// a ticket and then publishes the item, and a pop that comes to that item in between
// finds nothing, even if others are published behind it; a pop takes an item and then
// frees its slot, and a push that needs this slot finds the queue full. So each of
// them is two operations here, with the same beginning and end; and nothing else may
// make a push fail that has room, or a pop that finds an item.
func model(capacity uint64) porcupine.Model {
	slots := uint64(1) << max(1, bits.Len64(capacity-1)) // of the ring
	return porcupine.Model{
		Init: func() any { return state{} },
		Step: func(s, in, _ any) (bool, any) { return s.(state).step(in.(step), capacity, slots) },
	}
}

func (s state) step(c step, capacity, slots uint64) (ok bool, next state) {
	isFull := s.tail-s.head >= capacity || s.tail >= slots && s.freed&(1<<(s.tail-slots)) == 0
	isReady := s.head < s.tail && s.published&(1<<s.head) != 0
	switch c.kind {
	case take:
		ok = c.ticket == s.tail && !isFull
		s.tail++
		s.tasks[c.ticket%tickets] = c.task
	case publish:
		ok = c.ticket < s.tail
		s.published |= 1 << c.ticket
	case full:
		ok = isFull
	case pop:
		ok = isReady && c.ticket == s.head && c.task == s.tasks[c.ticket%tickets]
		s.head++
	case free:
		ok = c.ticket < s.head
		s.freed |= 1 << c.ticket
	case nothing:
		ok = !isReady
	}
	return ok, s
}

// explain returns an error unless there is an order of the operations that the model
// allows.
func explain(model porcupine.Model, ops []porcupine.Operation) error {
	switch porcupine.CheckOperationsTimeout(model, ops, time.Minute) {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return fmt.Errorf("it takes too long to find an order of %d operations", len(ops))
	}
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var text strings.Builder
	for _, op := range ops {
		fmt.Fprintf(&text, "\n%d to %d: %+v", op.Call, op.Return, op.Input)
	}
	return fmt.Errorf("no order of these explains what was seen:%s", text.String())
}
