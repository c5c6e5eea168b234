package enginetest

import (
	"bytes"
	"context"
	"iter"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// allOnce loops from two handles, twice over the same sequence, and leaves loops by break and
// by panic.
func allOnce(s *subject) {
	h, other := s.two()
	h.hasOnly()
	recs := records(1<<50, 300)
	h.save(recs...)
	again := &handle{wholeOf(sequence{h.Engine, h.All(h.ctx)}), s, s.ctx}
	type thrown struct{}
	for at := 1; at < 300; at += 97 {
		for _, h := range []*handle{h, other, again} {
			h.hasOnly(recs...)
		}
		n := 0
		for _, err := range h.All(h.ctx) {
			wantNil("All", err)
			if n++; n == at {
				break
			}
		}
		func() {
			defer func() {
				if r := recover(); r != (thrown{}) {
					kit.Failf("a panic with %v in the body of a loop over All came out of it as %v", thrown{}, r)
				}
			}()
			for range h.All(h.ctx) {
				panic(thrown{})
			}
		}()
		h.save(record(200))
		h.del(200)
		h.push(2)
		h.ack(h.pull(2))
	}
}

// A sequence is an engine whose All is always the same sequence.
type sequence struct {
	engine.Engine
	all iter.Seq2[engine.Record, error]
}

// All implements [engine.Results].
func (s sequence) All(context.Context) iter.Seq2[engine.Record, error] { return s.all }

// sees loops with that body. It wants each of recs to be yielded, and may see others: all are as
// record makes them.
func (h *handle) sees(recs []engine.Record, body func(rec engine.Record)) {
	seen := make(map[uint64]bool)
	h.loop(func(rec engine.Record) {
		if want := record(rec.ID); !bytes.Equal(rec.Data, want.Data) {
			kit.Failf("All yielded record %d with %s, want %s", rec.ID, brief(rec.Data), brief(want.Data))
		}
		seen[rec.ID] = true
		body(rec)
	})
	for _, rec := range recs {
		if !seen[rec.ID] {
			kit.Failf("All did not yield record %d, which was stored all the time", rec.ID)
		}
	}
}

// callsInBody calls every method in the body of a loop, by the handle that loops and by another.
func callsInBody(s *subject) {
	h, other := s.two()
	const n = 60
	h.save(records(1, 2*n)...)
	h.push(n)
	h.sees(records(1, n), func(rec engine.Record) {
		if rec.ID > n {
			return // one that came meanwhile, or may go
		}
		for _, h := range []*handle{h, other} {
			h.save(record(1000 + rec.ID))
			h.has(record(1000 + rec.ID))
			h.del(rec.ID, n+rec.ID)
			h.save(record(2000 + rec.ID))
			h.del(2000 + rec.ID)
		}
		if rec.ID%20 == 0 {
			h.all()
			ds := h.pull(3)
			h.extend(ds)
			h.nack(ds[:1])
			h.ack(ds[1:])
			h.push(1)
		}
	})
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
				kit.Failf("All, %s, yielded record %d and error %v after error %q with ID 0, want that to be the last", when, rec.ID, err, last)
			case err != nil && rec.ID != 0:
				kit.Failf("All, %s, yielded record %d with error %q, want ID 0: it is not about a record", when, rec.ID, err)
			}
			last = err
			n++
			end(n)
		}
		if last == nil && n != len(recs) {
			kit.Failf("All, %s, yielded %d records of %d and no error", when, n, len(recs))
		}
	}
	for _, at := range []int{1, 300, 599} { // that it is done before is another check
		ctx, cancel := context.WithCancel(s.ctx)
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
