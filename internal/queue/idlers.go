package queue

import (
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/directory"
)

// Idlers are the workers that sleep, or are about to. Each is counted, and then waits for one call.
//
//	a worker                                          who has something for a worker
//	Announce                                          puts it where workers look
//	looks once more; if there is something, Withdraw  Call: takes one off the count, and owes a call
//	Sleep
//
// A worker that has announced itself and cannot withdraw was taken off the count by somebody who owes
// a call: so it waits for that. Workers are not told apart: whoever withdraws takes any one off.
type Idlers[T any] struct {
	_     cacheLinePad
	n     atomic.Int64
	_     cacheLinePad
	calls chan call[T]
}

// A call hands a worker a task that was claimed for it, and is in its slot, or, if seg is nil, has it look for
// one. (The task itself in the call would take its slot out of the way, but a channel takes no elements of 64
// KiB or more: such a T would not compile.)
type call[T any] struct {
	seg              *directory.Segment[segment[T]]
	index, first, at uint64
}

func newIdlers[T any]() *Idlers[T] { return &Idlers[T]{calls: make(chan call[T])} }

// Announce counts the worker that calls it.
func (d *Idlers[T]) Announce() { d.n.Add(1) }

// Withdraw takes a worker off the count, if there is one.
func (d *Idlers[T]) Withdraw() bool {
	for {
		n := d.n.Load()
		if n == 0 {
			return false
		}
		if d.n.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// Sleep waits for a call. If that hands over a task, h, which holds none, holds it.
func (d *Idlers[T]) Sleep(h *Hand[T]) (it Item[T], found Found) {
	c := <-d.calls
	if c.seg == nil {
		return it, None
	}
	h.seg, h.index, h.first, h.at, h.holds, h.size = c.seg, c.index, c.first, c.at, true, 0
	h.given = true
	return h.take(), Handed
}

// Call wakes a worker, if one is counted, for any reason but a task. It waits until that one, which is
// about to sleep, does.
func (d *Idlers[T]) Call() bool {
	if !d.Withdraw() {
		return false
	}
	d.calls <- call[T]{}
	return true
}

// Idle returns how many are counted.
func (d *Idlers[T]) Idle() int { return int(d.n.Load()) }
