package queue

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/internal/directory"
)

// A claim is up to 32 consecutive tasks that are taken from the head at once. It is one word, in the
// slot of its first task, until the segment is used again:
//
//	bits  0-31  done: a bit for each task, set when it has ended
//	bits 32-37  begun: how many tasks workers have taken, from the first on
//	bits 38-43  size: how many tasks there are
//	bits 44-53  tag: the lower bits of the segment's index, and 1 more
//	bits 54-61  touched: how often the owner has changed the word, so that others have to load it again
//	bit     63  frozen: the word does not change now
//
// Who makes the claim has begun its first task. To take another, and to end one, is a
// compare-and-swap of the word, the two together one for a worker that goes on in its claim. Any
// worker may take from any claim: so no task waits behind a long one of its claim while somebody is
// idle. A claim is no longer than its share of what waits and about 50 µs of its worker's tasks, so
// most of the time nobody has to.
//
// The word of a claim is written before the head passes it. Who finds a claim at the head moves the
// head on; there is no moment at which a task is neither before the head nor in a claim.
type claim uint64

const (
	maxClaim  = 32
	oneBegun  = 1 << 32
	sizeShift = 38
	tagShift  = 44
	tagBits   = 9 // of the index; with 1 more, no claim is 0
	oneTouch  = 1 << 54
	touches   = 255 * oneTouch
	frozen    = 1 << 63 // in a claim of none: the head is closed
)

func tagOf(index uint64) uint64 { return 1 + index&(1<<tagBits-1) }

func newClaim(index, size uint64) claim {
	return claim(tagOf(index)<<tagShift | size<<sizeShift | min(size, 1)*oneBegun)
}

// isOf reports whether the claim was made in the segment with that index, or, if what holds the word has
// been used for others since, perhaps in one of these.
func (c claim) isOf(index uint64) bool { return uint64(c)>>tagShift&(2<<tagBits-1) == tagOf(index) }

// isClosed reports whether nobody may make a claim here.
func (c claim) isClosed(index uint64) bool { return c.isOf(index) && c.size() == 0 && c&frozen != 0 }

func (c claim) touched() claim { return c&^touches | (c+oneTouch)&touches }

func (c claim) size() uint64  { return uint64(c) >> sizeShift & 63 }
func (c claim) begun() uint64 { return uint64(c) >> 32 & 63 }
func (c claim) done() uint64  { return uint64(bits.OnesCount32(uint32(c))) }
func (c claim) isOver() bool  { return c.done() == c.size() }

// isPending reports whether the k-th task from the beginning of the claim on has not ended. A task
// behind the claim is in none.
func (c claim) isPending(k uint64) bool { return k >= c.size() || c>>k&1 == 0 }

// A Hand is what a worker holds: one task, and the claim from which it goes on. It belongs to the
// worker.
type Hand[T any] struct {
	seg   *directory.Segment[segment[T]] // of the claim; nil: none
	index uint64                         // that of seg, when the claim was made
	first uint64                         // the slot of the claim
	at    uint64                         // the place of the task in the claim
	holds bool
	given bool // the task was handed over

	limit uint64        // how many tasks its next claim has at most
	ones  int           // claims of one since the limit is one
	size  uint64        // of the claim, if it is timed
	since time.Duration // when the claim was made, from the queue's epoch on
}

const (
	pace     = 50 * time.Microsecond // of a claim, at most
	tryAgain = 64                    // claims of one before another of two
)

// Holds reports whether the worker holds a task.
func (h *Hand[T]) Holds() bool { return h.holds }

// Ticket returns that of the task that the worker holds.
func (h *Hand[T]) Ticket() uint64 { return h.index<<segmentBits + h.first + h.at }

// IsShort reports whether the claim from which the worker goes on is of one task: few wait, or they take
// long.
func (h *Hand[T]) IsShort() bool { return h.size <= 1 }

// Found is how the search for a task has ended.
type Found int

// What a search may have found.
const (
	None    Found = iota // no task waits
	Frozen               // the owner counts, or turns workers away: take its lock, and try again
	Another              // the next task of the same claim
	Claimed              // the first task of a new claim
	Helped               // a task of another's claim
	Handed               // a task that a submitter has handed over; see Sleep
)

// Next ends the task that h holds, if any, unless the claim is frozen, and takes another. The caller is
// to tell those who have waited for the one that has ended. It may be called at any time.
//
// After a task that was handed over it does not look for another, and says None: most of the time none
// waits, and the caller looks again before it sleeps.
func (q *Queue[T]) Next(h *Hand[T]) (it Item[T], waiter *Waiter, found Found) {
	return q.next(h, false)
}

// NextOwned is Next for the owner, with its lock held: it is not turned away, and None says that no task waits.
func (q *Queue[T]) NextOwned(h *Hand[T]) (it Item[T], waiter *Waiter, found Found) {
	return q.next(h, true)
}

// next looks whether it is turned away between the load of a claim and the compare-and-swap: see TurnAway.
func (q *Queue[T]) next(h *Hand[T], owned bool) (it Item[T], waiter *Waiter, found Found) {
	if h.seg != nil {
		word := h.word()
		for {
			w := claim(word.Load())
			if !h.holds && h.seg.Index() != h.index {
				break // the claim is over
			}
			if w&frozen != 0 || !owned && q.turnsAway.Load() {
				return it, nil, Frozen
			}
			to := w
			if h.holds {
				to |= 1 << h.at
			}
			more := w.begun() < w.size()
			if more {
				to += oneBegun
			} else if to == w {
				break
			}
			if !word.CompareAndSwap(uint64(w), uint64(to)) {
				continue
			}
			if h.holds {
				waiter = h.seg.Body.takeOff(h.Ticket())
				h.holds = false
				if to.isOver() {
					q.over(h.seg, to)
				}
			}
			if more {
				h.hold(w.begun())
				return h.take(), waiter, Another
			}
			break
		}
		h.seg = nil
	}
	given := h.given
	if h.given = false; given && !owned {
		return it, waiter, None
	}
	if found = q.claim(h, owned); h.holds {
		it = h.take()
	}
	return it, waiter, found
}

// End ends the task that h holds. It is for the owner of the queue, with its lock held.
func (q *Queue[T]) End(h *Hand[T]) (waiter *Waiter) {
	h.holds = false
	return q.end(h.seg, h.Ticket(), h.at)
}

// Pass leaves the task that h holds to others, who call EndTicket, or Resume.
func (h *Hand[T]) Pass() { h.holds = false }

// Resume has h hold a task that was taken and passed on.
func (q *Queue[T]) Resume(h *Hand[T], t uint64) {
	seg := q.segments.Find(t >> segmentBits)
	_, at, _ := seg.Body.claimOf(t)
	h.seg, h.index, h.first, h.size, h.given = seg, t>>segmentBits, t%segmentSize-at, 0, false
	h.hold(at)
}

// EndTicket is End for a task that was taken and passed on.
func (q *Queue[T]) EndTicket(t uint64) (waiter *Waiter) {
	seg := q.segments.Find(t >> segmentBits)
	_, at, _ := seg.Body.claimOf(t)
	return q.end(seg, t, at)
}

// end ends the task of a ticket, which is in that place of its claim.
func (q *Queue[T]) end(seg *directory.Segment[segment[T]], t, at uint64) *Waiter {
	w := claim(seg.Body.claims[t%segmentSize-at].Or(1<<at)) | 1<<at
	waiter := seg.Body.takeOff(t)
	if w.isOver() {
		q.over(seg, w)
	}
	return waiter
}

// over notes that a claim is, and forgets a segment of which all are.
func (q *Queue[T]) over(seg *directory.Segment[segment[T]], w claim) {
	if seg.Body.done.Add(int32(w.size())) == segmentSize {
		q.segments.Remove(seg, q.keep)
	}
}

// claim makes a claim at the head, or takes a task from another's, for h to hold. A worker that has made
// none yet, so that its limit is 0, first takes up what workers that are gone have left.
func (q *Queue[T]) claim(h *Hand[T], owned bool) Found {
	for {
		head := q.head.Load()
		if q.isDrained(head) {
			return None
		}
		if h.limit == 0 || q.isLeftBehind(head) {
			if found := q.help(h, owned); found != None {
				return found
			}
		}
		seg := q.segments.Find(head >> segmentBits)
		i := head % segmentSize
		var ready uint64
		if seg != nil {
			ready = seg.Body.ready(i)
		}
		if ready == 0 {
			if q.head.Load() != head {
				continue
			}
			return q.help(h, owned)
		}
		n := min(ready, h.limit)
		if n > 1 {
			n = min(n, q.share(head))
		}
		n = max(n, 1)
		index, word := head>>segmentBits, &seg.Body.claims[i]
		w := claim(word.Load())
		switch {
		case seg.Index() != index: // the head has moved on
		case w.isClosed(index), !owned && q.turnsAway.Load():
			return Frozen
		case w.isOf(index) && w.size() > 0:
			q.head.CompareAndSwap(head, head+w.size())
		case word.CompareAndSwap(uint64(w), uint64(newClaim(index, n))):
			q.moveHead(head, n)
			h.keepPace(n, q.epoch)
			h.seg, h.index, h.first = seg, index, i
			h.hold(0)
			return Claimed
		}
	}
}

// moveHead moves the head past a claim, if nobody else has done so. A claim of one has begun.
func (q *Queue[T]) moveHead(head, n uint64) {
	q.head.CompareAndSwap(head, head+n)
	if n == 1 {
		q.begun.CompareAndSwap(head, head+1)
	}
}

// isDrained reports whether all tasks have begun; it may miss that.
func (q *Queue[T]) isDrained(head uint64) bool { return q.begun.Load() == head && q.Pushed() == head }

// isLeftBehind reports whether the oldest task that has not begun is in a claim, and further from the
// head than the claims of all workers may reach: its worker has a long task.
func (q *Queue[T]) isLeftBehind(head uint64) bool {
	bound := maxClaim * q.workers.Load()
	if head-q.begun.Load() <= bound {
		return false
	}
	q.oldest()
	return head-min(head, q.begun.Load()) > bound
}

// share returns how many tasks a claim may have of those that wait, head being the first: so few that
// there is enough for all workers that can run at once, eight times, and that a short queue is left one
// by one.
func (q *Queue[T]) share(head uint64) uint64 {
	return (q.Pushed() - head) / q.shares.Load()
}

// help takes a task from the oldest claim that has one which nobody has begun.
func (q *Queue[T]) help(h *Hand[T], owned bool) Found {
	for {
		seg, index, i, ok := q.oldest()
		if !ok {
			return None
		}
		word := &seg.Body.claims[i]
		w := claim(word.Load())
		switch {
		case seg.Index() != index || w.begun() == w.size(): // it was taken meanwhile
		case w&frozen != 0, !owned && q.turnsAway.Load():
			return Frozen
		case word.CompareAndSwap(uint64(w), uint64(w+oneBegun)):
			h.size = 0
			h.seg, h.index, h.first = seg, index, i
			h.hold(w.begun())
			return Helped
		}
	}
}

// oldest returns the place of the oldest claim that has a task which nobody has begun. It notes in
// begun how far it had to look: each claim is passed over once.
func (q *Queue[T]) oldest() (seg *directory.Segment[segment[T]], index, i uint64, found bool) {
	from := q.begun.Load()
	t := from
	for t < q.head.Load() {
		index = t >> segmentBits
		var w claim
		if seg = q.segments.Find(index); seg != nil {
			w = claim(seg.Body.claims[t%segmentSize].Load())
		}
		if seg == nil || seg.Index() != index { // all of its tasks are done
			t = (index + 1) << segmentBits
			continue
		}
		if w.begun() < w.size() {
			found = true
			break
		}
		t += w.size()
	}
	if t != from {
		q.begun.CompareAndSwap(from, t)
	}
	return seg, index, t % segmentSize, found
}

// HasBegunBelow reports whether all tasks with tickets below t have begun; it may miss that.
func (q *Queue[T]) HasBegunBelow(t uint64) bool {
	if q.head.Load() < t {
		return false
	}
	_, index, i, found := q.oldest()
	return !found || index<<segmentBits+i >= t
}

func (h *Hand[T]) word() *atomic.Uint64 { return &h.seg.Body.claims[h.first] }

// hold notes that the k-th task of the claim is this worker's.
func (h *Hand[T]) hold(k uint64) { h.at, h.holds = k, true }

// take takes the task that h holds out of its slot: the queue does not keep it reachable.
func (h *Hand[T]) take() Item[T] { return h.seg.Body.slots.take(h.first + h.at) }

// keepPace sets the limit of the next claim by the time that the last one took, and notes that there
// is one of n tasks now. Claims of one are not timed: the look at the clock would cost those most who
// come one by one.
func (h *Hand[T]) keepPace(n uint64, epoch time.Time) {
	var now time.Duration
	if n > 1 || h.size > 1 {
		now = time.Since(epoch)
	}
	if h.size > 1 {
		switch took := now - h.since; {
		case took > pace:
			h.limit = max(1, h.limit/2)
		case took < pace/2 && h.size == h.limit:
			h.limit = min(maxClaim, 2*h.limit)
		}
	}
	if h.limit <= 1 {
		if h.ones++; h.ones == tryAgain || h.limit == 0 {
			h.ones, h.limit = 0, 2
		}
	}
	h.size, h.since = n, now
}
