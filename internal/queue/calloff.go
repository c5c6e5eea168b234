package queue

import (
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/directory"
)

// A task can be called off, whether it waits or runs. A task in the middle of the line cannot leave it:
// it is marked, and whoever takes it in its turn finds the mark and passes it over. What else follows
// is the owner's to know.
//
//	mark     is set by        while                                        and says to
//	off      CallOff          no task begins in the claim of this one,     who takes the task, or runs it,
//	                          nor at the head, if it is behind that        that the owner knows more
//	settled  Settle           the task waits, and is called off            Await and IsPending that it has ended
//
// The marks of a segment are made when one of its tasks is called off, and forgotten with its tasks.
type marks struct{ off, settled bitmap }

type bitmap [segmentSize / wordSize]atomic.Uint64

func (b *bitmap) set(i uint64)      { b[i/wordSize].Or(1 << (i % wordSize)) }
func (b *bitmap) has(i uint64) bool { return b[i/wordSize].Load()>>(i%wordSize)&1 != 0 }

// State is what a task does.
type State int

// What a task may do.
const (
	Gone    State = iota // it has ended, or there is no such task
	Waiting              // nobody has begun it
	Begun                // it runs
)

// CallOff marks the task with that ticket, unless it has ended, and returns what it does at that moment. It
// forgets a task that waits: only its ID is taken in its turn. claimed is false if that takes up room.
// It is the owner's, with its lock held.
func (q *Queue[T]) CallOff(t uint64) (s State, claimed bool) {
	seg := q.pendingSegment(t)
	if seg == nil {
		return Gone, false
	}
	q.close()
	defer q.open()
	i := t % segmentSize
	if t >= q.head.Load() {
		seg.Body.markOff(i)
		seg.Body.forget(i)
		return Waiting, false
	}
	word, at, ok := seg.Body.claimOf(t)
	for ok {
		w := claim(word.Load())
		if !w.isOf(t>>segmentBits) || !w.isPending(at) {
			break
		}
		if !word.CompareAndSwap(uint64(w), uint64(w|frozen)) {
			continue // with the claim frozen the segment cannot go
		}
		seg.Body.markOff(i)
		s = Begun
		if at >= w.begun() {
			s = Waiting
			seg.Body.forget(i)
		}
		word.And(^uint64(frozen))
		return s, true
	}
	return Gone, true
}

// Settle notes that a task that waits and is called off has ended for those who wait for it, whom the
// caller is to tell. It ends for the queue in its turn. It is the owner's, with its lock held.
func (q *Queue[T]) Settle(t uint64) (waiter *Waiter) {
	seg := q.segments.Find(t >> segmentBits)
	seg.Body.marks.Load().settled.set(t % segmentSize)
	return seg.Body.takeOff(t)
}

// HasBegun reports whether somebody has begun a task that has not ended. It is the owner's, with its
// lock held, and exact between Freeze and Thaw.
func (q *Queue[T]) HasBegun(t uint64) bool {
	if t >= q.head.Load() {
		return false
	}
	word, at, ok := q.segments.Find(t >> segmentBits).Body.claimOf(t)
	return ok && claim(word.Load()).begun() > at
}

// AddRoom makes room for n more tasks, or for fewer: those that are called off take up none. It is the
// owner's, with its lock held.
func (q *Queue[T]) AddRoom(n int) { q.extra.Add(uint64(n)) }

// IsCalledOff reports whether the task that h holds is called off.
func (h *Hand[T]) IsCalledOff() bool { return h.seg.Body.isOff((h.first + h.at) % segmentSize) }

// A Place is where a task that somebody has begun is found.
type Place[T any] struct {
	seg   *directory.Segment[segment[T]]
	index uint64
	slot  uint64
}

// Place returns that of the task that h holds.
func (h *Hand[T]) Place() Place[T] { return Place[T]{h.seg, h.index, (h.first + h.at) % segmentSize} }

// IsCalledOff reports whether the task is called off. When it has ended, that is forgotten some time.
func (p Place[T]) IsCalledOff() bool {
	return p.seg != nil && p.seg.Body.isOff(p.slot) && p.seg.Index() == p.index
}

func (g *segment[T]) isOff(i uint64) bool {
	m := g.marks.Load()
	return m != nil && m.off.has(i)
}

func (g *segment[T]) isSettled(i uint64) bool {
	m := g.marks.Load()
	return m != nil && m.settled.has(i)
}

func (g *segment[T]) markOff(i uint64) {
	if g.marks.Load() == nil {
		g.marks.Store(new(marks))
	}
	g.marks.Load().off.set(i)
}

// forget forgets a task that waits, if it is published.
func (g *segment[T]) forget(i uint64) {
	if g.ready(i) > 0 {
		g.slots.clear(i)
	}
}

// claimOf returns the word of the claim that has the task with that ticket, and its place there.
func (g *segment[T]) claimOf(t uint64) (word *atomic.Uint64, at uint64, found bool) {
	i := t % segmentSize
	for at = range min(i+1, maxClaim) {
		word = &g.claims[i-at]
		if w := claim(word.Load()); w.isOf(t>>segmentBits) && w.size() > 0 {
			return word, at, at < w.size()
		}
	}
	return nil, 0, false
}
