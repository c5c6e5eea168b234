package linear

import (
	"fmt"
	"math/bits"

	"github.com/anishathalye/porcupine"

	"github.com/resultpool/resultpool/pool"
)

// countCall is an operation on a pool as a whole, or a step of one of its tasks.
type countCall struct {
	kind  countKind
	id    uint64     // of a task, up to 63
	n     int        // workers
	stats pool.Stats // what Stats has returned
}

type countKind int

const (
	submitted  countKind = iota // TrySubmit has accepted a task
	refused                     // with ErrQueueFull
	unmanned                    // with ErrNoWorkers
	tooLate                     // with ErrClosed
	started                     // a worker has taken the task from the queue
	succeeded                   // it has succeeded, and is settled
	failed                      // … with an error
	panicked                    // … with a panic
	resized                     // Resize
	looked                      // Stats
	waited                      // Wait, or Stop at its end: nothing is queued or running
	closed                      // Stop at its beginning
	bad                         // an error that there must not be
	countKinds                  // how many there are
)

// countState is a pool of which only numbers are of interest.
type countState struct {
	capacity int
	tail     uint64 // tasks submitted, and the ID of the last
	head     uint64 // tasks taken from the queue
	running  uint64 // a bit set of IDs
	over     [3]uint64
	workers  int
	closed   bool
}

// countModel is a pool as a whole: its queue has room for capacity tasks, a worker
// takes the one with the lowest ID, no more run than there are workers at that
// moment, and Stats tells all of this at one moment.
//
// A task starts between the beginning of its TrySubmit and the first line of the task
// function. When it is settled is not seen: it may be at any time after its result
// was put. So the histories have to be small.
func countModel(capacity, workers int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return countState{capacity: capacity, workers: workers} },
		Step: func(state, input, _ any) (bool, any) {
			return state.(countState).step(input.(countCall))
		},
		DescribeOperation: func(input, _ any) string { return input.(countCall).String() },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
}

func (s countState) step(c countCall) (bool, countState) {
	queued := int(s.tail - s.head)
	is := bits.OnesCount64(s.running)
	open := !s.closed && s.workers > 0
	switch c.kind {
	case submitted:
		ok := open && queued < s.capacity && c.id == s.tail+1
		s.tail++
		return ok, s
	case refused:
		return open && queued == s.capacity, s
	case unmanned:
		return !s.closed && s.workers == 0, s
	case tooLate:
		return s.closed, s
	case started:
		ok := queued > 0 && c.id == s.head+1 && is < s.workers
		s.head++
		s.running |= 1 << c.id
		return ok, s
	case succeeded, failed, panicked:
		ok := s.running&(1<<c.id) != 0
		s.running &^= 1 << c.id
		s.over[c.kind-succeeded]++
		return ok, s
	case resized:
		s.workers = c.n
		return true, s
	case looked:
		return c.stats == pool.Stats{
			Submitted: s.tail, Queued: uint64(queued), Running: uint64(is), Workers: s.workers,
			Succeeded: s.over[0], Failed: s.over[1], Panicked: s.over[2],
		}, s
	case waited:
		return queued == 0 && is == 0, s
	case closed:
		s.closed = true
		return true, s
	default:
		return false, s
	}
}

func (c countCall) String() string {
	name := [countKinds]string{"TrySubmit", "TrySubmit -> full", "TrySubmit -> no workers", "TrySubmit -> closed",
		"start", "success", "failure", "panic", "Resize", "Stats", "Wait", "Stop begins", "wrong error"}[c.kind]
	switch c.kind {
	case looked:
		return fmt.Sprintf("%s -> %+v", name, c.stats)
	case resized:
		return fmt.Sprintf("%s(%d)", name, c.n)
	default:
		return fmt.Sprintf("%s %d", name, c.id)
	}
}
