package enginetest

import (
	"context"
	"errors"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// doneBefore calls every method with contexts that are done. It does its work, or says
// that it does not.
func doneBefore(s *subject) {
	h := s.open()
	id := uint64(0)
	kit.WithDone(s.ctx, func(done context.Context) {
		id += 100
		h.tryDone(done, id)
	})
}

func (h *handle) tryDone(done context.Context, id uint64) {
	// did reports whether the work was done.
	did := func(method string, err error) bool {
		if err != nil && !kit.Refused(done, err) {
			kit.Failf("%s, with a context that is done, returned error %q, want none or one matching the context's", method, err)
		}
		return err == nil
	}
	key, tasks := h.s.key(), h.s.batch(2)
	ids, err := h.Push(done, key, tasks)
	if did("Push", err) {
		h.s.pushed(tasks, ids)
		h.pushAgainIfKnown(key, tasks, ids)
	} else {
		if errors.Is(err, engine.ErrRefused) {
			h.quiet("Push has returned an error matching engine.ErrRefused with a context that is done")
		}
		h.pushTasks(key, tasks)
	}

	ds, err := h.Pull(done, 2)
	if did("Pull", err) {
		h.pulled(ds, 2)
	}
	if len(ds) < 2 {
		// A Pull that ended with its context may have taken over what it has not returned.
		ds = append(ds, h.pull(2-len(ds))...)
	}
	did("Extend", h.Extend(done, ds))
	if did("Nack", h.Nack(done, ds[:1])) {
		h.s.freed(ds[:1])
		ds = append(h.pull(1), ds[1])
	}
	if !did("Ack", h.Ack(done, ds)) {
		h.ack(ds)
	}

	rec := record(id)
	if !did("Save", h.Save(done, []engine.Record{rec})) {
		h.save(rec)
	}
	h.has(rec)
	if data, err := h.Load(done, id); did("Load", err) && string(data) != string(rec.Data) {
		kit.Failf("Load(%d), with a context that is done, returned %s, want %s", id, brief(data), brief(rec.Data))
	}
	yielded := 0
	err = nil
	for _, err = range h.All(done) {
		yielded++
	}
	if did("All", err) && yielded != 1 {
		kit.Failf("All, with a context that is done, yielded %d records and no error, want 1", yielded)
	}
	if !did("Delete", h.Delete(done, []uint64{id})) {
		h.has(rec)
		h.del(id)
	}
	h.hasNot(id)
}

// doneWhileWaiting ends the context of a Pull that waits.
func doneWhileWaiting(s *subject) {
	h := s.open()
	h.endsWithItsContext("Pull", func(ctx context.Context) error {
		ds, err := h.Pull(ctx, 3)
		if len(ds) > 0 {
			kit.Failf("Pull of an empty queue returned %d tasks", len(ds))
		}
		return err
	})
}

// endsWithItsContext has call wait, and ends its context in every way.
func (h *handle) endsWithItsContext(method string, call func(ctx context.Context) error) {
	ends := func(ctx context.Context) {
		if err := call(ctx); !kit.Refused(ctx, err) {
			kit.Failf("%s, waiting when its context ended, returned %v, want an error matching the context's", method, err)
		}
	}
	for _, cause := range []error{nil, kit.ErrCause} {
		prompt(3, time.Second, method+", waiting when its context ended,", func() time.Duration {
			ctx, cancel := context.WithCancelCause(h.ctx)
			return h.woken(method, func() { ends(ctx) }, func() { cancel(cause) })
		})
	}
	expiring, cancel := context.WithTimeout(h.ctx, while)
	defer cancel()
	ends(expiring)
}
