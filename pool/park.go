package pool

import (
	"cmp"
	"container/heap"
	"container/list"
	"time"

	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/store"
)

// A task that was taken out of the queue and cannot run now is parked: it holds no worker, counts as
// queued, and takes up room. It waits in one of these, all guarded by Pool.mu:
//
//	in         until                                          is put there by        and taken out by
//	a lane     one of its key has ended, whose place it gets  takeLocked, admit      leaveLaneLocked
//	later      its time has come                              again                  runClock
//	behind     those have begun that wait before it           again                  nextReadyLocked
//	ready      a worker takes it                              leaveLaneLocked,       nextReadyLocked
//	                                                          runClock
//
// Cancel and the reaper take tasks out of each. While something is in ready or behind, and always in a pool
// with keys, the queue turns workers away: so each comes for its next task with mu held, and none is
// taken past those. A pool in which nothing is parked does none of this.
//
// The queue takes a parked task for one that has begun; Stats and Running know better. It goes on where
// it was: the worker that takes it resumes its place in its old claim.
type parking[T, R any] struct {
	tasks  map[store.ID]*parked[T, R] // all of them
	most   int                        // see emptied
	ready  list.List
	behind list.List
	later  dues[T, R]
	clock  bool          // its goroutine is there: while something is in later
	alarm  chan struct{} // closed to wake it; nil if it does not sleep
}

// parked is a task that is parked; or that runs, and was parked before or is in a lane.
type parked[T, R any] struct {
	id       store.ID
	ticket   uint64
	task     T
	attempts int             // runs of its function that have ended
	since    time.Duration   // from when on it waits for the next of them, by the queue's clock
	ran      time.Duration   // for how long the last of them ran, if that is to be known
	last     store.Result[R] // what the last of them has returned
	key      any             // nil in a pool without keys
	lane     *lane           // in which it has a place; nil: none

	due    time.Time
	index  int           // in later
	behind uint64        // it waits until all tasks with lower tickets have begun; not only until they are claimed, since some may be in its worker's own claim
	line   *list.List    // ready, behind or a lane's line, in which it waits; nil: in later
	place  *list.Element // there
}

func (p *Pool[T, R]) hasReadyLocked() bool { return p.park.ready.Len()+p.park.behind.Len() > 0 }

// lineUpLocked parks a task at the end of a line, if it is not parked, and moves it there if it is.
func (p *Pool[T, R]) lineUpLocked(t *parked[T, R], line *list.List) {
	p.unlineLocked(t)
	if _, is := p.park.tasks[t.id]; !is {
		p.parkLocked(t)
	}
	t.line, t.place = line, line.PushBack(t)
}

// parkLocked puts a task into the parking. It takes up room, as the others that wait do.
func (p *Pool[T, R]) parkLocked(t *parked[T, R]) {
	p.park.tasks[t.id] = t
	p.queue.AddRoom(-1)
}

// unlineLocked takes a task out of what it waits in.
func (p *Pool[T, R]) unlineLocked(t *parked[T, R]) {
	switch {
	case t.line != nil:
		t.line.Remove(t.place)
		t.line, t.place = nil, nil
	case t.index >= 0:
		heap.Remove(&p.park.later, t.index)
		if len(p.park.later) == 0 {
			p.ringLocked()
		}
	}
}

// unparkLocked takes a task out of the parking.
func (p *Pool[T, R]) unparkLocked(t *parked[T, R]) {
	p.unlineLocked(t)
	delete(p.park.tasks, t.id)
	p.park.tasks = emptied(p.park.tasks, &p.park.most)
	p.queue.AddRoom(1)
}

// takeLocked has h hold the next task that may run. t is nil for one that was not parked and has no key.
func (p *Pool[T, R]) takeLocked(h *queue.Hand[T]) (it queue.Item[T], t *parked[T, R], found queue.Found) {
	for {
		if t = p.nextReadyLocked(false); t != nil {
			return p.resumeLocked(h, t)
		}
		if it, _, found = p.queue.NextOwned(h); found == queue.None {
			if t = p.nextReadyLocked(true); t != nil {
				return p.resumeLocked(h, t)
			}
			return it, nil, found
		}
		if p.keys == nil {
			return it, nil, found
		}
		l := p.keys.Next()
		id := store.ID(it.ID)
		if h.IsCalledOff() && p.passLocked(h, id) {
			p.keys.Forget(l)
			continue
		}
		t = &parked[T, R]{id: id, ticket: h.Ticket(), task: it.Task, index: -1, key: l.key}
		if p.enterLocked(t, l) {
			return it, t, found
		}
		h.Pass()
	}
}

// nextReadyLocked takes the first task that is ready out of the parking, or nil. One that is behind others
// is so when they have begun, or, if the queue is empty, anyway.
func (p *Pool[T, R]) nextReadyLocked(isEmpty bool) *parked[T, R] {
	for _, line := range []*list.List{&p.park.ready, &p.park.behind} {
		first := line.Front()
		if first == nil {
			continue
		}
		t := first.Value.(*parked[T, R])
		if line == &p.park.behind {
			if !isEmpty && !p.queue.HasBegunBelow(t.behind) {
				continue
			}
			if !p.admitLocked(t) {
				return p.nextReadyLocked(isEmpty)
			}
		}
		p.unparkLocked(t)
		return t
	}
	return nil
}

// resumeLocked has h hold a task that is not parked any more.
func (p *Pool[T, R]) resumeLocked(h *queue.Hand[T], t *parked[T, R]) (queue.Item[T], *parked[T, R], queue.Found) {
	p.queue.Resume(h, t.ticket)
	if p.share != nil {
		p.share.Resumed()
	}
	return queue.Item[T]{ID: uint64(t.id), Task: t.task}, t, queue.Claimed
}

// admitLocked gives a task that comes again its place among those of its key. If it has to wait for that, it
// does, and admitLocked returns false.
func (p *Pool[T, R]) admitLocked(t *parked[T, R]) bool {
	return p.keys == nil || p.enterLocked(t, p.keys.Again(t.key))
}

// enterLocked gives a task a place in its lane, or has it wait there.
func (p *Pool[T, R]) enterLocked(t *parked[T, R], l *lane) bool {
	if l.taken == l.places {
		p.lineUpLocked(t, &l.waiting)
		return false
	}
	l.taken++
	t.lane = l
	return true
}

// leaveLaneLocked has a task give its place, if it has one, to the next of its key.
func (p *Pool[T, R]) leaveLaneLocked(t *parked[T, R]) {
	l := t.lane
	if l == nil {
		return
	}
	t.lane = nil
	if next := l.waiting.Front(); next != nil {
		n := next.Value.(*parked[T, R])
		n.lane = l
		p.lineUpLocked(n, &p.park.ready)
		return
	}
	l.taken--
	p.keys.Forget(l)
}

// again parks the task of w, whose function has returned a RetryAfter, and reports whether it has. If
// the task is not to run again here, its result says why; an engine that can wait has it back.
//
// Whether the pool ends, or Cancel ends the task, is looked for after leave: a Cancel that comes later finds
// that the function has returned, or finds the task parked.
func (p *Pool[T, R]) again(w *worker[T, R], task T) bool {
	retry := w.retry
	w.retry, w.res.Err = nil, retry.err
	p.leave(w, 0)
	p.lockHeedingCancel()
	defer p.wakeAndUnlock()
	isCancel, why := p.noRetryLocked(w.id)
	isGivenBack := !isCancel && p.share != nil && p.share.RunLater(uint64(w.id), retry.after)
	if why != nil || isGivenBack {
		w.returned = w.hand.Ticket() + 1
		w.word.Or(w.returned)
		w.res, w.outcome = p.endedBy(w.res, cmp.Or(why, w.res.Err), isCancel)
		return false
	}
	t := w.parked
	if t == nil {
		t = &parked[T, R]{id: w.id, ticket: w.hand.Ticket(), task: task, index: -1}
	}
	t.attempts++
	t.since = p.queue.Now() + max(0, retry.after)
	if !w.began.IsZero() {
		t.ran = time.Since(w.began)
	}
	t.last = w.res
	w.parked = nil
	w.hand.Pass()
	w.forget()
	w.outcome = succeeded
	p.leaveLaneLocked(t)
	if retry.after <= 0 {
		t.behind = p.queue.Pushed()
		p.lineUpLocked(t, &p.park.behind)
		return true
	}
	p.parkLocked(t)
	t.due = time.Now().Add(retry.after)
	heap.Push(&p.park.later, t)
	if !p.park.clock {
		p.park.clock = true
		p.goLocked(p.runClock)
	} else if t.index == 0 {
		p.ringLocked()
	}
	return true
}

// noRetryLocked returns why a task is not to run again, or nil, and whether it is Cancel that wants it. It is asked
// once, when the function has returned.
func (p *Pool[T, R]) noRetryLocked(id store.ID) (isCancel bool, why error) {
	why = p.cancels[id]
	delete(p.cancels, id)
	switch {
	case why != nil:
		return true, why
	case p.phase >= aborting:
		return false, p.unrun
	case p.phase == draining && p.target == 0: // nobody would run it
		return false, ErrNoWorkers
	default:
		return false, nil
	}
}

// endedBy returns what becomes of a task that has run, and is not run again: what it has returned last, and
// why. A task of an engine is given back, unless Cancel has ended it, which is final for all who have joined.
func (p *Pool[T, R]) endedBy(last store.Result[R], why error, isCancel bool) (store.Result[R], outcome) {
	if p.share != nil && !isCancel {
		return store.Result[R]{ID: last.ID, Err: p.notRunError(why)}, notRun
	}
	last.Err = text.Because(last.Err, why)
	return last, failed
}

// unrunResult returns what becomes of a parked task that is not run, or not again.
func (p *Pool[T, R]) unrunResult(t *parked[T, R], why error, isCancel bool) (store.Result[R], outcome) {
	if t.attempts > 0 {
		return p.endedBy(t.last, why, isCancel)
	}
	return store.Result[R]{ID: t.id, Err: notRunBecause(why)}, notRun // it has waited for its key, which no engine has
}

// runClock makes tasks ready whose time has come. It is there while there are some to come.
func (p *Pool[T, R]) runClock() {
	for {
		p.mu.Lock()
		p.park.alarm = nil
		now := time.Now()
		for len(p.park.later) > 0 && !p.park.later[0].due.After(now) {
			t := p.park.later[0]
			if p.admitLocked(t) {
				p.lineUpLocked(t, &p.park.ready)
			}
		}
		if len(p.park.later) == 0 {
			p.park.clock = false
			p.wakeAndUnlock()
			return
		}
		pause := p.park.later[0].due.Sub(now)
		alarm := make(chan struct{})
		p.park.alarm = alarm
		p.wakeAndUnlock()
		select {
		case <-time.After(pause):
		case <-alarm:
		}
	}
}

// ringLocked wakes the clock: the first time to come is another.
func (p *Pool[T, R]) ringLocked() {
	if p.park.alarm != nil {
		p.wake = append(p.wake, p.park.alarm)
		p.park.alarm = nil
	}
}

// dues is a heap of tasks by the time at which each is to run again.
type dues[T, R any] []*parked[T, R]

func (d dues[T, R]) Len() int           { return len(d) }
func (d dues[T, R]) Less(i, j int) bool { return d[i].due.Before(d[j].due) }

func (d dues[T, R]) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].index, d[j].index = i, j
}

// Push is for package heap.
func (d *dues[T, R]) Push(x any) {
	t := x.(*parked[T, R])
	t.index = len(*d)
	*d = append(*d, t)
}

// Pop is for package heap.
func (d *dues[T, R]) Pop() any {
	last := len(*d) - 1
	t := (*d)[last]
	(*d)[last] = nil
	if *d = (*d)[:last]; last == 0 {
		*d = nil // as emptied does
	}
	t.index = -1
	return t
}

// emptied returns m, from which something was deleted, or, if nothing is left of what was much, another map: one
// keeps the memory of all that was ever in it at once. most is how much that was.
func emptied[K comparable, V any](m map[K]V, most *int) map[K]V {
	*most = max(*most, len(m))
	if len(m) > 0 || *most < 1<<10 {
		return m
	}
	*most = 0
	return make(map[K]V)
}
