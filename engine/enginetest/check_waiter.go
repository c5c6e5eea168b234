package enginetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/resultpool/resultpool/engine"
)

var waiterChecks = []check{
	{offer: "Waiter", name: "stored", try: waitStored},
	{offer: "Waiter", name: "not-found", try: waitNotFound},
	{offer: "Waiter", name: "woken", try: waitWoken},
	{offer: "Waiter", name: "acknowledged", try: waitAcknowledged},
	{offer: "Waiter", name: "race", try: waitRace},
	{offer: "Waiter", name: "context", try: waitContext},
	{offer: "Waiter", name: "closed", try: waitClosed},
}

// wait wants rec from a Wait.
func (h *handle) wait(ctx context.Context, rec engine.Record) {
	data, err := optional[engine.Waiter](h, "Waiter").Wait(ctx, rec.ID)
	if err != nil || string(data) != string(rec.Data) {
		fail("Wait(%d) returned %s and error %v, want %s", rec.ID, brief(data), err, brief(rec.Data))
	}
}

// waitFails wants a Wait to find neither a task nor a record, and to say so at once.
func (h *handle) waitFails(id uint64, why string) {
	w := optional[engine.Waiter](h, "Waiter")
	prompt(3, time.Second, "Wait for "+why, func() time.Duration {
		ctx, cancel := context.WithTimeout(h.ctx, soon)
		defer cancel()
		start := time.Now()
		if data, err := w.Wait(ctx, id); !errors.Is(err, engine.ErrNotFound) {
			fail("Wait(%d), for %s, returned %s and %v, want an error matching engine.ErrNotFound", id, why, brief(data), err)
		}
		return time.Since(start)
	})
}

func waitStored(s *subject) {
	h, other := s.open(), s.open()
	ids := h.push(2)
	recs := append(records(ids[0], 1), records(7, 1)...)
	h.save(recs...)
	for _, rec := range recs {
		h.wait(h.ctx, rec)
		other.wait(h.ctx, rec)
	}
	h.ack(h.pull(2))
	other.wait(h.ctx, recs[0])
}

func waitNotFound(s *subject) {
	h, other := s.open(), s.open()
	h.waitFails(7, "an ID that was never given")
	ids := h.push(3)
	h.waitFails(ids[2]+1, "an ID that was not given yet")
	h.waitFails(ids[0]-1, "an ID below all")
	h.save(records(ids[0], 1)...)
	h.ack(h.pull(3))
	h.del(ids[0])
	h.waitFails(ids[0], "a record that was deleted")
	other.waitFails(ids[0], "a record that was deleted")
	h.waitFails(ids[1], "a task that was acknowledged without a record")
}

// waitWoken has several wait for one record, while its task is not held and while it is.
func waitWoken(s *subject) {
	h, other := s.open(), s.open()
	optional[engine.Waiter](h, "Waiter")
	for _, held := range []bool{false, true} {
		prompt(3, time.Second, "Wait, waiting when the record was saved,", func() time.Duration {
			rec := records(h.push(1)[0], 1)[0]
			var ds []engine.Delivery
			if held {
				ds = h.pull(1)
			}
			var saved time.Time
			var woken [4]time.Time
			fs := times(len(woken), func(ctx context.Context, i int) {
				ctx, cancel := context.WithTimeout(ctx, soon+while)
				defer cancel()
				[]*handle{h, other}[i%2].wait(ctx, rec)
				woken[i] = time.Now()
			})
			together(s.ctx, append(fs, func(ctx context.Context) {
				h.pause(while)
				saved = time.Now()
				other.with(ctx).save(rec)
			})...)
			if !held {
				ds = h.pull(1)
			}
			h.ack(ds)
			last := saved
			for _, at := range woken {
				if at.Before(saved) {
					fail("Wait(%d) returned a record before there was one", rec.ID)
				}
				if at.After(last) {
					last = at
				}
			}
			return last.Sub(saved)
		})
	}
}

// waitAcknowledged has the task go while somebody waits for a record that never comes.
func waitAcknowledged(s *subject) {
	h, other := s.open(), s.open()
	w := optional[engine.Waiter](h, "Waiter")
	id := h.push(1)[0]
	ds := h.pull(1)
	together(s.ctx, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, soon+while)
		defer cancel()
		if data, err := w.Wait(ctx, id); !errors.Is(err, engine.ErrNotFound) {
			fail("Wait, waiting when the task was acknowledged without a record, returned %s and %v, "+
				"want an error matching engine.ErrNotFound", brief(data), err)
		}
	}, func(ctx context.Context) {
		h.pause(while)
		h.with(ctx).ack(ds)
	})
	other.save(records(id, 1)...)
	h.wait(h.ctx, records(id, 1)[0])
}

// waitRace waits and saves at the same moment, many times: no save goes unnoticed.
func waitRace(s *subject) {
	h, other := s.open(), s.open()
	optional[engine.Waiter](h, "Waiter")
	rng := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		rec := records(h.push(1)[0], 1)[0]
		ds := other.pull(1)
		d := time.Duration(rng.IntN(1500)) * time.Microsecond
		together(s.ctx, func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, soon)
			defer cancel()
			h.wait(ctx, rec)
		}, func(ctx context.Context) {
			h.pause(d)
			other.with(ctx).save(rec)
			other.with(ctx).ack(ds)
		})
	}
}

func waitContext(s *subject) {
	h := s.open()
	w := optional[engine.Waiter](h, "Waiter")
	id := h.push(1)[0]
	h.endsWithItsContext("Wait", func(ctx context.Context) error {
		_, err := w.Wait(ctx, id)
		return err
	})
	done, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := w.Wait(done, id); !refused(done, err) {
		fail("Wait with a context that is done returned %v, want an error matching the context's", err)
	}
}

func waitClosed(s *subject) {
	h := s.open()
	w := optional[engine.Waiter](h, "Waiter")
	id := h.push(1)[0]
	h.save(records(7, 1)...)
	closed := func(id uint64, when string) {
		if _, err := w.Wait(h.ctx, id); !errors.Is(err, engine.ErrClosed) {
			fail("Wait, %s, returned %v, want an error matching engine.ErrClosed", when, err)
		}
	}
	together(s.ctx, func(context.Context) {
		closed(id, "waiting when the engine was closed")
	}, func(context.Context) {
		h.pause(while)
		h.close()
	})
	closed(id, "after Close")
	closed(7, "after Close")
}
