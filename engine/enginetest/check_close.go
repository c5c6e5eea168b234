package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// reopened closes with tasks in the queue, held and not, and with records.
func reopened(s *subject) {
	h := s.open()
	lease := h.Lease()
	recs := records(1, 20)
	h.save(recs...)
	ids := h.push(6)
	held := h.pull(2)
	h.close()

	h = s.open()
	if h.Lease() != lease {
		fail("Lease is %v after a new Open, want %v as before", h.Lease(), lease)
	}
	h.hasOnly(recs)
	h.has(recs[7])
	s.freed(held)
	var ds []engine.Delivery
	for _, n := range []int{4, 2} { // two are held, and come when those four would, too
		some := h.pull(n)
		h.ack(some)
		ds = append(ds, some...)
	}
	sameIDs("what was delivered after Close and a new Open", idsOf(ds), ids)
	h.close()

	h = s.open()
	h.hasOnly(recs)
	h.quiet("all tasks were acknowledged before Close")
	h.save(engine.Record{ID: 1, Data: []byte("later")})
	h.has(recs[0])
}

// closed calls every method after Close.
func closed(s *subject) {
	h, other := s.open(), s.open()
	h.push(3)
	ds := h.pull(2)
	h.save(records(1, 3)...)
	seq := h.All(h.ctx)
	h.close()
	h.close()

	key, tasks := s.key(), s.batch(1)
	none, pushed := h.Push(h.ctx, key, tasks)
	more, pulled := h.Pull(h.ctx, 1)
	if len(none)+len(more) > 0 {
		fail("Push and Pull returned IDs %v and %d tasks after Close", none, len(more))
	}
	_, loaded := h.Load(h.ctx, 1)
	last := func(all func(func(engine.Record, error) bool)) (last error) {
		for rec, err := range all {
			if err == nil {
				fail("All yielded record %d after Close", rec.ID)
			}
			last = err
		}
		return last
	}
	for _, call := range []struct {
		method string
		err    error
	}{
		{"Push", pushed},
		{"Pull", pulled},
		{"Ack", h.Ack(h.ctx, ds[:1])},
		{"Nack", h.Nack(h.ctx, ds[1:])},
		{"Extend", h.Extend(h.ctx, ds)},
		{"Save", h.Save(h.ctx, records(4, 1))},
		{"Load", loaded},
		{"Delete", h.Delete(h.ctx, []uint64{1})},
		{"All", last(h.All(h.ctx))},
		{"All, called before,", last(seq)},
	} {
		if !errors.Is(call.err, engine.ErrClosed) {
			fail("%s returned %v after Close, want an error matching engine.ErrClosed", call.method, call.err)
		}
	}
	h.close()
	other.hasOnly(records(1, 3))
	s.freed(ds)
	other.pull(1)
}

// closedWhileWaiting closes while calls wait, and while a loop is in its body.
func closedWhileWaiting(s *subject) {
	h := s.open()
	for range 3 {
		h.save(records(1, 100)...)
		prompt(1, soon, "Pull, waiting when the engine was closed,", func() time.Duration {
			var began, returned time.Time
			pulling := func(context.Context) {
				ds, err := h.Pull(h.ctx, 1)
				if !errors.Is(err, engine.ErrClosed) || len(ds) > 0 {
					fail("Pull, waiting when the engine was closed, returned %d tasks and %v, want an error matching engine.ErrClosed",
						len(ds), err)
				}
				returned = time.Now()
			}
			together(s.ctx, pulling, func(context.Context) {
				h.pause(while)
				began = time.Now()
				for _, err := range h.All(h.ctx) {
					if err != nil && !errors.Is(err, engine.ErrClosed) {
						fail("All, closed in the body, yielded error %q, want none or one matching engine.ErrClosed", err)
					}
					h.close()
				}
			})
			return returned.Sub(began)
		})
		h = s.open()
	}
}

// othersStayOpen closes one of two handles.
func othersStayOpen(s *subject) {
	h, other := s.open(), s.open()
	h.save(records(1, 1)...)
	ids := h.push(2)
	together(s.ctx, func(ctx context.Context) {
		other.with(ctx).pull(3)
	}, func(ctx context.Context) {
		h.pause(while)
		h.close()
		ids = append(ids, s.open().with(ctx).push(1)...)
	})
	other.has(records(1, 1)[0])
	other.save(records(2, 1)...)
	other.hasOnly(records(1, 2))
	other.del(1)
	other.pushTasks(s.key(), s.batch(1))
	other.ack(other.pull(1))
}

// noGoroutines opens, uses and closes an engine. What it starts inherits the label of
// the goroutine that starts it, and so is told from all others in this process.
func noGoroutines(s *subject) {
	value := fmt.Sprintf("%x", rand.Uint64())
	pprof.Do(s.ctx, pprof.Labels("enginetest", value), func(ctx context.Context) {
		for range 3 {
			h := s.open()
			h.push(3)
			ds := h.pull(2)
			h.extend(ds)
			h.ack(ds[:1])
			h.nack(ds[1:])
			h.save(records(1, 3)...)
			h.has(records(1, 1)[0])
			h.all()
			for range h.All(h.ctx) {
				break
			}
			ended, cancel := context.WithTimeout(ctx, while/3)
			for range 4 { // of which two find a task
				_, _ = h.Pull(ended, 1)
			}
			cancel()
			if w, ok := h.Engine.(engine.Waiter); ok {
				_, _ = w.Wait(ctx, 1)
			}
			h.close()
		}
	})
	var left string
	h := &handle{s: s, ctx: s.ctx}
	start := time.Now()
	for left = labelled(value); left != "" && time.Since(start) < soon; left = labelled(value) {
		h.pause(5 * time.Millisecond)
	}
	if left != "" {
		fail("goroutines are left %v after Close:\n\n%s", soon, left)
	}
}

// labelled returns the stacks of goroutines with that label.
func labelled(value string) string {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
	var found []string
	for stack := range strings.SplitSeq(b.String(), "\n\n") {
		if strings.Contains(stack, fmt.Sprintf(`"enginetest":%q`, value)) {
			found = append(found, stack)
		}
	}
	return strings.Join(found, "\n\n")
}
