package enginetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/engine"
)

func atMost(s *subject) {
	h := s.open()
	h.push(40)
	for _, limit := range []int{1, 3, 1, 7, 28} {
		h.pull(limit) // which looks at what each Pull returns
	}
}

// noWaitingForMore pulls more than there is.
func noWaitingForMore(s *subject) {
	h := s.open()
	prompt(5, 250*time.Millisecond, "Pull of at most 10, with 2 tasks in the queue,", func() time.Duration {
		h.push(2)
		start := time.Now()
		ds, err := h.Pull(h.ctx, 10)
		took := time.Since(start)
		if err != nil {
			fail("Pull returned error %q, want none", err)
		}
		h.pulled(ds, 10)
		h.ack(ds)
		if len(ds) == 1 {
			h.ack(h.pull(1))
		}
		return took
	})
}

// waitsForOne has a Pull wait that a Push by another handle wakes.
func waitsForOne(s *subject) {
	h, other := s.open(), s.open()
	prompt(3, time.Second, "Pull, waiting when a task was pushed,", func() time.Duration {
		var pushed, pulled time.Time
		together(s.ctx, func(ctx context.Context) {
			ds := h.with(ctx).pullWithin(soon+while, 1)
			pulled = time.Now()
			h.ack(ds)
		}, func(ctx context.Context) {
			h.pause(while)
			pushed = time.Now()
			other.with(ctx).push(1)
		})
		if pulled.Before(pushed) {
			fail("Pull returned a task before there was one")
		}
		return pulled.Sub(pushed)
	})
}

// aboutInOrder allows for some disorder, as of an engine on several machines.
func aboutInOrder(s *subject) {
	h := s.open()
	var ids []uint64
	for range 10 {
		ids = append(ids, h.push(10)...)
	}
	slices.Sort(ids)
	for i, d := range h.pull(100)[:25] {
		if at, _ := slices.BinarySearch(ids, d.ID); at >= 75 {
			fail("Pull returned the task with the %dth of 100 IDs as number %d, want about the order of the IDs", at+1, i+1)
		}
	}
}

// pullsThatEnd pulls with contexts that end at any moment. What they may have taken over
// then is delivered to those after them.
func pullsThatEnd(s *subject) {
	const n = 100
	h, other := s.open(), s.open()
	rng := rand.New(rand.NewPCG(1, 2))
	var over atomic.Bool
	got := make(map[uint64]bool)
	take := func(ds []engine.Delivery, limit int) {
		h.pulled(ds, limit)
		for _, d := range ds {
			if got[d.ID] {
				fail("Pull returned task %d after it was acknowledged", d.ID)
			}
			got[d.ID] = true
		}
		h.ack(ds)
	}
	together(s.ctx, func(ctx context.Context) {
		defer over.Store(true)
		for range n {
			other.with(ctx).push(1)
			h.pause(time.Millisecond)
		}
	}, func(ctx context.Context) {
		for !over.Load() && ctx.Err() == nil {
			short, cancel := context.WithTimeout(ctx, time.Duration(rng.IntN(4000))*time.Microsecond)
			ds, err := h.Pull(short, 3)
			switch {
			case err == nil:
				take(ds, 3)
			case len(ds) > 0:
				fail("Pull returned %d tasks and error %q, want one or the other", len(ds), err)
			case !refused(short, err):
				fail("Pull returned error %q, want one matching the context's", err)
			}
			cancel()
		}
	})
	for end := time.Now().Add(3*h.Lease() + soon); len(got) < n; {
		ctx, cancel := context.WithDeadline(s.ctx, end)
		ds, err := h.Pull(ctx, 50)
		cancel()
		if err != nil {
			fail("Pull has returned %d of %d tasks, and then error %q, after calls that had ended with their contexts", len(got), n, err)
		}
		take(ds, 50)
	}
}

// doneBefore calls every method with contexts that are done. It does its work, or says
// that it does not.
func doneBefore(s *subject) {
	h := s.open()
	canceled, cancel := context.WithCancel(s.ctx)
	cancel()
	caused, cancelCause := context.WithCancelCause(s.ctx)
	cancelCause(errCause)
	expired, cancel := context.WithDeadline(s.ctx, time.Now().Add(-time.Hour))
	defer cancel()
	for i, ctx := range []context.Context{canceled, caused, expired} {
		h.tryDone(ctx, uint64(100*(i+1)))
	}
}

var errCause = errors.New("enginetest: the cause of a cancel")

func (h *handle) tryDone(done context.Context, id uint64) {
	// want reports whether the work was done.
	want := func(method string, err error) bool {
		if err != nil && !refused(done, err) {
			fail("%s, with a context that is done, returned error %q, want none or one matching the context's", method, err)
		}
		return err == nil
	}
	key, tasks := h.s.key(), h.s.batch(2)
	ids, err := h.Push(done, key, tasks)
	if want("Push", err) {
		h.s.pushed(tasks, ids)
		h.pushAgain(key, tasks, ids)
	} else {
		h.pushTasks(key, tasks)
	}

	ds, err := h.Pull(done, 2)
	if want("Pull", err) {
		h.pulled(ds, 2)
	} else if len(ds) > 0 {
		fail("Pull returned %d tasks and error %q, want one or the other", len(ds), err)
	}
	if len(ds) < 2 {
		// A Pull that ended with its context may have taken over what it has not returned.
		ds = append(ds, h.pullWithin(soon+2*h.Lease(), 2-len(ds))...)
	}
	want("Extend", h.Extend(done, ds))
	if want("Nack", h.Nack(done, ds[:1])) {
		ds = append(h.pull(1), ds[1])
	}
	if !want("Ack", h.Ack(done, ds)) {
		h.ack(ds)
	}

	rec := records(id, 1)[0]
	if want("Save", h.Save(done, []engine.Record{rec})) {
		h.has(rec)
	} else {
		h.save(rec)
	}
	if data, err := h.Load(done, id); want("Load", err) && string(data) != string(rec.Data) {
		fail("Load(%d), with a context that is done, returned %s, want %s", id, brief(data), brief(rec.Data))
	}
	yielded := 0
	err = nil
	for _, err = range h.All(done) {
		if yielded++; err != nil {
			break
		}
	}
	if want("All", err) && yielded != 1 {
		fail("All, with a context that is done, yielded %d records and no error, want 1", yielded)
	}
	if want("Delete", h.Delete(done, []uint64{id})) {
		h.hasNot(id)
	} else {
		h.has(rec)
		h.del(id)
	}
}

// doneWhileWaiting ends the context of a Pull that waits.
func doneWhileWaiting(s *subject) {
	h := s.open()
	h.endsWithItsContext("Pull", func(ctx context.Context) error {
		ds, err := h.Pull(ctx, 3)
		if len(ds) > 0 {
			fail("Pull of an empty queue returned %d tasks", len(ds))
		}
		return err
	})
}

// endsWithItsContext has call wait, and then ends its context in every way.
func (h *handle) endsWithItsContext(method string, call func(ctx context.Context) error) {
	end := func(ctx context.Context, cancel func()) {
		prompt(3, time.Second, method+", waiting when its context ended,", func() time.Duration {
			var ended, returned time.Time
			together(ctx, func(context.Context) {
				err := call(ctx)
				returned = time.Now()
				if !refused(ctx, err) {
					fail("%s, waiting when its context ended, returned %v, want an error matching the context's", method, err)
				}
			}, func(context.Context) {
				h.pause(while)
				ended = time.Now()
				cancel()
			})
			return returned.Sub(ended)
		})
	}
	ctx, cancel := context.WithCancel(h.ctx)
	end(ctx, cancel)
	caused, cancelCause := context.WithCancelCause(h.ctx)
	end(caused, func() { cancelCause(errCause) })
	expiring, cancel := context.WithTimeout(h.ctx, while)
	defer cancel()
	end(expiring, func() {})
}
