package enginetest

import (
	"bytes"
	"context"
	"sync/atomic"
	"time"
)

func allOnce(s *subject) {
	h, other := s.open(), s.open()
	h.hasOnly(nil)
	recs := records(1<<50, 300)
	h.save(recs...)
	for range 2 {
		h.hasOnly(recs)
		other.hasOnly(recs)
	}
	seq := h.All(h.ctx)
	for range 2 { // a sequence may be used again
		n := 0
		for rec, err := range seq {
			if err != nil || !bytes.Equal(rec.Data, recs[rec.ID-1<<50].Data) {
				fail("All yielded record %d with %s and error %v", rec.ID, brief(rec.Data), err)
			}
			n++
		}
		if n != len(recs) {
			fail("All yielded %d records, want %d", n, len(recs))
		}
	}
}

// callsInBody calls every method in the body of a loop.
func callsInBody(s *subject) {
	h := s.open()
	const n = 60
	recs := records(1, n)
	h.save(recs...)
	h.push(n)
	seen := make(map[uint64]bool)
	gone := make(map[uint64]bool)
	for rec, err := range h.All(h.ctx) {
		switch {
		case err != nil:
			fail("All yielded error %q, want none", err)
		case seen[rec.ID]:
			fail("All yielded record %d twice", rec.ID)
		case rec.ID <= n && !bytes.Equal(rec.Data, recs[rec.ID-1].Data):
			fail("All yielded record %d with %s, want %s", rec.ID, brief(rec.Data), brief(recs[rec.ID-1].Data))
		}
		seen[rec.ID] = true
		if rec.ID > n {
			continue // one that came meanwhile
		}
		h.save(records(1000+rec.ID, 1)...)
		h.has(records(1000+rec.ID, 1)[0])
		if rec.ID%3 == 0 {
			h.del(rec.ID)
			gone[rec.ID] = true
		}
		if later := rec.ID + n/2; rec.ID%7 == 0 && later <= n && !seen[later] {
			h.del(later)
			gone[later] = true
		}
		if len(seen)%20 == 0 {
			for _, err := range h.All(h.ctx) {
				if err != nil {
					fail("All, in the body of another loop, yielded error %q, want none", err)
				}
			}
			ds := h.pull(3)
			h.extend(ds)
			h.nack(ds[:1])
			h.ack(ds[1:])
			h.push(1)
		}
	}
	for id := uint64(1); id <= n; id++ {
		if !seen[id] && !gone[id] {
			fail("All did not yield record %d, which was stored all the time", id)
		}
	}
}

// leftLoops leaves loops by break and by panic, and then uses the engine.
func leftLoops(s *subject) {
	h := s.open()
	recs := records(1, 100)
	h.save(recs...)
	type thrown struct{}
	for at := 1; at <= 100; at += 33 {
		n := 0
		for _, err := range h.All(h.ctx) {
			if err != nil {
				fail("All yielded error %q, want none", err)
			}
			if n++; n == at {
				break
			}
		}
		func() {
			defer func() {
				if r := recover(); r != (thrown{}) {
					fail("a panic with %v in the body of a loop over All came out of it as %v", thrown{}, r)
				}
			}()
			for range h.All(h.ctx) {
				panic(thrown{})
			}
		}()
		h.save(records(200+uint64(at), 1)...)
		h.del(200 + uint64(at))
		h.push(2)
		h.ack(h.pull(2))
	}
	h.hasOnly(recs)
}

// failedLoops loops with a context that ends, and over an engine that is closed: at the end,
// and nowhere else, there may be an error, and it is about no record.
func failedLoops(s *subject) {
	h := s.open()
	recs := records(1, 600)
	h.save(recs...)
	loop := func(when string, ctx context.Context, end func(n int)) {
		n := 0
		var last error
		for rec, err := range h.All(ctx) {
			switch {
			case last != nil:
				fail("All, %s, yielded record %d and error %v after error %q with ID 0, want that to be the last", when, rec.ID, err, last)
			case err != nil && rec.ID != 0:
				fail("All, %s, yielded record %d with error %q, want ID 0: it is not about a record", when, rec.ID, err)
			case err == nil && !bytes.Equal(rec.Data, records(rec.ID, 1)[0].Data):
				fail("All, %s, yielded record %d with %s, want %s", when, rec.ID, brief(rec.Data), brief(records(rec.ID, 1)[0].Data))
			}
			last = err
			n++
			end(n)
		}
		if last == nil && n != len(recs) {
			fail("All, %s, yielded %d records of %d and no error", when, n, len(recs))
		}
	}
	for _, at := range []int{0, 1, 300, 599} {
		ctx, cancel := context.WithCancel(s.ctx)
		if at == 0 {
			cancel()
		}
		loop("with a context that ends", ctx, func(n int) {
			if n == at {
				cancel()
			}
		})
		cancel()
	}
	loop("closed in the body", s.ctx, func(n int) {
		if n == 300 {
			h.close()
		}
	})
}

// allWhileWriting loops while others save and delete.
func allWhileWriting(s *subject) {
	h, other := s.open(), s.open()
	const stay = 150
	recs := records(1, stay)
	h.save(recs...)
	var over atomic.Bool
	write := func(ctx context.Context, h *handle, first uint64) {
		h = h.with(ctx)
		for i := uint64(0); !over.Load() && ctx.Err() == nil; i++ {
			id := first + 10*(i%50)
			h.save(records(id, 10)...)
			h.pause(50 * time.Microsecond) // others want their turn, too
			if i%2 == 0 {
				h.del(id, id+1, id+2, id+3, id+4, id+5, id+6, id+7, id+8, id+9)
			}
		}
	}
	together(s.ctx, func(ctx context.Context) {
		defer over.Store(true)
		for range 8 {
			n := 0
			all := h.with(ctx).allAndThen(func() {
				if n++; n%16 == 0 { // the others have their turn in the middle of a loop
					h.pause(100 * time.Microsecond)
				}
			})
			for id, data := range all {
				if !bytes.Equal(data, records(id, 1)[0].Data) {
					fail("All yielded record %d with %s, want %s", id, brief(data), brief(records(id, 1)[0].Data))
				}
			}
			for _, rec := range recs {
				if _, ok := all[rec.ID]; !ok {
					fail("All did not yield record %d, which was stored all the time", rec.ID)
				}
			}
		}
	}, func(ctx context.Context) { write(ctx, h, 1000) },
		func(ctx context.Context) { write(ctx, other, 5000) })
}
