// Package deal hands out the numbers from 0 to n-1 to workers, each number once.
//
// They are dealt in blocks, so that workers share nothing for most numbers. But a block does
// not belong to the worker that it was dealt to: once all blocks are dealt, a worker that has
// nothing left takes numbers from the hands of the others. So no number waits behind another
// one that takes long while a worker is idle.
package deal

import (
	"iter"
	"math"
	"sync"
	"sync/atomic"
)

// largestBlock is how many numbers are dealt at once if there are many: enough for dealing to
// cost nothing beside the most trivial work.
const largestBlock = 1024

// A Dealer hands out the numbers below n. Its methods may be called from any goroutine.
type Dealer struct {
	n     int
	block int // the size of a block

	// first is the first hand that may have numbers left. It moves once all blocks are dealt.
	first atomic.Pointer[Hand]

	mu    sync.Mutex
	dealt int   // blocks that are dealt; guarded by mu
	last  *Hand // the end of the list that begins at first; guarded by mu
}

// A Hand is what a worker was dealt: a block, and how many of its numbers are taken. The zero
// Hand is empty. A worker that looks for numbers in the hands of others has held mu before, to
// see that all blocks are dealt, and so it sees every hand.
type Hand struct {
	state  atomic.Uint64 // block<<32 | taken, which may pass the size of the block
	next   *Hand         // guarded by Dealer.mu; does not change once all blocks are dealt
	listed bool          // it has been dealt a block, and is in the list; its worker's
	_      [104]byte     // the state changes with each number: a cache line of its own
}

// New returns a dealer of the numbers below n for so many workers.
func New(n, workers int) *Dealer {
	block := min(largestBlock, n/max(1, workers)/8)
	return &Dealer{
		n:     n,
		block: max(block, int(uint64(n)>>32)+1), // the number of a block has 32 bits
	}
}

// Hands yields the hands in which a worker finds numbers, for as long as there may be any: its
// own, again for each block that it is dealt, and then those of the others. The body takes
// numbers with Take until there are none. A loop that has ended early may be begun again.
func (d *Dealer) Hands(own *Hand) iter.Seq[*Hand] {
	return func(yield func(*Hand) bool) {
		if own.listed && !yield(own) {
			return
		}
		for d.deal(own) {
			if !yield(own) {
				return
			}
		}
		for h := d.first.Load(); h != nil; h = d.first.Load() {
			if !yield(h) {
				return
			}
			d.first.CompareAndSwap(h, h.next)
		}
	}
}

// Take takes a number from a hand, if there is one left.
func (d *Dealer) Take(h *Hand) (i int, ok bool) {
	state := h.state.Add(1) - 1
	block, taken := int(state>>32), int(state&math.MaxUint32)
	i = block*d.block + taken
	return i, taken < d.block && i < d.n
}

// deal gives a worker another block, if there is one.
func (d *Dealer) deal(h *Hand) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dealt*d.block >= d.n {
		return false
	}
	h.state.Store(uint64(d.dealt) << 32)
	d.dealt++
	if h.listed {
		return true
	}
	h.listed = true
	if d.last == nil {
		d.first.Store(h)
	} else {
		d.last.next = h
	}
	d.last = h
	return true
}
