package enginetest

import (
	"errors"
	"slices"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// someFit pushes more than the queue can hold.
func someFit(s *subject) {
	h := s.open()
	key, tasks := s.key(), s.batch(2*s.QueueBound)
	ids, err := h.Push(h.ctx, key, tasks)
	known := s.refusedPush(tasks, ids, err, nil, engine.ErrFull)
	if len(known) == 0 {
		h.quiet("Push returned ErrFull and no ID")
		return // all or nothing
	}
	for {
		ds := h.pull(len(known))
		sameIDs("of a Push that returned ErrFull, what was delivered", idsOf(ds), known)
		h.quiet("the task has no ID in what Push returned with ErrFull")
		h.ack(ds)
		before := ids
		h.eventually("there is no room again, after all tasks were acknowledged", func() bool {
			ids, err = h.Push(h.ctx, key, tasks)
			if err == nil {
				s.lastPush(tasks, ids, before)
				known = newIDs(ids, before)
				return true
			}
			known = s.refusedPush(tasks, ids, err, before, engine.ErrFull)
			return len(known) > 0
		})
		if err == nil {
			sameIDs("of the last Push, what was delivered", idsOf(h.pull(len(known))), known)
			h.quiet("all tasks were delivered once")
			return
		}
	}
}

// refusedPush has seen a Push return an error that should match target. It returns the
// IDs that are new, compared with before.
func (s *subject) refusedPush(tasks [][]byte, ids []uint64, err error, before []uint64, target error) []uint64 {
	if !errors.Is(err, target) {
		fail("Push returned %v, want an error matching %q", err, target)
	}
	if len(ids) != 0 && len(ids) != len(tasks) {
		fail("Push of %d tasks returned %d IDs and error %q, want none or %d", len(tasks), len(ids), err, len(tasks))
	}
	s.keptIDs(ids, before)
	var pushed [][]byte
	var known []uint64
	for i, id := range ids {
		if id != 0 && (before == nil || before[i] == 0) {
			pushed, known = append(pushed, tasks[i]), append(known, id)
		}
	}
	s.pushed(pushed, known)
	return known
}

// lastPush has seen a Push succeed that was refused before.
func (s *subject) lastPush(tasks [][]byte, ids, before []uint64) {
	if len(ids) != len(tasks) || slices.Contains(ids, 0) {
		fail("Push of %d tasks returned IDs %v, and no error", len(tasks), ids)
	}
	s.keptIDs(ids, before)
	var pushed [][]byte
	for i := range ids {
		if before[i] == 0 {
			pushed = append(pushed, tasks[i])
		}
	}
	s.pushed(pushed, newIDs(ids, before))
}

func (s *subject) keptIDs(ids, before []uint64) {
	for i, id := range before {
		if id != 0 && len(ids) > 0 && ids[i] != id {
			fail("Push, again with the same key, returned ID %d for task %d of the call, want %d as before", ids[i], i, id)
		}
	}
}

func newIDs(ids, before []uint64) (added []uint64) {
	for i, id := range ids {
		if before[i] == 0 {
			added = append(added, id)
		}
	}
	return added
}

func tooLargeTask(s *subject) {
	if s.TooLarge == 0 {
		notOffered("SUBJECT HAS NO TooLarge")
	}
	h := s.open()
	tasks := s.batch(3)
	tasks[1] = make([]byte, s.TooLarge)
	ids, err := h.Push(h.ctx, s.key(), tasks)
	known := s.refusedPush(tasks, ids, err, nil, engine.ErrTooLarge)
	if len(ids) > 0 && ids[1] != 0 {
		fail("Push returned ID %d for a task that is too large", ids[1])
	}
	if len(known) > 0 {
		sameIDs("of a Push that returned ErrTooLarge, what was delivered", idsOf(h.pull(len(known))), known)
	}
	h.quiet("the task has no ID in what Push returned with ErrTooLarge")
	sameIDs("a task of another Push", h.push(1), idsOf(h.pull(1)))
}

// full pushes until there is no room.
func full(s *subject) {
	h, other := s.open(), s.open()
	var known []uint64
	var err error
	for err == nil && len(known) < 2*s.QueueBound {
		tasks := s.batch(16)
		var ids []uint64
		if ids, err = h.Push(h.ctx, s.key(), tasks); err == nil {
			s.pushed(tasks, ids)
			known = append(known, ids...)
		} else {
			known = append(known, s.refusedPush(tasks, ids, err, nil, engine.ErrFull)...)
		}
	}
	if err == nil {
		fail("Push returned no error until %d tasks were in the queue, want one matching engine.ErrFull: QueueBound is %d",
			len(known), s.QueueBound)
	}
	prompt(20, 500*time.Millisecond, "Push to a queue that is full", func() time.Duration {
		tasks := s.batch(1)
		start := time.Now()
		ids, err := other.Push(h.ctx, s.key(), tasks)
		took := time.Since(start)
		if err == nil { // there was room for less than 16
			s.pushed(tasks, ids)
			known = append(known, ids...)
			return soon
		}
		s.refusedPush(tasks, ids, err, nil, engine.ErrFull)
		return took
	})
	if len(known) < s.QueueBound {
		fail("Push returned ErrFull when %d tasks were in the queue, want room for QueueBound: %d", len(known), s.QueueBound)
	}
	ds := h.pull(len(known))
	sameIDs("what was delivered of a queue that was full", idsOf(ds), known)
	h.quiet("the task was refused with ErrFull")
	h.ack(ds[:20])
	key, tasks := s.key(), s.batch(16)
	h.eventually("there is no room for 16 tasks, after 20 were acknowledged", func() bool {
		ids, err := other.Push(h.ctx, key, tasks)
		if err == nil {
			s.pushed(tasks, ids)
		}
		return err == nil
	})
	h.pull(16)
}
