package queue

import (
	"time"
	"unsafe"

	"github.com/resultpool/resultpool/internal/directory"
)

// slots are where the tasks of a segment lie. A task of more than maxInline bytes is in memory of its own, or
// the first one would take that of a whole segment of them: it costs an allocation, which is little
// beside copying it several times. The compiler knows which of the two ways is T's.
//
// The pointers do not change. Both sides read them for each task, so they are apart from what either
// writes.
type slots[T any] struct {
	ids   [segmentSize]uint64
	_     cacheLinePad
	small *[segmentSize]T // nil if T is large
	large *[segmentSize]*T
	since *[segmentSize]time.Duration // nil unless the queue keeps times
	_     cacheLinePad
}

const maxInline = 256 // bytes: 64 KiB for a segment

func isLarge[T any]() bool { return unsafe.Sizeof(*new(T)) > maxInline }

// makeSegment makes a segment and its slots, in one piece.
func makeSegment[T any](timed bool) *directory.Segment[segment[T]] {
	seg := makeUntimed[T]()
	if timed {
		seg.Body.slots.since = new([segmentSize]time.Duration)
	}
	return seg
}

func makeUntimed[T any]() *directory.Segment[segment[T]] {
	if isLarge[T]() {
		made := new(struct {
			segment directory.Segment[segment[T]]
			slots   [segmentSize]*T
		})
		made.segment.Body.slots.large = &made.slots
		return &made.segment
	}
	made := new(struct {
		segment directory.Segment[segment[T]]
		slots   [segmentSize]T
	})
	made.segment.Body.slots.small = &made.slots
	return &made.segment
}

func (s *slots[T]) write(i uint64, item Item[T]) {
	s.ids[i] = item.ID
	if isLarge[T]() {
		task := new(T)
		*task = item.Task
		s.large[i] = task
	} else {
		s.small[i] = item.Task
	}
}

// writeAll writes tasks with consecutive IDs to as many slots.
func (s *slots[T]) writeAll(i, id uint64, tasks []T) {
	if isLarge[T]() {
		for k, task := range tasks {
			s.write(i+uint64(k), Item[T]{id + uint64(k), task})
		}
		return
	}
	copy(s.small[i:], tasks)
	for k := range uint64(len(tasks)) {
		s.ids[i+k] = id + k
	}
}

// clear forgets the task of a slot, but not its ID.
func (s *slots[T]) clear(i uint64) {
	if isLarge[T]() {
		s.large[i] = nil
	} else {
		clear(s.small[i : i+1])
	}
}

// take clears the slot, and returns the zero T if it is clear already.
func (s *slots[T]) take(i uint64) (it Item[T]) {
	it.ID = s.ids[i]
	if !isLarge[T]() {
		it.Task = s.small[i]
	} else if task := s.large[i]; task != nil {
		it.Task = *task
	}
	s.clear(i)
	return it
}
