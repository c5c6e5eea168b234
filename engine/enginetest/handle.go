package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/resultpool/resultpool/engine"
)

const (
	// soon is for what happens "in a moment", or wakes somebody: how long a check waits
	// for it before it says that it never happens.
	soon = 5 * time.Second

	// while is for how long a check looks out for what must not happen.
	while = 150 * time.Millisecond
)

// A handle is an engine with methods that say what they want of it. Those that begin
// with a small letter panic with a failure if they do not get it.
type handle struct {
	engine.Engine
	s   *subject
	ctx context.Context // the check's
}

// push pushes n new tasks.
func (h *handle) push(n int) []uint64 { return h.pushTasks(h.s.key(), h.s.batch(n)) }

func (h *handle) pushTasks(key string, tasks [][]byte) []uint64 {
	ids, err := h.Push(h.ctx, key, tasks)
	if err != nil {
		fail("Push of %d tasks returned error %q, want none", len(tasks), err)
	}
	h.s.pushed(tasks, ids)
	return ids
}

// pushAgain pushes what was pushed.
func (h *handle) pushAgain(key string, tasks [][]byte, want []uint64) {
	ids, err := h.Push(h.ctx, key, tasks)
	if err != nil {
		fail("Push, again with the same key, returned error %q, want none", err)
	}
	if fmt.Sprint(ids) != fmt.Sprint(want) {
		fail("Push, again with the same key, returned IDs %v, want %v as before", ids, want)
	}
}

// pullWithin pulls n tasks, different ones and within d.
func (h *handle) pullWithin(d time.Duration, n int) []engine.Delivery {
	ctx, cancel := context.WithTimeout(h.ctx, d)
	defer cancel()
	var all []engine.Delivery
	seen := make(map[uint64]bool)
	last := time.Now() // a new one came
	for len(all) < n {
		ds, err := h.Pull(ctx, n-len(all))
		if err != nil {
			fail("Pull has returned %d of %d tasks, and then error %q, after %v at most", len(all), n, err, d)
		}
		h.pulled(ds, n-len(all))
		for _, one := range ds {
			switch {
			case !seen[one.ID]:
			case time.Since(last) >= h.s.surely():
				fail("Pull has returned %d of %d tasks, and then none for %v until the leases of these had ended", len(all), n, time.Since(last))
			default: // after its lease, or delivered had told
				panic(failure{errSlow})
			}
			seen[one.ID] = true
		}
		last = time.Now()
		all = append(all, ds...)
	}
	return all
}

func (h *handle) pull(n int) []engine.Delivery { return h.pullWithin(h.afterLease(), n) }

// pulled has seen Pull return ds and nil.
func (h *handle) pulled(ds []engine.Delivery, limit int) {
	if len(ds) < 1 || len(ds) > limit {
		fail("Pull of at most %d returned %d tasks and no error, want 1 to %d", limit, len(ds), limit)
	}
	for _, d := range ds {
		h.s.delivered(d)
	}
}

// quiet wants that for a while no task is delivered.
func (h *handle) quiet(why string) { h.quietFor(while, why) }

func (h *handle) quietFor(d time.Duration, why string) {
	ctx, cancel := context.WithTimeout(h.ctx, d)
	defer cancel()
	ds, err := h.Pull(ctx, 8)
	if len(ds) > 0 {
		h.s.unexpected(ds[0])
		fail("Pull returned task %d (%s, attempt %d), want none: %s", ds[0].ID, brief(ds[0].Task), ds[0].Attempt, why)
	}
	if !refused(ctx, err) {
		fail("Pull returned no task and %v, want an error matching the context's", err)
	}
}

// refused reports whether err is how a method refuses to work, or to wait, with ctx.
func refused(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}

func (h *handle) ack(ds []engine.Delivery) {
	wantNil("Ack", h.Ack(h.ctx, ds))
	now := time.Now()
	h.s.handled(ds, func(t *taskSeen) { t.ack(now, now.Sub(t.since) >= h.s.surely()) })
}

func (h *handle) nack(ds []engine.Delivery) {
	h.s.freed(ds)
	wantNil("Nack", h.Nack(h.ctx, ds))
}

func (h *handle) extend(ds []engine.Delivery) {
	now := time.Now()
	wantNil("Extend", h.Extend(h.ctx, ds))
	h.s.handled(ds, func(t *taskSeen) { t.since = now })
}

func (h *handle) save(recs ...engine.Record) { wantNil("Save", h.Save(h.ctx, recs)) }
func (h *handle) del(ids ...uint64)          { wantNil("Delete", h.Delete(h.ctx, ids)) }
func (h *handle) close()                     { wantNil("Close", h.Close()) }

func wantNil(method string, err error) {
	if err != nil {
		fail("%s returned error %q, want none", method, err)
	}
}

// has wants rec to be stored.
func (h *handle) has(rec engine.Record) {
	data, err := h.Load(h.ctx, rec.ID)
	if err != nil || !bytes.Equal(data, rec.Data) {
		fail("Load(%d) returned %s and error %v, want %s", rec.ID, brief(data), err, brief(rec.Data))
	}
}

func (h *handle) hasNot(ids ...uint64) {
	for _, id := range ids {
		if data, err := h.Load(h.ctx, id); !errors.Is(err, engine.ErrNotFound) {
			fail("Load(%d) returned %s and error %v, want an error matching engine.ErrNotFound", id, brief(data), err)
		}
	}
}

// hasOnly wants these records and no others to be stored.
func (h *handle) hasOnly(recs []engine.Record) {
	want := make(map[uint64][]byte)
	for _, rec := range recs {
		want[rec.ID] = rec.Data
	}
	for id, data := range h.all() {
		if w, ok := want[id]; !ok || !bytes.Equal(w, data) {
			fail("All yielded record %d with %s, want %s (stored: %v)", id, brief(data), brief(w), ok)
		}
		delete(want, id)
	}
	for id := range want {
		fail("All did not yield record %d, which is stored, and %d others", id, len(want)-1)
	}
}

// all returns what All yields, each record once.
func (h *handle) all() map[uint64][]byte { return h.allAndThen(func() {}) }

// allAndThen calls body in the body of the loop.
func (h *handle) allAndThen(body func()) map[uint64][]byte {
	all := make(map[uint64][]byte)
	for rec, err := range h.All(h.ctx) {
		if err != nil {
			fail("All yielded error %q, want none", err)
		}
		if _, twice := all[rec.ID]; twice {
			fail("All yielded record %d twice", rec.ID)
		}
		all[rec.ID] = rec.Data
		body()
	}
	return all
}

// records returns n records with IDs from first on.
func records(first uint64, n int) []engine.Record {
	recs := make([]engine.Record, n)
	for i := range recs {
		id := first + uint64(i)
		recs[i] = engine.Record{ID: id, Data: fmt.Appendf(nil, "result of %d", id)}
	}
	return recs
}

// pause waits for d, or ends the check with its context.
func (h *handle) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.ctx.Done():
		fail("the check was given up")
	}
}

// eventually wants ok to become true soon.
func (h *handle) eventually(what string, ok func() bool) {
	for start := time.Now(); !ok(); h.pause(5 * time.Millisecond) {
		if time.Since(start) > soon {
			fail("%s, also after %v", what, soon)
		}
	}
}

// prompt wants what f measures to be less than limit, at best of several times: this
// machine may be busy.
func prompt(times int, limit time.Duration, what string, f func() time.Duration) {
	best := time.Duration(1<<63 - 1)
	for range times {
		best = min(best, f())
		if best < limit {
			return
		}
	}
	fail("%s took %v at best of %d times, want less than %v", what, best, times, limit)
}

// afterLease is until when a task has been delivered that was just held or extended.
func (h *handle) afterLease() time.Duration { return 2*h.Lease() + soon }

// brisk is how quick a Nack has to be to be told from the end of a lease.
func (h *handle) brisk() time.Duration { return min(h.Lease()/2, 500*time.Millisecond) }

// with returns h with another context.
func (h *handle) with(ctx context.Context) *handle {
	return &handle{Engine: h.Engine, s: h.s, ctx: ctx}
}
