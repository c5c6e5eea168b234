package enginetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// comesAgain wants each of held to be delivered again, and not before the lease that began after
// since had ended. That each has a higher Attempt is seen by pull.
func (h *handle) comesAgain(held []engine.Delivery, since time.Time) []engine.Delivery {
	again := h.pull(1)
	if took := time.Since(since); took < h.Lease()*9/10 {
		kit.Failf("task %d was delivered again %v after it was delivered or extended, want %v: it was held", again[0].ID, took, h.Lease())
	}
	if n := len(held) - 1; n > 0 {
		again = append(again, h.pull(n)...)
	}
	sameIDs("what was delivered again when leases had ended", idsOf(again), idsOf(held))
	return again
}

// heldForTheLease has tasks delivered again to any handle when their leases have ended, and
// once more when they are given back and when those leases have ended, each time with a
// higher Attempt.
func heldForTheLease(s *subject) {
	h, other := s.two()
	h.push(4)
	since := time.Now()
	ds := h.pull(4)
	for _, d := range ds {
		if d.Attempt != 1 {
			kit.Failf("task %d was first delivered with Attempt %d, want 1", d.ID, d.Attempt)
		}
	}
	ds = other.comesAgain(ds, since)
	h.quietFor(h.Lease()/2, "all tasks are held again")
	other.nack(ds)
	since = time.Now()
	other.comesAgain(h.pull(4), since)
}

// extended holds one task for longer than its lease, and another not.
func extended(s *subject) {
	h, other := s.two()
	lease := h.Lease()
	h.pushApart(2)
	since := time.Now()
	ds := h.pull(2)
	long, short := ds[:1], ds[1:]

	last := since
	atOnce(func() {
		for time.Since(since) < lease*5/2 {
			h.pause(lease / 5)
			if time.Since(last) > s.surely() {
				kit.Fail(errSlow)
			}
			last = time.Now()
			h.extend(long)
		}
	}, func() {
		other.ack(other.comesAgain(short, since))
	})
	other.ack(other.comesAgain(long, last))
}

// extendEnded extends a lease that has ended, and one of a task that is gone. Neither
// comes back by that.
func extendEnded(s *subject) {
	h, other := s.two()
	h.pushApart(2)
	ds := h.pull(2)
	h.ack(ds[1:])
	h.pause(h.Lease() * 6 / 5)
	_ = h.Extend(h.ctx, ds[1:]) // which may be an error
	_ = h.Extend(h.ctx, ds[:1])
	start := time.Now()
	again := other.pull(1) // which is not the one that was acknowledged
	if took := time.Since(start); took > h.Lease()*3/4 {
		kit.Failf("a task whose lease had ended was delivered %v after Extend, want at once: Extend did not revive the lease", took)
	}
	other.ack(again)
	other.quietFor(h.Lease()*6/5, "all tasks were acknowledged, and one of them extended after that")
}

// nacked gives back some of what is held, while another handle waits for a task, and while the
// same handle does.
func nacked(s *subject) {
	h, other := s.two()
	h.push(6)
	for _, puller := range []*handle{other, h} {
		// A Nack has to be told from the end of a lease. With a busy machine this is slow at times,
		// but not every time.
		prompt(4, min(h.Lease()/2, 500*time.Millisecond), "Pull, waiting when three tasks were given back,", func() time.Duration {
			ds := h.pull(6)
			var again []engine.Delivery
			took := puller.woken("Pull", func() { again = puller.pull(3) }, func() { h.nack(ds[1:4]) })
			if took < h.Lease()/2 { // or the others' leases may have ended
				sameIDs("what was delivered again of six tasks, of which three were given back", idsOf(again), idsOf(ds[1:4]))
			}
			h.nack(slices.Concat(ds[:1], again, ds[4:]))
			return took
		})
	}
}

// acked acknowledges all but one task. When that comes again, the others' leases would
// have ended, too.
func acked(s *subject) {
	h, other := s.two()
	h.pushApart(5)
	since := time.Now()
	ds := h.pull(5)
	h.ack(ds[:2])
	h.ack(ds[2:4])
	for range 2 { // errors, perhaps, but nothing happens
		_ = h.Ack(h.ctx, ds[:4])
		_ = h.Nack(h.ctx, ds[:2])
		_ = h.Extend(h.ctx, ds[:4])
	}
	again := other.comesAgain(ds[4:], since)
	other.quietFor(h.Lease()/2, "the others were acknowledged, and one is held")
	other.ack(again)
	_ = h.Ack(h.ctx, ds)
	ids := h.push(2)
	sameIDs("what was delivered of two new tasks", idsOf(h.pull(2)), ids)
}

// ackedInPart acknowledges some of what was pushed together. What was not comes again, and once it is
// acknowledged, nothing does.
func ackedInPart(s *subject) {
	h, other := s.two()
	ids := h.push(6)
	ds := h.pull(6)
	slices.SortFunc(ds, func(a, b engine.Delivery) int { return cmp.Compare(a.ID, b.ID) })
	h.ack(ds[:2])
	h.nack(ds[2:3])
	again := other.pull(1)
	sameIDs("what was delivered when one of six tasks was given back", idsOf(again), ids[2:3])
	h.ack(ds[3:4])
	other.ack(again)
	left := make(map[uint64]bool)
	for _, id := range ids[4:] {
		left[id] = true
	}
	for len(left) > 0 {
		ctx, cancel := context.WithTimeout(h.ctx, h.afterLease())
		ds, err := other.Pull(ctx, len(ids))
		cancel()
		if err != nil {
			kit.Failf("Pull returned error %q, want the two of six tasks that are neither acknowledged nor given back", err)
		}
		other.pulled(ds, len(ids))
		for _, d := range ds {
			delete(left, d.ID)
		}
		other.ack(ds)
	}
	other.quietFor(h.Lease()*3/2, "all tasks were acknowledged, in parts")
}

// ackEnded acknowledges when the lease has ended: what nobody has, and what another has.
// Either counts, if it is no error.
func ackEnded(s *subject) {
	h, other := s.two()
	h.pushApart(2)
	ds := h.pull(2)
	h.pause(h.Lease() * 6 / 5)
	again := other.pull(1)
	theirs, nobodys := ds[0], ds[1]
	if again[0].ID != theirs.ID {
		theirs, nobodys = nobodys, theirs
	}
	gone := func(d engine.Delivery) bool {
		if h.Ack(h.ctx, []engine.Delivery{d}) != nil {
			return false
		}
		s.gone(d.ID)
		return true
	}
	if gone(nobodys) {
		h.pause(while) // the moment in which it may be there
		other.quiet("one is held by another, and one was acknowledged when its lease had ended")
	} else {
		other.ack(other.pull(1))
	}
	if gone(theirs) {
		other.quietFor(h.Lease()*3/2, "it was acknowledged by a handle whose lease had ended")
	}
	_ = other.Ack(h.ctx, again)
	other.quiet("all tasks were acknowledged")
}
