package queue

import "sync/atomic"

// Idlers are the workers that sleep, or are about to. Each is counted, and then waits for one call.
//
//	a worker                                          who has something for a worker
//	Announce                                          puts it where workers look
//	looks once more; if there is something, Withdraw  Call: takes one off the count, and owes a call
//	Await
//
// A worker that has announced itself and cannot withdraw was taken off the count by somebody who owes
// a call: so it waits for that. Workers are not told apart: whoever withdraws takes any one off.
type Idlers struct {
	_     cacheLinePad
	n     atomic.Int64
	_     cacheLinePad
	calls chan struct{}
}

// NewIdlers returns those of a pool without workers.
func NewIdlers() *Idlers { return &Idlers{calls: make(chan struct{})} }

// Announce counts the worker that calls it.
func (d *Idlers) Announce() { d.n.Add(1) }

// Withdraw takes a worker off the count, if there is one.
func (d *Idlers) Withdraw() bool {
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

// Await waits for a call.
func (d *Idlers) Await() { <-d.calls }

// Call wakes a worker, if one is counted. It waits until that one, which is about to sleep, does.
func (d *Idlers) Call() bool {
	if !d.Withdraw() {
		return false
	}
	d.calls <- struct{}{}
	return true
}

// Len returns how many are counted.
func (d *Idlers) Len() int { return int(d.n.Load()) }
