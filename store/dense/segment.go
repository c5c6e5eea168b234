package dense

import (
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

const (
	segmentBits = 10
	segmentSize = 1 << segmentBits
)

// A segment holds the results of segmentSize consecutive IDs.
//
// Each slot walks one way: empty, writing, held, deleted. So a Get that has
// seen "held" may read the slot's result for as long as it likes: nobody writes
// it again. A result that is put once more under a deleted ID goes into again
// instead. (Clearing a deleted slot and using it twice would need a lock, or a
// count of readers, on every Get.)
//
// A segment is retired once all of its slots are deleted and again is empty. It
// takes no results from then on, so the store can forget it and start a new one
// for the same IDs without a Put being lost in the old one.
type segment[R any] struct {
	index   uint64       // immutable: the IDs' upper bits
	deleted atomic.Int32 // how many slots are deleted; it only grows
	slots   [segmentSize]slot[R]

	mu      sync.Mutex
	again   map[store.ID]store.Result[R] // guarded by mu; nil until needed
	retired bool                         // guarded by mu; never unset
}

type slot[R any] struct {
	state atomic.Uint32
	value R     // written between writing and held, by whoever set writing
	err   error // likewise
}

const (
	empty uint32 = iota
	writing
	held
	deleted
)

// outcome is what became of a put.
type outcome int

const (
	stored  outcome = iota
	exists          // the ID is held
	retired         // not stored: find another segment
)

func newSegment[R any](index uint64) *segment[R] {
	g := &segment[R]{index: index}
	if index == 0 {
		// ID 0 is never put. The first segment does not wait for its Delete.
		g.slots[0].state.Store(deleted)
		g.deleted.Store(1)
	}
	return g
}

func (g *segment[R]) slot(id store.ID) *slot[R] { return &g.slots[id%segmentSize] }

func (g *segment[R]) put(res store.Result[R]) outcome {
	s := g.slot(res.ID)
	if s.state.CompareAndSwap(empty, writing) {
		s.value, s.err = res.Value, res.Err
		s.state.Store(held)
		return stored
	}
	// Another Put of this ID came first. "Exists" may be said only once a Get
	// finds it, so wait out the two assignments above. No pool comes here.
	for s.state.Load() == writing {
		runtime.Gosched()
	}
	if s.state.Load() == held {
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
	s := g.slot(id)
	switch s.state.Load() {
	case held:
		return store.Result[R]{ID: id, Value: s.value, Err: s.err}, true
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
	s := g.slot(id)
	first := s.state.CompareAndSwap(held, deleted)
	switch {
	case first && g.deleted.Add(1) < segmentSize:
		return false
	case !first && s.state.Load() != deleted:
		return false // empty, or its Put has not returned yet
	}

	g.mu.Lock()
	defer g.mu.Unlock()
	if !first { // else a result in again was put after this Delete
		delete(g.again, id)
	}
	if g.deleted.Load() == segmentSize && len(g.again) == 0 {
		g.retired = true
	}
	return g.retired
}

// all yields what is held, without holding a lock meanwhile.
func (g *segment[R]) all(yield func(store.Result[R]) bool) {
	for i := range g.slots {
		s := &g.slots[i]
		if s.state.Load() != held {
			continue
		}
		id := store.ID(g.index<<segmentBits | uint64(i))
		if !yield(store.Result[R]{ID: id, Value: s.value, Err: s.err}) {
			return
		}
	}
	g.mu.Lock()
	again := slices.Collect(maps.Values(g.again))
	g.mu.Unlock()
	for _, res := range again {
		if !yield(res) {
			return
		}
	}
}
