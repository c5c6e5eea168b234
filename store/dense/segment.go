package dense

import (
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/resultpool/resultpool/internal/directory"
	"github.com/resultpool/resultpool/store"
)

// A segment has maxSize slots if their values take no more than maxBytes, and otherwise as many as do, or
// one: the first result must not take the memory of a thousand large ones.
const (
	maxSize  = 1 << 10
	maxBytes = 64 << 10
)

// sizeFor returns how many slots a segment has. For each R that is a constant, which the compiler finds,
// and a power of two for small R.
func sizeFor[R any]() uint64 {
	bytes := uint64(unsafe.Sizeof(*new(R)))
	if bytes <= maxBytes/maxSize {
		return maxSize
	}
	return max(1, maxBytes/bytes)
}

// lowest returns the ID of the first slot of the first segment: 0, or, if there is one slot for each segment, 1.
// Otherwise the last ID would have directory.Max for its index, which is none.
func lowest[R any]() store.ID {
	if sizeFor[R]() == 1 {
		return 1
	}
	return 0
}

// indexOf returns the index of an ID's segment, offset the place of its slot, and firstOf the ID of the first
// slot.
func indexOf[R any](id store.ID) uint64    { return uint64(id-lowest[R]()) / sizeFor[R]() }
func offset[R any](id store.ID) uint64     { return uint64(id-lowest[R]()) % sizeFor[R]() }
func firstOf[R any](index uint64) store.ID { return store.ID(index*sizeFor[R]()) + lowest[R]() }

// A segment holds the results of segmentSize consecutive IDs.
//
// Each slot walks one way: empty, writing, held or failed, deleted. So a Get that
// has seen one of the middle two may read the slot's result for as long as it
// likes: nobody writes it again. A result that is put once more under a deleted
// ID goes into again instead. (Clearing a deleted slot and using it twice would
// need a lock, or a count of readers, on every Get.)
//
// A segment is retired once all of its slots are deleted and again is empty. It
// takes no results from then on, so the store can forget it and start a new one
// for the same IDs without a Put being lost in the old one.
type segment[R any] struct {
	// What a Put or Get looks at. It does not change, but that errs is set once.
	slots slots[R]
	errs  atomic.Pointer[[]error] // set with mu held, before the first slot has failed

	// What a Delete changes, in another cache line: a reader that deletes as it
	// goes does not take the one above from those that put.
	_       [64]byte
	deleted atomic.Int32 // how many slots are deleted; it only grows
	mu      sync.Mutex
	again   map[store.ID]store.Result[R] // guarded by mu; nil until needed
	retired bool                         // guarded by mu; never unset
}

// slots have no room for errors: that would be half of it for most R, and two
// pointers for the collector to look at, where there may be none in R. An error
// is in errs, under the slot's number, which the few segments that need it have.
//
// Both value and the error are written between writing and what follows it, only by
// the Put that set writing. That makes two atomic operations of
// each Put; without the first, two Puts of one ID could write at once. The states are
// apart from the values: sixteen are in a cache line, and an atomic operation has to
// wait for its line, where a plain one need not.
type slots[R any] struct {
	states []atomic.Uint32
	values []R
}

const (
	empty   uint32 = iota
	writing        // not there yet
	held           // there, and its error is nil
	failed         // there, with the error in errs
	deleted
)

// outcome is what became of a put.
type outcome int

const (
	stored  outcome = iota
	exists          // the ID is held
	retired         // not stored: find another segment
)

func newSegment[R any](index uint64) *directory.Segment[segment[R]] {
	seg := new(directory.Segment[segment[R]])
	g, size := &seg.Body, sizeFor[R]()
	g.slots = slots[R]{make([]atomic.Uint32, size), make([]R, size)}
	if firstOf[R](index) == 0 {
		// ID 0 is never put. The first segment does not wait for its Delete.
		g.slots.states[0].Store(deleted)
		g.deleted.Store(1)
	}
	return seg
}

// slot returns the state and the value of an ID's slot.
func (g *segment[R]) slot(id store.ID) (*atomic.Uint32, *R) {
	i := offset[R](id)
	return &g.slots.states[i], &g.slots.values[i]
}

func (g *segment[R]) put(res store.Result[R]) outcome {
	state, value := g.slot(res.ID)
	if !state.CompareAndSwap(empty, writing) {
		return g.putAgain(state, res)
	}
	*value = res.Value
	done := held
	if res.Err != nil {
		g.errors()[offset[R](res.ID)] = res.Err
		done = failed
	}
	state.Store(done)
	return stored
}

// errors returns the array for the errors of g, and makes it if need be.
func (g *segment[R]) errors() []error {
	if errs := g.errs.Load(); errs != nil {
		return *errs
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.errs.Load() == nil {
		errs := make([]error, sizeFor[R]())
		g.errs.Store(&errs)
	}
	return *g.errs.Load()
}

func (g *segment[R]) putAgain(state *atomic.Uint32, res store.Result[R]) outcome {
	// Another Put of this ID came first. "Exists" may be said only once a Get
	// finds it, so wait out the assignments of put. No pool comes here.
	for state.Load() == writing {
		runtime.Gosched()
	}
	if state.Load() != deleted {
		return exists
	}

	g.mu.Lock()
	defer g.mu.Unlock()
	if g.retired {
		return retired
	}
	if _, ok := g.again[res.ID]; ok {
		return exists
	}
	if g.again == nil {
		g.again = make(map[store.ID]store.Result[R])
	}
	g.again[res.ID] = res
	return stored
}

func (g *segment[R]) get(id store.ID) (store.Result[R], bool) {
	state, value := g.slot(id)
	switch state.Load() {
	case held:
		return store.Result[R]{ID: id, Value: *value}, true
	case failed:
		return store.Result[R]{ID: id, Value: *value, Err: g.errors()[offset[R](id)]}, true
	case deleted:
		g.mu.Lock()
		defer g.mu.Unlock()
		res, ok := g.again[id]
		return res, ok
	default: // empty, or its Put has not returned yet
		return store.Result[R]{}, false
	}
}

// delete reports whether the segment is retired.
func (g *segment[R]) delete(id store.ID) bool {
	state, _ := g.slot(id)
	was := state.Load()
	first := (was == held || was == failed) && state.CompareAndSwap(was, deleted)
	switch {
	case first && uint64(g.deleted.Add(1)) < sizeFor[R]():
		return false
	case !first && state.Load() != deleted:
		return false // empty, or its Put has not returned yet
	}

	g.mu.Lock()
	defer g.mu.Unlock()
	if !first { // else a result in again was put after this Delete
		delete(g.again, id)
	}
	if uint64(g.deleted.Load()) == sizeFor[R]() && len(g.again) == 0 {
		g.retired = true
	}
	return g.retired
}

// all yields what is held, without holding a lock meanwhile. The first slot is that of the ID first.
// It returns false if yield has.
func (g *segment[R]) all(first store.ID, yield func(store.Result[R]) bool) (goesOn bool) {
	for i := range g.slots.states {
		res := store.Result[R]{ID: first + store.ID(i)}
		switch g.slots.states[i].Load() {
		case held:
			res.Value = g.slots.values[i]
		case failed:
			res.Value, res.Err = g.slots.values[i], g.errors()[i]
		default:
			continue
		}
		if !yield(res) {
			return false
		}
	}
	g.mu.Lock()
	again := slices.Collect(maps.Values(g.again))
	g.mu.Unlock()
	for _, res := range again {
		if !yield(res) {
			return false
		}
	}
	return true
}
