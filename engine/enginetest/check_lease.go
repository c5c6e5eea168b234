package enginetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// A redelivery is when a task was delivered, and how.
type redelivery struct {
	engine.Delivery
	at time.Time
}

// collect pulls with all handles at once until n tasks were delivered, each once, and
// none of them before its time.
func (s *subject) collect(n int, limit time.Duration, handles ...*handle) map[uint64]redelivery {
	got := make(map[uint64]redelivery)
	if n == 0 {
		return got
	}
	var mu sync.Mutex
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	together(ctx, times(len(handles), func(ctx context.Context, i int) {
		for {
			ds, err := handles[i].Pull(ctx, n)
			at := time.Now()
			mu.Lock()
			so := len(got)
			mu.Unlock()
			if err != nil {
				if so == n && refused(ctx, err) {
					return
				}
				fail("Pull returned error %q after %d of %d tasks whose leases had ended or were to end, in %v at most",
					err, so, n, limit)
			}
			handles[i].pulled(ds, n)
			mu.Lock()
			for _, d := range ds {
				if _, twice := got[d.ID]; twice { // after its lease, or pulled had told
					mu.Unlock()
					panic(failure{errSlow})
				}
				got[d.ID] = redelivery{d, at}
			}
			so = len(got)
			mu.Unlock()
			if so == n {
				cancel()
			}
		}
	})...)
	return got
}

// again wants d to have been delivered again, and not before its lease had ended.
func (s *subject) again(got map[uint64]redelivery, d engine.Delivery, since time.Time, lease time.Duration) redelivery {
	r, ok := got[d.ID]
	switch early := lease * 9 / 10; {
	case !ok:
		fail("task %d was not delivered again", d.ID)
	case r.Attempt <= d.Attempt:
		fail("task %d was delivered again with Attempt %d, after Attempt %d", d.ID, r.Attempt, d.Attempt)
	case r.at.Sub(since) < early:
		fail("task %d was delivered again %v after it was delivered or extended, want %v: it was held", d.ID, r.at.Sub(since), lease)
	}
	return r
}

func heldForTheLease(s *subject) {
	h, other := s.open(), s.open()
	ids := h.push(4)
	since := time.Now()
	ds := h.pull(4)
	for _, d := range ds {
		if d.Attempt != 1 {
			fail("task %d was first delivered with Attempt %d, want 1", d.ID, d.Attempt)
		}
	}
	got := s.collect(4, h.afterLease(), h, other)
	for _, d := range ds {
		s.again(got, d, since, h.Lease())
	}
	other.quietFor(h.Lease()/2, "all tasks are held again")
	sameIDs("all that was delivered", idsOf(ds), ids)
}

// attempts has a task delivered again when its lease has ended, and when it is given
// back.
func attempts(s *subject) {
	h, other := s.open(), s.open()
	h.push(1)
	since := time.Now()
	d := h.pull(1)[0]
	for i := range 2 {
		r := s.again(s.collect(1, h.afterLease(), other), d, since, h.Lease())
		other.nack([]engine.Delivery{r.Delivery})
		since = time.Now()
		d = other.pullWithin(h.afterLease(), 1)[0]
		if d.Attempt <= r.Attempt {
			fail("a task was delivered with Attempt %d and given back, and then delivered with Attempt %d (round %d)",
				r.Attempt, d.Attempt, i+1)
		}
	}
}

// extended holds one task for longer than its lease, and another not.
func extended(s *subject) {
	h, other := s.open(), s.open()
	lease := h.Lease()
	h.push(2)
	since := time.Now()
	ds := h.pull(2)
	long, short := ds[:1], ds[1]

	last := since
	together(s.ctx, func(ctx context.Context) {
		extending := h.with(ctx)
		for time.Since(since) < lease*5/2 {
			h.pause(lease / 5)
			if time.Since(last) > s.surely() {
				panic(failure{errSlow})
			}
			last = time.Now()
			extending.extend(long)
		}
	}, func(context.Context) {
		got := s.collect(1, h.afterLease(), other)
		r := s.again(got, short, since, lease)
		other.ack([]engine.Delivery{r.Delivery})
	})
	got := s.collect(1, h.afterLease(), h, other)
	r := s.again(got, long[0], last, lease)
	other.ack([]engine.Delivery{r.Delivery})
}

// extendEnded extends a lease that has ended, and one of a task that is gone. Neither
// comes back by that.
func extendEnded(s *subject) {
	h, other := s.open(), s.open()
	h.push(2)
	ds := h.pull(2)
	h.ack(ds[1:])
	h.pause(h.Lease() * 6 / 5)
	_ = h.Extend(h.ctx, ds[1:]) // which may be an error
	_ = h.Extend(h.ctx, ds[:1])
	start := time.Now()
	again := other.pullWithin(h.afterLease(), 1)
	if took := time.Since(start); took > h.Lease()*3/4 {
		fail("a task whose lease had ended was delivered %v after Extend, want at once: Extend did not revive the lease", took)
	}
	if again[0].ID != ds[0].ID {
		fail("Pull returned task %d, which was acknowledged, after Extend of it", again[0].ID)
	}
	other.ack(again)
	other.quietFor(h.Lease()*6/5, "all tasks were acknowledged, and one of them extended after that")
}

// nackWakesOthers gives tasks back while another handle waits for one.
func nackWakesOthers(s *subject) {
	h, other := s.open(), s.open()
	h.push(2)
	// With a busy machine this is slow at times, but not every time.
	prompt(4, h.brisk(), "Pull of another handle, waiting when two tasks were given back,", func() time.Duration {
		ds := h.pullWithin(h.afterLease(), 2)
		var nacked time.Time
		var got []engine.Delivery
		var pulled time.Time
		together(s.ctx, func(ctx context.Context) {
			got = other.with(ctx).pullWithin(h.afterLease(), 2)
			pulled = time.Now()
		}, func(ctx context.Context) {
			h.pause(min(while, h.Lease()/4))
			nacked = time.Now()
			h.with(ctx).nack(ds)
		})
		for _, d := range got {
			i := slices.IndexFunc(ds, func(old engine.Delivery) bool { return old.ID == d.ID })
			if d.Attempt <= ds[i].Attempt {
				fail("task %d was delivered with Attempt %d and given back, and then delivered with Attempt %d", d.ID, ds[i].Attempt, d.Attempt)
			}
		}
		other.nack(got)
		return pulled.Sub(nacked)
	})
}

// nackSome gives back some of what is held, to itself.
func nackSome(s *subject) {
	h := s.open()
	h.push(6)
	prompt(4, h.brisk(), "Pull of tasks that the same handle had given back", func() time.Duration {
		ds := h.pullWithin(h.afterLease(), 6)
		start := time.Now()
		h.nack(ds[1:4])
		again := h.pullWithin(h.afterLease(), 3)
		took := time.Since(start)
		if took < h.Lease()/2 { // or the others' leases may have ended
			sameIDs("what was delivered again of six tasks, of which three were given back", idsOf(again), idsOf(ds[1:4]))
		}
		h.nack(slices.Concat(ds[:1], again, ds[4:]))
		return took
	})
}

// acked acknowledges all but one task. When that comes again, the others' leases would
// have ended, too.
func acked(s *subject) {
	h, other := s.open(), s.open()
	h.push(5)
	since := time.Now()
	ds := h.pull(5)
	h.ack(ds[:2])
	h.ack(ds[2:4])
	for range 2 { // errors, perhaps, but nothing happens
		_ = h.Ack(h.ctx, ds[:4])
		_ = h.Nack(h.ctx, ds[:2])
		_ = h.Extend(h.ctx, ds[:4])
	}
	got := s.collect(1, h.afterLease(), other)
	r := s.again(got, ds[4], since, h.Lease())
	other.quietFor(h.Lease()/2, "the others were acknowledged, and one is held")
	other.ack([]engine.Delivery{r.Delivery})
	_ = h.Ack(h.ctx, ds)
	ids := h.push(2)
	sameIDs("what was delivered of two new tasks", idsOf(h.pullWithin(h.afterLease(), 2)), ids)
}

// ackEnded acknowledges when the lease has ended: what nobody has, and what another has.
// Either counts, if it is no error.
func ackEnded(s *subject) {
	h, other := s.open(), s.open()
	h.push(2)
	ds := h.pull(2)
	h.pause(h.Lease() * 6 / 5)
	again := other.pullWithin(h.afterLease(), 1)
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
		other.ack(other.pullWithin(h.afterLease(), 1))
	}
	if gone(theirs) {
		other.quietFor(h.Lease()*3/2, "it was acknowledged by a handle whose lease had ended")
	}
	_ = other.Ack(h.ctx, again)
	other.quiet("all tasks were acknowledged")
}
