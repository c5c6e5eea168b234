package enginetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// wait wants rec from a Wait.
func (h *handle) wait(rec engine.Record) {
	ctx, cancel := context.WithTimeout(h.ctx, soon+while)
	defer cancel()
	data, err := h.Wait(ctx, rec.ID)
	if err != nil || string(data) != string(rec.Data) {
		kit.Failf("Wait(%d) returned %s and error %v, want %s", rec.ID, brief(data), err, brief(rec.Data))
	}
}

// waitFails wants a Wait to find neither a task nor a record, and to report that at once.
func (h *handle) waitFails(id uint64, why string) {
	prompt(3, time.Second, "Wait for "+why, func() time.Duration {
		ctx, cancel := context.WithTimeout(h.ctx, soon)
		defer cancel()
		start := time.Now()
		if data, err := h.Wait(ctx, id); !errors.Is(err, engine.ErrNotFound) {
			kit.Failf("Wait(%d), for %s, returned %s and %v, want an error matching engine.ErrNotFound", id, why, brief(data), err)
		}
		return time.Since(start)
	})
}

// waitAtOnce waits for what is stored, and for what is not and never will be.
func waitAtOnce(s *subject) {
	h, other := s.two()
	h.waitFails(7, "an ID that was never given")
	ids := h.push(3)
	h.waitFails(ids[2]+1, "an ID that was not given yet")
	h.waitFails(ids[0]-1, "an ID below all")
	for _, rec := range []engine.Record{record(ids[0]), record(7)} {
		h.save(rec)
		h.wait(rec)
		other.wait(rec)
	}
	h.ack(h.pull(3))
	other.wait(record(ids[0]))
	h.del(ids[0])
	h.waitFails(ids[0], "a record that was deleted")
	other.waitFails(ids[0], "a record that was deleted")
	h.waitFails(ids[1], "a task that was acknowledged without a record")
}

// waitWoken has several calls wait for one record, while its task is not held and while it is.
func waitWoken(s *subject) {
	h, other := s.two()
	handles := []*handle{h, other}
	for _, held := range []bool{false, true} {
		prompt(3, time.Second, "Wait, waiting when the record was saved,", func() time.Duration {
			rec := record(h.push(1)[0])
			var ds []engine.Delivery
			if held {
				ds = h.pull(1)
			}
			took := h.woken("Wait", func() {
				kit.Parallel(4, func(i int) { handles[i%2].wait(rec) })
			}, func() { other.save(rec) })
			if !held {
				ds = h.pull(1)
			}
			h.ack(ds)
			return took
		})
	}
}

// waitRace waits and saves at the same moment, many times: no save goes unnoticed.
func waitRace(s *subject) {
	h, other := s.two()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		rec := record(h.push(1)[0])
		ds := other.pull(1)
		d := time.Duration(rng.IntN(1500)) * time.Microsecond
		atOnce(func() { h.wait(rec) }, func() {
			h.pause(d)
			other.save(rec)
			other.ack(ds)
		})
	}
}

// waitEnds has a context end, the task be acknowledged without a record, and the engine be
// closed, during a Wait.
func waitEnds(s *subject) {
	h := s.open()
	id := h.push(1)[0]
	ds := h.pull(1)
	h.endsWithItsContext("Wait", func(ctx context.Context) error {
		_, err := h.Wait(ctx, id)
		return err
	})
	done, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := h.Wait(done, id); !refused(done, err) {
		kit.Failf("Wait with a context that is done returned %v, want an error matching the context's", err)
	}
	ends := func(id uint64, want error, end func()) {
		h.woken("Wait", func() {
			ctx, cancel := context.WithTimeout(h.ctx, soon+while)
			defer cancel()
			if _, err := h.Wait(ctx, id); !errors.Is(err, want) {
				kit.Failf("Wait, waiting when the task was acknowledged, or the engine closed, returned %v, want an error matching %q", err, want)
			}
		}, end)
	}
	ends(id, engine.ErrNotFound, func() { h.ack(ds) })
	ends(h.push(1)[0], engine.ErrClosed, h.close)
}
