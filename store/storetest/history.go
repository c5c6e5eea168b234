package storetest

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/resultpool/resultpool/store"
)

// An event is what a goroutine saw of one ID in one call of a store.
type event struct {
	kind         kind
	value        int   // of the Result that was put or found; never 0
	began, ended int64 // on a clock that ticks before and after every call
	by           int   // a goroutine's number
}

type kind int

const (
	didPut    kind = iota // Put returned nil
	didRefuse             // … ErrExists
	didFind               // Get returned the Result with that value
	didMiss               // … ErrNotFound
	didDelete             // Delete returned nil
)

// apply returns the value that is held after the event, if value was held before
// it, and whether the event could come out so. The value 0 means that none is held.
func (e event) apply(value int) (after int, fits bool) {
	switch e.kind {
	case didPut:
		return e.value, value == 0
	case didRefuse:
		return value, value != 0
	case didFind:
		return value, value == e.value
	case didDelete:
		return 0, true
	default:
		return value, value == 0
	}
}

func (e event) String() string {
	what := [...]string{
		didPut:    "Put returned nil",
		didRefuse: "Put returned ErrExists",
		didFind:   "Get returned a result",
		didMiss:   "Get returned ErrNotFound",
		didDelete: "Delete returned nil",
	}[e.kind]
	return fmt.Sprintf("from %d to %d, goroutine %d, value %d: %s", e.began, e.ended, e.by, e.value, what)
}

// A history is all that was seen of one ID, which was not held at first. It has at
// most 64 events.
type history []event

// explain returns an error that shows the history if there is no order in which its
// events can have happened one at a time, each between its beginning and its end.
func (h history) explain(id store.ID) error {
	slices.SortFunc(h, func(a, b event) int { return cmp.Compare(a.ended, b.ended) }) // most likely the order
	if h.linearizable() {
		return nil
	}
	lines := make([]string, len(h))
	for i, e := range h {
		lines[i] = "\n\t" + e.String()
	}
	return fmt.Errorf("ID %d was not held, and then no order of these calls explains what they returned:%s",
		id, strings.Join(lines, ""))
}

// linearizable tries all orders. It is the search of Wing and Gong, which does not
// try again what comes after the same events with the same value.
func (h history) linearizable() bool {
	type point struct {
		done  uint64 // a set of events
		value int    // that is held after them
	}
	all := uint64(1)<<len(h) - 1 // also of 64 events
	dead := make(map[point]bool)
	var search func(point) bool
	search = func(p point) bool {
		if p.done == all {
			return true
		}
		if dead[p] {
			return false
		}
		// What began after another event's end comes after that event.
		latest := int64(1<<63 - 1)
		for left := all &^ p.done; left != 0; left &= left - 1 {
			latest = min(latest, h[bits.TrailingZeros64(left)].ended)
		}
		for left := all &^ p.done; left != 0; left &= left - 1 {
			i := bits.TrailingZeros64(left)
			if h[i].began > latest {
				continue
			}
			value, fits := h[i].apply(p.value)
			if fits && search(point{p.done | 1<<i, value}) {
				return true
			}
		}
		dead[p] = true
		return false
	}
	return search(point{})
}
