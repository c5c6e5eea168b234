package queue

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/resultpool/resultpool/internal/directory"
)

// Ended is what somebody has seen of the tasks that have ended, in the order of their tickets. Nobody notes
// for him what ends: the claims say so. Beside the number of the first segment that he has not looked at he
// needs the segments before it in which tasks were pending when he looked last, however far behind he is.
//
// The zero Ended has seen nothing. It is for one goroutine at a time.
type Ended struct {
	next uint64        // the first segment that was not looked at
	open []openSegment // those before it of which not all was seen, in their order
}

type openSegment struct {
	index uint64
	seen  [segmentSize / wordSize]uint64 // a bit for each slot
}

func (o *openSegment) isAllSeen() bool {
	all := uint64(1<<wordSize - 1)
	for _, word := range o.seen {
		all &= word
	}
	return all == 1<<wordSize-1
}

// Sees reports whether the task with that ticket was seen to have ended.
func (e *Ended) Sees(ticket uint64) bool {
	index, i := ticket>>segmentBits, ticket%segmentSize
	if index >= e.next {
		return false
	}
	k, isOpen := slices.BinarySearchFunc(e.open, index, func(o openSegment, index uint64) int { return cmp.Compare(o.index, index) })
	return !isOpen || e.open[k].seen[i/wordSize]>>(i%wordSize)&1 != 0
}

// SeeAll has e see all that has ended.
func (q *Queue[T]) SeeAll(e *Ended) {
	head := q.head.Load() // first: each segment before it was there
	e.open = e.open[:0]
	e.next = (head + segmentSize - 1) >> segmentBits
	for _, seg := range q.segments.Segments() {
		if index := seg.Index(); index < e.next {
			e.open = append(e.open, openSegment{index: index})
		}
	}
	slices.SortFunc(e.open, func(a, b openSegment) int { return cmp.Compare(a.index, b.index) })
	e.open = slices.CompactFunc(e.open, func(a, b openSegment) bool { return a.index == b.index })
	for i := range e.open {
		q.see(&e.open[i], head, nil)
	}
	e.forget()
}

// See appends to tickets those of tasks that have ended, that e has not seen and sees now. There may be more
// if they are limit at least.
func (q *Queue[T]) See(e *Ended, tickets []uint64, limit int) []uint64 {
	head := q.head.Load() // what has ended was claimed, and is before it
	for i := range e.open {
		tickets = q.see(&e.open[i], head, tickets)
	}
	e.forget()
	for len(tickets) < limit && e.next<<segmentBits < head {
		o := openSegment{index: e.next}
		e.next++
		if tickets = q.see(&o, head, tickets); !o.isAllSeen() {
			e.open = append(e.open, o)
		}
	}
	return tickets
}

// forget forgets the segments of which all was seen.
func (e *Ended) forget() {
	e.open = slices.DeleteFunc(e.open, func(o openSegment) bool { return o.isAllSeen() })
}

// see is See for one segment that has tasks before head.
func (q *Queue[T]) see(o *openSegment, head uint64, tickets []uint64) []uint64 {
	done := q.doneIn(o.index, head)
	for k, word := range done {
		for fresh := word &^ o.seen[k]; fresh != 0; fresh &= fresh - 1 {
			tickets = append(tickets, o.index<<segmentBits+uint64(k*wordSize+bits.TrailingZeros64(fresh)))
		}
		o.seen[k] |= word
	}
	return tickets
}

// doneIn returns a bit for each task of a segment that has ended. If the segment is gone, all have.
func (q *Queue[T]) doneIn(index, head uint64) (done [segmentSize / wordSize]uint64) {
	claims := min(segmentSize, head-index<<segmentBits)
	seg := q.segments.Find(index)
	if seg != nil && readDone(seg, index, claims, &done) {
		return done
	}
	for k := range done {
		done[k] = 1<<wordSize - 1
	}
	return done
}

// readDone reads the claims of the first n slots. It returns false if what it has read says nothing, since
// the segment is used for others. No claim is in two words of slots.
func readDone[T any](seg *directory.Segment[segment[T]], index, n uint64, done *[segmentSize / wordSize]uint64) bool {
	for i := uint64(0); i < n; {
		w := claim(seg.Body.claims[i].Load())
		if !w.isOf(index) || w.size() == 0 {
			break
		}
		done[i/wordSize] |= uint64(uint32(w)) << (i % wordSize)
		i += w.size()
	}
	return seg.Index() == index
}
