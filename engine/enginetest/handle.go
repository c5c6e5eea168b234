package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

const (
	// soon is how long a check waits for what happens "in a moment", or wakes a call,
	// before it reports that it never happens.
	soon = 5 * time.Second

	// while is how long a check looks out for what must not happen.
	while = 150 * time.Millisecond
)

// A handle is an engine with methods that say what they want of it. Those with a small
// first letter panic with a failure if they do not get it.
type handle struct {
	whole
	s   *subject
	ctx context.Context // the check's
}

// push pushes n new tasks.
func (h *handle) push(n int) []uint64 { return h.pushTasks(h.s.key(), h.s.batch(n)) }

func (h *handle) pushTasks(key string, tasks [][]byte) []uint64 {
	ids, err := h.Push(h.ctx, key, tasks)
	wantNil("Push", err)
	h.s.pushed(tasks, ids)
	return ids
}

// pushApart pushes n new tasks that share no message.
func (h *handle) pushApart(n int) {
	for range n {
		h.push(1)
	}
}

// pushAgain pushes what was pushed with the same key.
func (h *handle) pushAgain(key string, tasks [][]byte, want []uint64) {
	ids, err := h.Push(h.ctx, key, tasks)
	if err != nil || !slices.Equal(ids, want) {
		kit.Failf("Push, again with the same key, returned IDs %v and error %v, want %v as before", ids, err, want)
	}
}

// pushAgainIfKnown is pushAgain if the engine has to know the key of a Push that has succeeded.
func (h *handle) pushAgainIfKnown(key string, tasks [][]byte, want []uint64) {
	if h.s.Run <= 1 {
		h.pushAgain(key, tasks, want)
	}
}

// pull pulls n different tasks.
func (h *handle) pull(n int) []engine.Delivery {
	ctx, cancel := context.WithTimeout(h.ctx, h.afterLease())
	defer cancel()
	var all []engine.Delivery
	last := time.Now() // a new task came
	for len(all) < n {
		ds, err := h.Pull(ctx, n-len(all))
		if err != nil {
			kit.Failf("Pull has returned %d of %d tasks, and then error %q, after %v at most", len(all), n, err, h.afterLease())
		}
		h.pulled(ds, n-len(all))
		for _, one := range ds {
			switch {
			case !slices.Contains(idsOf(all), one.ID):
			case time.Since(last) >= h.s.surely():
				kit.Failf("Pull has returned %d of %d tasks, and then none for %v until the leases of these had ended", len(all), n, time.Since(last))
			default: // the lease has ended, or else pulled would have failed
				kit.Fail(errSlow)
			}
		}
		last = time.Now()
		all = append(all, ds...)
	}
	return all
}

// pulled has seen Pull return ds and nil.
func (h *handle) pulled(ds []engine.Delivery, limit int) {
	if len(ds) < 1 || len(ds) > limit {
		kit.Failf("Pull of at most %d returned %d tasks and no error, want 1 to %d", limit, len(ds), limit)
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
		kit.Failf("Pull returned task %d (%s, attempt %d), want none: %s", ds[0].ID, brief(ds[0].Task), ds[0].Attempt, why)
	}
	if !kit.Refused(ctx, err) {
		kit.Failf("Pull returned no task and %v, want an error matching the context's", err)
	}
}

func (h *handle) ack(ds []engine.Delivery) {
	wantNil("Ack", h.Ack(h.ctx, ds))
	h.s.handled(ds, func(t *taskSeen) { t.acked = time.Now() })
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
		kit.Failf("%s returned error %q, want none", method, err)
	}
}

// has wants each of recs to be stored.
func (h *handle) has(recs ...engine.Record) {
	for _, rec := range recs {
		data, err := h.Load(h.ctx, rec.ID)
		if err != nil || !bytes.Equal(data, rec.Data) {
			kit.Failf("Load(%d) returned %s and error %v, want %s", rec.ID, brief(data), err, brief(rec.Data))
		}
	}
}

func (h *handle) hasNot(ids ...uint64) {
	for _, id := range ids {
		if data, err := h.Load(h.ctx, id); !errors.Is(err, engine.ErrNotFound) {
			kit.Failf("Load(%d) returned %s and error %v, want an error matching engine.ErrNotFound", id, brief(data), err)
		}
	}
}

// hasOnly wants these records and no others to be stored.
func (h *handle) hasOnly(recs ...engine.Record) {
	all := h.all()
	for _, rec := range recs {
		if data, ok := all[rec.ID]; !ok || !bytes.Equal(data, rec.Data) {
			kit.Failf("All yielded %s for record %d (yielded: %v), want %s", brief(data), rec.ID, ok, brief(rec.Data))
		}
	}
	if len(all) != len(recs) {
		kit.Failf("All yielded %d records, want %d", len(all), len(recs))
	}
}

// all returns what All yields, each record once.
func (h *handle) all() map[uint64][]byte {
	all := make(map[uint64][]byte)
	h.loop(func(rec engine.Record) { all[rec.ID] = rec.Data })
	return all
}

// loop calls body for each record that All yields. It wants no errors, and each record once.
func (h *handle) loop(body func(rec engine.Record)) {
	seen := make(map[uint64]bool)
	for rec, err := range h.All(h.ctx) {
		switch {
		case err != nil:
			kit.Failf("All yielded error %q, want none", err)
		case seen[rec.ID]:
			kit.Failf("All yielded record %d twice", rec.ID)
		}
		seen[rec.ID] = true
		body(rec)
	}
}

// record returns what the checks store under an ID, if nothing else matters.
func record(id uint64) engine.Record {
	return engine.Record{ID: id, Data: fmt.Appendf(nil, "result of %d", id)}
}

// records returns n records with IDs from first on.
func records(first uint64, n int) []engine.Record {
	recs := make([]engine.Record, n)
	for i := range recs {
		recs[i] = record(first + uint64(i))
	}
	return recs
}

// oddBytes are tasks or records that are empty, binary, and long.
func (s *subject) oddBytes() [][]byte {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	long := 64 << 10
	if s.TooLarge > 0 {
		long = min(long, s.TooLarge/4)
	}
	return [][]byte{{}, {0}, every, bytes.Repeat([]byte("\xffx"), long/2), []byte("{\n}")}
}

// pause waits for d, or ends the check with its context.
func (h *handle) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.ctx.Done():
		kit.Failf("the check was given up")
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
	kit.Failf("%s took %v at best of %d times, want less than %v", what, best, times, limit)
}

// woken calls wait, and wake a while later. It returns how long after the begin of wake wait
// has returned, and wants it not to return before. wait must not wait for ever.
func (h *handle) woken(what string, wait, wake func()) time.Duration {
	var woke, returned time.Time
	atOnce(func() {
		wait()
		returned = time.Now()
	}, func() {
		h.pause(min(while, h.Lease()/4))
		woke = time.Now()
		wake()
	})
	if returned.Before(woke) {
		kit.Failf("%s returned before there was anything to return for", what)
	}
	return returned.Sub(woke)
}

// afterLease is by when a task is delivered that was just held or extended.
func (h *handle) afterLease() time.Duration { return 2*h.Lease() + soon }
