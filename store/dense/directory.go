package dense

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
)

// A directory finds segments by their index. Finding takes no lock: a goroutine
// that gets a random old ID must not write to a cache line that all others read.
//
// It is a hash table with open addressing, and not an array indexed by index:
// the array would have to be as long as the highest ID, wherever the IDs begin.
// Here one ID near the top of the range is one entry more.
//
// Invariant: an entry walks from nil to a segment, from there to gone when that
// is removed, and perhaps to another segment and so on. It never becomes nil
// again, so a search that ends at nil has not missed a segment that was there
// when it began. Writers hold mu.
type directory[R any] struct {
	table atomic.Pointer[table[R]] // nil before the first segment; written with mu held; the old one is never written again
	mu    sync.Mutex
}

type table[R any] struct {
	shift   int // entries are found by the upper 64-shift bits of a hash
	entries []atomic.Pointer[segment[R]]

	used int         // entries that are not nil, at most half of all; guarded by directory.mu
	gone *segment[R] // in the place of one that was removed; matches no index
}

// smallest is the length of the first table. Lengths are powers of two.
const smallest = 8

func newTable[R any](length int) *table[R] {
	return &table[R]{
		shift:   64 - bits.TrailingZeros(uint(length)),
		entries: make([]atomic.Pointer[segment[R]], length),
		gone:    &segment[R]{index: math.MaxUint64}, // above each id >> segmentBits
	}
}

// find returns the segment with this index, or nil. It may be retired by the time
// that the caller looks into it.
func (t *table[R]) find(index uint64) *segment[R] {
	for i := t.home(index); ; i++ {
		seg := t.entries[i&uint64(len(t.entries)-1)].Load()
		if seg == nil || seg.index == index {
			return seg
		}
	}
}

// home is where a search begins. Multiplying by 2^64 over the golden ratio
// spreads consecutive numbers about evenly, also those that are consecutive but
// for a power of two: in dense IDs, and in dense IDs of machines that are told
// apart by the upper bits, there are few collisions.
func (t *table[R]) home(index uint64) uint64 {
	return index * 0x9e3779b97f4a7c15 >> t.shift
}

// add is for a segment whose index is not there. directory.mu must be held.
func (t *table[R]) add(seg *segment[R]) {
	for i := t.home(seg.index); ; i++ {
		entry := &t.entries[i&uint64(len(t.entries)-1)]
		switch entry.Load() {
		case nil:
			t.used++
			entry.Store(seg)
			return
		case t.gone:
			entry.Store(seg)
			return
		}
	}
}

// segments returns those that are there, in no order. Without directory.mu those
// that are added or removed meanwhile may or may not be among them.
func (t *table[R]) segments() []*segment[R] {
	var segs []*segment[R]
	for i := range t.entries {
		if seg := t.entries[i].Load(); seg != nil && seg != t.gone {
			segs = append(segs, seg)
		}
	}
	return segs
}

func (d *directory[R]) find(index uint64) *segment[R] {
	t := d.table.Load()
	if t == nil {
		return nil
	}
	return t.find(index)
}

// segments returns those that are there, in no order.
func (d *directory[R]) segments() []*segment[R] {
	t := d.table.Load()
	if t == nil {
		return nil
	}
	return t.segments()
}

// findOrAdd is find, but makes the segment if need be.
func (d *directory[R]) findOrAdd(index uint64) *segment[R] {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.table.Load()
	if t == nil {
		t = newTable[R](smallest)
		d.table.Store(t)
	}
	if seg := t.find(index); seg != nil {
		return seg
	}
	if t.used == len(t.entries)/2 {
		segs := t.segments()
		// Room for as many again, or fewer if most were removed: so each add has
		// paid for a constant number of entries copied, whatever comes and goes.
		length := max(smallest, 1<<bits.Len(uint(3*len(segs))))
		t = newTable[R](length)
		for _, seg := range segs {
			t.add(seg)
		}
		d.table.Store(t)
	}
	// Made with the lock held: the first Puts of a segment come at once, from all
	// workers, and each but one would make it in vain.
	seg := newSegment[R](index)
	t.add(seg)
	return seg
}

// remove forgets a retired segment. It may be called more than once.
func (d *directory[R]) remove(seg *segment[R]) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.table.Load()
	for i := t.home(seg.index); ; i++ {
		entry := &t.entries[i&uint64(len(t.entries)-1)]
		switch entry.Load() {
		case nil:
			return
		case seg:
			entry.Store(t.gone)
			return
		}
	}
}
