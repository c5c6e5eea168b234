// Package directory finds segments by their index, without a lock. Store dense keeps its results in
// segments, and the queue its tasks.
package directory

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
)

// A Directory has the segments that are in use, each under its index. Finding one takes no lock: a
// goroutine that looks for a random old segment must not write to a cache line that all others read.
//
// It is a hash table with open addressing, and not an array indexed by index: the array would have
// to be as long as the highest index, wherever the indices begin. Here one index near the top of the
// range is one entry more.
//
// Invariant: an entry walks from nil to a segment, from there to gone when that is removed, and
// perhaps to another segment and so on. It never becomes nil again, so a search that ends at nil has
// not missed a segment that was there when it began. Writers hold mu.
//
// The zero Directory is empty. All methods may be called from any number of goroutines at once.
type Directory[S any] struct {
	table atomic.Pointer[table[S]] // nil before the first segment; written with mu held; the old one is never written again
	mu    sync.Mutex
}

// A Segment is what is found. One that was removed may be added again, under another index. So whoever
// has found a segment, and has no other reason to believe that it is still there, looks at its index
// after it has looked at what it has found.
type Segment[S any] struct {
	index atomic.Uint64
	Body  S
}

// Index returns the index under which the segment was added last, or Max while it is being added.
func (s *Segment[S]) Index() uint64 { return s.index.Load() }

type table[S any] struct {
	shift   int // entries are found by the upper 64-shift bits of a hash
	entries []atomic.Pointer[Segment[S]]

	used, live int         // entries that are not nil, at most half of all, and those with a segment; guarded by Directory.mu
	gone       *Segment[S] // in the place of one that was removed; matches no index
}

const (
	// smallest is the length of the first table. Lengths are powers of two.
	smallest = 8

	// Max is above each index.
	Max = math.MaxUint64
)

func newTable[S any](length int, gone *Segment[S]) *table[S] {
	return &table[S]{
		shift:   64 - bits.TrailingZeros(uint(length)),
		entries: make([]atomic.Pointer[Segment[S]], length),
		gone:    gone,
	}
}

// find returns the segment with this index, or nil. It may be removed by the time that the caller
// looks into it.
func (t *table[S]) find(index uint64) *Segment[S] {
	for i := t.home(index); ; i++ {
		seg := t.entries[i&uint64(len(t.entries)-1)].Load()
		if seg == nil || seg.Index() == index {
			return seg
		}
	}
}

// home is where a search begins. Multiplying by 2^64 over the golden ratio spreads consecutive
// numbers about evenly, also those that are consecutive but for a power of two: in dense IDs, and in
// dense IDs of machines that are told apart by the upper bits, there are few collisions.
func (t *table[S]) home(index uint64) uint64 { return index * 0x9e3779b97f4a7c15 >> t.shift }

// add is for a segment that is not there, under an index that is not there. Directory.mu must be held.
func (t *table[S]) add(seg *Segment[S], index uint64) {
	t.live++
	for i := t.home(index); ; i++ {
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

// segments returns those that are there, in no order. Without Directory.mu those that are added or
// removed meanwhile may or may not be among them.
func (t *table[S]) segments() []*Segment[S] {
	var segs []*Segment[S]
	for i := range t.entries {
		if seg := t.entries[i].Load(); seg != nil && seg.Index() != Max {
			segs = append(segs, seg)
		}
	}
	return segs
}

// Find returns the segment with this index, or nil. Nothing has Max.
func (d *Directory[S]) Find(index uint64) *Segment[S] {
	t := d.table.Load()
	if t == nil || index == Max {
		return nil
	}
	return t.find(index)
}

// Segments returns those that are there, in no order.
func (d *Directory[S]) Segments() []*Segment[S] {
	t := d.table.Load()
	if t == nil {
		return nil
	}
	return t.segments()
}

// FindOrAdd is Find, but adds what fresh returns if need be: it is called with the directory's lock
// held, and may return nil to refuse.
//
// The lock is held, since those who need a new segment come at once, and each but one would make it
// in vain.
func (d *Directory[S]) FindOrAdd(index uint64, fresh func(index uint64) *Segment[S]) *Segment[S] {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.table.Load()
	if t == nil {
		gone := new(Segment[S])
		gone.index.Store(Max)
		t = newTable(smallest, gone)
		d.table.Store(t)
	}
	if seg := t.find(index); seg != nil {
		return seg
	}
	seg := fresh(index)
	if seg == nil {
		return nil
	}
	seg.index.Store(Max) // until it is in its place: who kept it when it was removed sees no index that is not found
	if t.used == len(t.entries)/2 {
		t = d.rebuild(t)
	}
	t.add(seg, index)
	seg.index.Store(index)
	return seg
}

// rebuild has another table with room for as many segments again, or fewer if most were removed: so
// each add has paid for a constant number of entries copied, whatever comes and goes.
func (d *Directory[S]) rebuild(old *table[S]) *table[S] {
	t := newTable(max(smallest, 1<<bits.Len(uint(3*old.live))), old.gone)
	for _, seg := range old.segments() {
		t.add(seg, seg.Index())
	}
	d.table.Store(t)
	return t
}

// Remove forgets a segment. It may be called more than once, unless the segment is added again. If then is
// not nil, it is called with the directory's lock held.
func (d *Directory[S]) Remove(seg *Segment[S], then func(*Segment[S])) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.table.Load()
	for i := t.home(seg.Index()); ; i++ {
		entry := &t.entries[i&uint64(len(t.entries)-1)]
		switch entry.Load() {
		case nil:
			return
		case seg:
			entry.Store(t.gone)
			if t.live--; len(t.entries) > smallest && t.live < len(t.entries)/16 {
				d.rebuild(t) // it has been much larger
			}
			if then != nil {
				then(seg)
			}
			return
		}
	}
}
