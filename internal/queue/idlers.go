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
	_      cacheLinePad
	n      atomic.Int64
	_      cacheLinePad
	coming atomic.Int64 // called to look for a task, and have not looked
	calls  chan call[T]
}

// A call hands a worker a task that was claimed for it, or, if seg is nil, has it look for one.
type call[T any] struct {
	seg  *directory.Segment[segment[T]]
	slot uint64
	item Item[T]
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
		h.comes = true
		return it, None
	}
	h.seg, h.first, h.at, h.holds, h.size = c.seg, c.slot, 0, true, 1
	return c.item, Handed
}

// Call has a worker look for a task, if one is counted. It waits until that one, which is about to
// sleep, does.
func (d *Idlers[T]) Call() bool {
	if !d.Withdraw() {
		return false
	}
	d.callIn()
	return true
}

// callIn has a worker that was taken off the count look for a task.
func (d *Idlers[T]) callIn() {
	d.coming.Add(1)
	d.calls <- call[T]{}
}

// Arrived notes that the worker with that hand has looked for a task, or leaves.
func (d *Idlers[T]) Arrived(h *Hand[T]) {
	if h.comes {
		h.comes = false
		d.coming.Add(-1)
	}
}

// Idle returns how many are counted.
func (d *Idlers[T]) Idle() int { return int(d.n.Load()) }

// Coming returns how many were called and have not looked for a task yet.
func (d *Idlers[T]) Coming() int { return int(d.coming.Load()) }
