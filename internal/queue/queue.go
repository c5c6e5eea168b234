// Package queue is the bounded line of tasks that wait for a worker. It knows neither pool nor store.
package queue

import (
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/internal/directory"
)

// A Queue holds tasks in the order in which they were submitted. Each has a ticket, its place in the
// order of all tasks ever pushed, counted from 0. The tail is the next ticket to be given out.
//
// Tickets lie in segments of 256. A task is written to the slot of its ticket and published there by a
// bit. A worker claims the tasks at the head, several at once: see claim.go. A segment is made by
// whoever needs it first, mostly a Push, and forgotten when all of its tasks are done, so memory follows what waits
// and runs. A few are kept, and used again for other tickets: see segment.
//
//	ticket      is the task of
//	< begun     workers that have it, or is done
//	< head      a claim: it has begun, or the next worker in need of a task begins it
//	< tail      nobody
//
// There is room for another task while fewer than the capacity are in no claim.
//
// A Queue has an owner, who keeps the rest of what it knows of the tasks under a lock. The owner can
// shut the tail. That happens at once: no Push is under way afterwards that could still take a ticket.
//
// The methods say who may call them and when.
type Queue[T any] struct {
	capacity uint64
	oneByOne bool
	timed    bool
	extra    atomic.Uint64 // room beyond the capacity: see AddRoom
	segments directory.Directory[segment[T]]
	spare    []*directory.Segment[segment[T]] // to be used; guarded by the directory's lock
	frozen   []*atomic.Uint64                 // claims, by Freeze; the owner's
	workers  atomic.Uint64                    // how many there may be
	shares   atomic.Uint64                    // a claim has one of so many shares of what waits, or one task

	// What follows is written for each task, the tail by those who push, or for each claim, the head
	// by those who take. They must not share a cache line with each other or with what is only read.
	_    cacheLinePad
	tail atomic.Uint64 // with the bit shut
	// headSeen is the head as of some time ago. Those who push read it in place of the head, whose
	// cache line the workers write to.
	headSeen atomic.Uint64
	back     atomic.Pointer[directory.Segment[segment[T]]] // that of a new ticket
	_        cacheLinePad
	head     atomic.Uint64
	begun    atomic.Uint64 // see oldest
	_        cacheLinePad

	*Idlers[T]
	turnsAway atomic.Bool
	epoch     time.Time
	waiters   sync.Pool // of *Waiter
}

// cacheLinePad keeps what is before and after it out of one cache line, also of
// processors that fetch two at a time.
type cacheLinePad [128]byte

// shut is the bit of the tail that makes each compare-and-swap of Push fail.
const shut = 1 << 63

const (
	segmentBits = 8
	segmentSize = 1 << segmentBits
	wordSize    = 64 // bits, for as many slots

	maxSpare = 6 // segments that are kept: those of 1,024 tasks that wait, and some that run
)

// A segment has the tasks of segmentSize tickets, each in the slot of its ticket. A task and its ID are
// written before the slot's bit in published is set, by whoever has the ticket, and read and cleared by
// whoever takes the task. What the two sides write is apart, and each side writes to neighbours in one
// go.
//
// While a goroutine looks at a segment that it has found, its tasks may end, and the segment be used for
// other tickets. What was read there says nothing then. A claim says in which segment it was made, by
// the lower bits of its index, and a segment is used again only while these tell its indices apart: so a
// compare-and-swap of a claim fails if it comes too late. Who only looks asks for the index again
// afterwards.
type segment[T any] struct {
	published [segmentSize / wordSize]atomic.Uint64 // a bit for each slot: its task may be read
	done      atomic.Int32                          // tasks of claims that are over
	waiters   atomic.Pointer[waiters]               // those who wait for one of the tasks; nil until somebody does
	marks     atomic.Pointer[marks]                 // of tasks that are called off; nil until one is
	claims    [segmentSize]atomic.Uint64            // the claim that begins in a slot, if it was made in this segment
	slots     slots[T]
}

// An Item is one waiting task.
type Item[T any] struct {
	ID   uint64
	Task T
}

// New returns an empty queue for up to capacity tasks, at least one, and one worker. Memory is taken
// as it fills.
func New[T any](capacity int) *Queue[T] {
	if capacity < 1 {
		panic(fmt.Sprintf("queue: capacity is %d, want 1 or more", capacity))
	}
	q := &Queue[T]{capacity: min(uint64(capacity), math.MaxInt64/2), Idlers: newIdlers[T](), epoch: time.Now()}
	q.SetWorkers(1)
	return q
}

// TakeOneByOne has each claim be of one task, from now on. It is for the owner, before anything is pushed.
func (q *Queue[T]) TakeOneByOne() {
	q.oneByOne = true
	q.shares.Store(math.MaxUint64)
}

// KeepTimes has each task keep when it was pushed, from now on. It is for the owner, before anything is
// pushed.
func (q *Queue[T]) KeepTimes() { q.timed = true }

// Now is how long there has been the queue, if it keeps times, and 0 otherwise.
func (q *Queue[T]) Now() time.Duration {
	if !q.timed {
		return 0
	}
	return time.Since(q.epoch)
}

// noteTime notes when n tasks were written to the slots from i on, in a queue that keeps times.
func (q *Queue[T]) noteTime(seg *directory.Segment[segment[T]], i, n uint64) {
	if !q.timed {
		return
	}
	now := q.Now()
	for k := range n {
		seg.Body.slots.since[i+k] = now
	}
}

// Since returns the queue's Now when the task was pushed that h holds. The queue keeps times.
func (h *Hand[T]) Since() time.Duration { return h.seg.Body.slots.since[(h.first+h.at)%segmentSize] }

// SetWorkers says how many workers there may be. It is the owner's. More than any machine has count as fewer:
// a multiple of their number must not turn over.
func (q *Queue[T]) SetWorkers(n int) {
	q.workers.Store(uint64(max(1, min(n, math.MaxInt32))))
	if !q.oneByOne {
		q.shares.Store(uint64(8 * max(2, min(n, runtime.GOMAXPROCS(0)))))
	}
}

// TurnAway keeps workers from beginning tasks, or lets them: Next says Frozen meanwhile, and only the owner
// takes tasks, by NextOwned. It is the owner's, with its lock held. When it has returned, no Next is under way
// that could still take one.
func (q *Queue[T]) TurnAway(on bool) {
	if q.turnsAway.Load() == on {
		return
	}
	q.turnsAway.Store(on)
	if !on {
		return
	}
	// Whoever has loaded a claim and has not looked at turnsAway yet sees it set. All others have to load
	// again: each claim that somebody could take from changes, and the place of the one at the head. All
	// of them are between begun and the head, and few, however many tasks have begun and not ended: a pool may
	// turn workers away for each of a million parked tasks.
	q.touchHead()
	q.oldest() // so that begun is where it can be
	for index := q.begun.Load() >> segmentBits; index<<segmentBits <= q.head.Load(); index++ {
		seg := q.segments.Find(index)
		if seg == nil {
			continue // its tasks have ended, or it is new
		}
		for i := range seg.Body.claims {
			word := &seg.Body.claims[i]
			for w := claim(word.Load()); w.isOf(index) && w.begun() < w.size() && !word.CompareAndSwap(uint64(w), uint64(w.touched())); {
				w = claim(word.Load())
			}
		}
	}
}

// TurnsAway reports whether it does.
func (q *Queue[T]) TurnsAway() bool { return q.turnsAway.Load() }

// Push adds a task at the back, and hands it over if a worker is idle. It returns the task's ID. It fails
// if there is no room, if the tail is shut, or if the next ticket has no ID in ids. It may be called from
// any goroutine at any time, and waits for no more than Call.
func (q *Queue[T]) Push(ids Range, task T) (id uint64, ok bool) {
	for {
		t := q.tail.Load()
		if t >= ids.End { // which also holds if it is shut
			return 0, false
		}
		if q.room(t, 1) < 1 {
			if q.tail.Load() != t {
				continue
			}
			return 0, false
		}
		if !q.tail.CompareAndSwap(t, t+1) {
			continue
		}
		item := Item[T]{t + ids.Offset, task}
		if q.Idle() > 0 && q.begun.Load() == t && q.Withdraw() { // so t is the head, and nothing is left behind
			q.handOverAt(t, item)
			if q.Pushed() > t+1 && q.IsReady() {
				q.HandOver() // others could not be before this one was
			}
			return item.ID, true
		}
		seg := q.segmentFor(t)
		seg.Body.slots.write(t%segmentSize, item)
		q.noteTime(seg, t%segmentSize, 1)
		seg.Body.publish(t%segmentSize, 1)
		q.HandOver()
		return item.ID, true
	}
}

// handOverAt gives a task, which is at the head and was not published, to an idle worker that was taken
// off the count: nobody else writes to the slot. If the head is closed, it publishes the task.
func (q *Queue[T]) handOverAt(t uint64, item Item[T]) {
	seg, i := q.segmentFor(t), t%segmentSize
	seg.Body.slots.write(i, item)
	q.noteTime(seg, i, 1)
	word := &seg.Body.claims[i]
	w := claim(word.Load())
	if w.isClosed(seg.Index()) || q.turnsAway.Load() || !word.CompareAndSwap(uint64(w), uint64(newClaim(seg.Index(), 1))) {
		seg.Body.publish(i, 1)
		q.calls <- call[T]{}
		return
	}
	q.moveHead(t, 1)
	q.calls <- call[T]{seg, seg.Index(), i, 0}
}

// HandOver has idle workers take the first tasks that wait, as long as there are both. It waits for no more
// than Call.
func (q *Queue[T]) HandOver() {
	for q.Withdraw() {
		h := Hand[T]{limit: 1}
		q.claim(&h, false)
		q.calls <- call[T]{h.seg, h.index, h.first, h.at} // if there was none after all, the worker looks
		if !h.holds || q.Idle() == 0 || !q.IsReady() {
			return
		}
	}
}

// PushAll is Push for as many of tasks, from the first, as there is room and are
// IDs for. It returns the ID of the first and how many they are; the IDs are
// consecutive.
func (q *Queue[T]) PushAll(ids Range, tasks []T) (first uint64, n int) {
	return q.pushAll(0, ids, tasks)
}

// PushShut is PushAll for the owner, who has shut the tail and holds its lock.
func (q *Queue[T]) PushShut(ids Range, tasks []T) (first uint64, n int) {
	return q.pushAll(shut, ids, tasks)
}

// pushAll does so if the tail's bit is as expected.
func (q *Queue[T]) pushAll(bit uint64, ids Range, tasks []T) (first uint64, n int) {
	for {
		tail := q.tail.Load()
		t := tail &^ shut
		if tail&shut != bit || t >= ids.End {
			return 0, 0
		}
		want := min(uint64(len(tasks)), ids.End-t)
		n := min(want, uint64(max(0, q.room(t, want))))
		if n == 0 {
			if q.tail.Load() != tail {
				continue
			}
			return 0, 0
		}
		if !q.tail.CompareAndSwap(tail, tail+n) {
			continue
		}
		q.publish(t, ids.Offset, tasks[:n])
		return t + ids.Offset, int(n)
	}
}

// publish writes tasks to the slots from ticket t on, and publishes those of a word of bits together.
func (q *Queue[T]) publish(t, offset uint64, tasks []T) {
	for len(tasks) > 0 {
		seg, i := q.segmentFor(t), t%segmentSize
		n := min(wordSize-i%wordSize, uint64(len(tasks)))
		seg.Body.slots.writeAll(i, t+offset, tasks[:n])
		q.noteTime(seg, i, n)
		seg.Body.publish(i, n)
		t, tasks = t+n, tasks[n:]
	}
}

// publish publishes what was written to n slots of one word.
func (g *segment[T]) publish(i, n uint64) {
	g.published[i/wordSize].Or((1<<n - 1) << (i % wordSize)) // 1<<64 is 0, and 0-1 is all bits
}

// segmentFor returns the segment of a ticket that was taken and is not published.
func (q *Queue[T]) segmentFor(t uint64) *directory.Segment[segment[T]] {
	seg := q.back.Load()
	if seg == nil || seg.Index() != t>>segmentBits {
		seg = q.segments.FindOrAdd(t>>segmentBits, q.newSegment)
		q.back.Store(seg)
	}
	return seg
}

// newSegment returns a segment for that index, one that was used before if possible. It is called with the
// directory's lock held.
func (q *Queue[T]) newSegment(index uint64) *directory.Segment[segment[T]] {
	for {
		if len(q.spare) == 0 {
			return makeSegment[T](q.timed)
		}
		seg := q.spare[len(q.spare)-1]
		q.spare = q.spare[:len(q.spare)-1]
		if seg.Index()>>tagBits == index>>tagBits {
			return seg
		}
	}
}

// keep keeps a segment that was removed, if there are few. It is called with the directory's lock held.
func (q *Queue[T]) keep(seg *directory.Segment[segment[T]]) {
	if len(q.spare) < maxSpare {
		for i := range seg.Body.published {
			seg.Body.published[i].Store(0)
		}
		seg.Body.done.Store(0)
		seg.Body.marks.Store(nil)
		q.spare = append(q.spare, seg)
	}
}

// room returns how many tickets from t on there is room for: exactly if that is less than want, and
// otherwise perhaps too few, but not less than want. It is meaningless, and may be negative, unless
// the tail is t.
func (q *Queue[T]) room(t, want uint64) int64 {
	capacity := int64(q.capacity + q.extra.Load())
	room := capacity - int64(t-q.headSeen.Load())
	if room < int64(want) {
		h := q.head.Load()
		q.headSeen.Store(h)
		room = capacity - int64(t-h)
	}
	return room
}

// ShutTail shuts or opens the tail. It is the owner's, with its lock held.
func (q *Queue[T]) ShutTail(on bool) {
	switch is := q.tail.Load()&shut != 0; {
	case on && !is:
		q.tail.Or(shut)
	case !on && is:
		q.tail.And(^uint64(shut))
	}
}

// Pushed returns how many tasks have been pushed so far, or the next ticket.
func (q *Queue[T]) Pushed() uint64 { return q.tail.Load() &^ shut }

// Claimed returns how many tasks have been claimed so far, or the next ticket to be.
func (q *Queue[T]) Claimed() uint64 { return q.head.Load() }

// Cap returns for how many tasks that are in no claim there is room in all.
func (q *Queue[T]) Cap() int { return int(q.capacity) }

// IsHalfEmpty reports whether there is room for half as many tasks as there may be.
func (q *Queue[T]) IsHalfEmpty() bool { return q.Pushed()-q.Claimed() <= q.capacity/2 }

// RoomAfter returns how many tasks have to be claimed, of all that have been pushed
// so far, until there is room for n more. The tail is shut.
func (q *Queue[T]) RoomAfter(n int) (claimed uint64) {
	return uint64(max(0, int64(q.Pushed())+int64(n)-int64(q.capacity+q.extra.Load())))
}

// IsEmpty reports whether each task that was pushed has begun. It is exact if the tail is shut and
// says yes; otherwise a task may be on its way in or out.
func (q *Queue[T]) IsEmpty() bool {
	t := q.Pushed() // first: what has begun by then has begun
	_, _, _, found := q.oldest()
	return !found && q.head.Load() >= t
}

// IsReady reports whether a worker would find a task.
func (q *Queue[T]) IsReady() bool {
	for {
		h := q.head.Load()
		if q.isDrained(h) {
			return false
		}
		if seg := q.segments.Find(h >> segmentBits); seg != nil && seg.Body.ready(h%segmentSize) > 0 {
			w := claim(seg.Body.claims[h%segmentSize].Load())
			switch {
			case seg.Index() != h>>segmentBits: // the head has moved on
			case w.isOf(h>>segmentBits) && w.size() > 0:
				q.head.CompareAndSwap(h, h+w.size())
			default:
				return true
			}
			continue
		}
		if _, _, _, found := q.oldest(); found {
			return true
		}
		if q.head.Load() == h { // otherwise that was the slot of a task that is gone
			return false
		}
	}
}

// Freeze keeps tasks from being begun and from ending, until Thaw, and counts them: how many were pushed,
// have not begun, and have begun and not ended. Both are the owner's, with its lock held. Workers that
// look for a task meanwhile are turned away; see Next.
func (q *Queue[T]) Freeze() (pushed, waiting, running uint64) {
	q.close()
	head := q.head.Load()
	for _, seg := range q.segments.Segments() {
		index := seg.Index()
		for i := uint64(0); i < segmentSize && index<<segmentBits+i < head; {
			word := &seg.Body.claims[i]
			w := claim(word.Load())
			if w.isOf(index) && !w.isOver() {
				w = claim(word.Or(frozen))
				q.frozen = append(q.frozen, word)
			}
			if !w.isOf(index) {
				break // all of its tasks have ended meanwhile
			}
			waiting += w.size() - w.begun()
			running += w.begun() - w.done()
			i += w.size()
		}
	}
	pushed = q.Pushed()
	return pushed, waiting + pushed - head, running
}

// Thaw is the end of Freeze.
func (q *Queue[T]) Thaw() {
	for _, word := range q.frozen {
		word.And(^uint64(frozen))
	}
	clear(q.frozen)
	q.frozen = q.frozen[:0]
	q.open()
}

// Oldest returns a ticket below which all tasks are done. It is the owner's, with its lock held.
func (q *Queue[T]) Oldest() uint64 {
	oldest := q.Claimed() // not Pushed: a ticket that was taken may have no segment yet
	for _, seg := range q.segments.Segments() {
		oldest = min(oldest, seg.Index()<<segmentBits)
	}
	return oldest
}

// close keeps workers from claiming tasks at the head, until open is called: the claim of the next one
// is taken. Both are the owner's.
func (q *Queue[T]) close() { q.changeHead(func(w claim) claim { return w.touched() | frozen }) }

func (q *Queue[T]) open() { q.changeHead(func(w claim) claim { return w &^ frozen }) }

// touchHead has whoever is about to claim tasks at the head look again.
func (q *Queue[T]) touchHead() { q.changeHead(claim.touched) }

// changeHead changes what stands in the place of the claim to come at the head, a claim of none.
func (q *Queue[T]) changeHead(to func(claim) claim) {
	for {
		h := q.head.Load()
		index := h >> segmentBits
		seg := q.segments.FindOrAdd(index, func(uint64) *directory.Segment[segment[T]] {
			if q.head.Load() != h {
				return nil
			}
			return q.newSegment(index)
		})
		if seg == nil {
			continue
		}
		word := &seg.Body.claims[h%segmentSize]
		w := claim(word.Load())
		none := w
		if !w.isOf(index) {
			none = newClaim(index, 0)
		}
		switch {
		case seg.Index() != index:
		case none.size() > 0:
			q.head.CompareAndSwap(h, h+w.size())
		case word.CompareAndSwap(uint64(w), uint64(to(none))):
			return
		}
	}
}

// ready returns how many tasks are published from a slot on without a gap, up to the end of a word.
func (g *segment[T]) ready(i uint64) uint64 {
	published := g.published[i/wordSize].Load()
	return uint64(bits.TrailingZeros64(^(published >> (i % wordSize))))
}
