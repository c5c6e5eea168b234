package enginetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// A pushing is a Push that may be refused, and is tried again then.
type pushing struct {
	s     *subject
	key   string
	tasks [][]byte
	ids   []uint64 // 0 for those that are not known to be in the queue
}

func (s *subject) pushing(tasks [][]byte) *pushing {
	return &pushing{s, s.key(), tasks, make([]uint64, len(tasks))}
}

// try makes the call, which may succeed or return an error matching refusal. It returns
// the IDs that were not known before.
func (p *pushing) try(h *handle, refusal error) (fresh []uint64, err error) {
	ids, err := h.Push(h.ctx, p.key, p.tasks)
	switch {
	case err != nil && !errors.Is(err, refusal):
		kit.Failf("Push returned error %q, want none or one matching %q", err, refusal)
	case len(ids) != len(p.tasks) && (err == nil || len(ids) > 0):
		kit.Failf("Push of %d tasks returned %d IDs and error %v", len(p.tasks), len(ids), err)
	case err == nil && slices.Contains(ids, 0):
		kit.Failf("Push of %d tasks returned ID 0 for task %d of the call, and no error", len(p.tasks), slices.Index(ids, 0))
	}
	var tasks [][]byte
	for i, id := range ids {
		switch {
		case id == 0:
		case p.ids[i] == 0:
			p.ids[i] = id
			tasks, fresh = append(tasks, p.tasks[i]), append(fresh, id)
		case p.ids[i] != id:
			kit.Failf("Push, again with the same key, returned ID %d for task %d of the call, want %d as before", id, i, p.ids[i])
		}
	}
	// Those of one call are in order. A task that was refused may get its ID later than
	// those behind it.
	p.s.pushed(tasks, fresh)
	return fresh, err
}

func tooLargeTask(s *subject) {
	if s.TooLarge == 0 {
		notOffered("SUBJECT HAS NO TooLarge")
	}
	h := s.open()
	tasks := s.batch(3)
	tasks[1] = make([]byte, s.TooLarge)
	p := s.pushing(tasks)
	fresh, err := p.try(h, engine.ErrTooLarge)
	if err == nil || p.ids[1] != 0 {
		kit.Failf("Push returned ID %d and error %v for a task that is too large", p.ids[1], err)
	}
	if len(fresh) > 0 {
		sameIDs("of a Push that returned ErrTooLarge, what was delivered", idsOf(h.pull(len(fresh))), fresh)
	}
	h.quiet("the task has no ID in what Push returned with ErrTooLarge")
	sameIDs("a task of another Push", h.push(1), idsOf(h.pull(1)))
}

// refusedPush pushes where an engine need not do anything. What it says it has not put into
// the queue is not there.
func refusedPush(s *subject) {
	h, other := s.two()
	ended, cancel := context.WithCancel(s.ctx)
	cancel()
	try := func(ctx context.Context, when string, must bool) {
		ids, err := h.Push(ctx, s.key(), s.batch(3))
		switch {
		case !errors.Is(err, engine.ErrRefused) && must:
			kit.Failf("Push returned IDs %v and error %v %s, want an error matching engine.ErrRefused", ids, err, when)
		case errors.Is(err, engine.ErrRefused):
			if slices.ContainsFunc(ids, func(id uint64) bool { return id != 0 }) {
				kit.Failf("Push returned IDs %v %s, and error %q, which matches engine.ErrRefused", ids, when, err)
			}
			other.quiet("Push has returned an error matching engine.ErrRefused " + when)
		}
	}
	try(ended, "with a context that is done", false)
	h.close()
	try(s.ctx, "after Close", true)
}

// full pushes until there is no room for all tasks of a call, and pushes those again when there is.
func full(s *subject) {
	h, other := s.two()
	var known []uint64
	var p *pushing
	for err := error(nil); err == nil; {
		if len(known) >= 2*s.QueueBound {
			kit.Failf("Push returned no error until %d tasks were in the queue, want one matching engine.ErrFull: QueueBound is %d",
				len(known), s.QueueBound)
		}
		var fresh []uint64
		p = s.pushing(s.batch(s.QueueBound/8 + 3))
		fresh, err = p.try(h, engine.ErrFull)
		known = append(known, fresh...)
	}
	prompt(20, 500*time.Millisecond, "Push to a queue that is full", func() time.Duration {
		start := time.Now()
		fresh, err := s.pushing(s.batch(1)).try(other, engine.ErrFull)
		took := time.Since(start)
		if err == nil { // there was room for one
			known = append(known, fresh...)
			return soon
		}
		return took
	})
	if len(known) < s.QueueBound {
		kit.Failf("Push returned ErrFull when %d tasks were in the queue, want room for QueueBound: %d", len(known), s.QueueBound)
	}
	for len(known) > 0 {
		ds := h.pull(len(known))
		sameIDs("of a queue that was full, what was delivered", idsOf(ds), known)
		h.quiet("the task had no ID in what Push returned with ErrFull, or had been delivered")
		h.ack(ds)
		known = p.untilRoom(other)
	}
}

// untilRoom tries until one more of the tasks is in the queue, if not all are. There is room as
// soon as others are acknowledged.
func (p *pushing) untilRoom(h *handle) (fresh []uint64) {
	for start := time.Now(); len(fresh) == 0 && slices.Contains(p.ids, 0); h.pause(2 * time.Millisecond) {
		fresh, _ = p.try(h, engine.ErrFull)
		if time.Since(start) > 2*soon {
			kit.Failf("Push of %d tasks returned ErrFull for %v, although others were acknowledged", len(p.tasks), 2*soon)
		}
	}
	return fresh
}

// pushWhenThereIsRoom pushes n tasks.
func (h *handle) pushWhenThereIsRoom(n int) {
	p := h.s.pushing(h.s.batch(n))
	for len(p.untilRoom(h)) > 0 {
	}
}
