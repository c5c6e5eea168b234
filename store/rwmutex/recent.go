package rwmutex

import "github.com/resultpool/resultpool/store"

// recent knows of most Puts that they are the first of their ID, so that the map
// need not be asked before it is written to: a pool's IDs increase, but for those
// that several workers put at about the same time. It costs nothing to be wrong
// the other way; the map is asked then.
//
// Invariant: no ID above highest has been put, and of the 64 up to highest
// exactly those whose bit in put is set, whether they have been deleted since or
// not: bit i is that of highest-i. Of others nothing is known.
type recent struct {
	highest store.ID
	put     uint64
}

// first records a Put of id, and reports whether it is surely the first.
func (r *recent) first(id store.ID) bool {
	if id > r.highest {
		r.put = r.put<<(id-r.highest) | 1
		r.highest = id
		return true
	}
	bit := uint64(1) << (r.highest - id) // 0 if that is 64 or more
	first := bit&^r.put != 0
	r.put |= bit
	return first
}
