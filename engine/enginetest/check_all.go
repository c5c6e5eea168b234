package enginetest

import (
	"bytes"
	"context"
	"iter"
	"sync/atomic"
	"time"

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

func (s sequence) All(context.Context) iter.Seq2[engine.Record, error] { return s.all }

// asSaved wants rec to be what was saved under its ID.
func asSaved(rec engine.Record) {
	if want := record(rec.ID); !bytes.Equal(rec.Data, want.Data) {
		kit.Failf("All yielded record %d with %s, want %s", rec.ID, brief(rec.Data), brief(want.Data))
	}
}

// callsInBody calls every method in the body of a loop.
func callsInBody(s *subject) {
	h := s.open()
	const n = 60
	h.save(records(1, n)...)
	h.push(n)
	seen := make(map[uint64]bool) // or deleted before
	h.loop(func(rec engine.Record) {
		asSaved(rec)
		if rec.ID > n {
			return // one that came meanwhile
		}
		seen[rec.ID] = true
		h.save(record(1000 + rec.ID))
		h.has(record(1000 + rec.ID))
		if rec.ID%3 == 0 {
			h.del(rec.ID)
		}
		if later := rec.ID + n/2; rec.ID%7 == 0 {
			h.del(later)
			seen[later] = true
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
	for id := uint64(1); id <= n; id++ {
		if !seen[id] {
			kit.Failf("All did not yield record %d, which was stored all the time", id)
		}
	}
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
			case err == nil:
				asSaved(rec)
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

// allWhileWriting loops while others save and delete.
func allWhileWriting(s *subject) {
	h, other := s.two()
	recs := records(1, 150)
	h.save(recs...)
	var over atomic.Bool
	write := func(h *handle, first uint64) {
		for i := uint64(0); !over.Load(); i++ {
			batch := records(first+10*(i%50), 10)
			h.save(batch...)
			h.pause(50 * time.Microsecond) // let the others run, too
			if i%2 == 0 {
				for _, rec := range batch {
					h.del(rec.ID)
				}
			}
		}
	}
	atOnce(func() {
		defer over.Store(true)
		for range 8 {
			seen := make(map[uint64]bool)
			h.loop(func(rec engine.Record) {
				asSaved(rec)
				seen[rec.ID] = true
				if len(seen)%16 == 0 { // let the others run in the middle of a loop
					h.pause(100 * time.Microsecond)
				}
			})
			for _, rec := range recs {
				if !seen[rec.ID] {
					kit.Failf("All did not yield record %d, which was stored all the time", rec.ID)
				}
			}
		}
	}, func() { write(h, 1000) }, func() { write(other, 5000) })
}
