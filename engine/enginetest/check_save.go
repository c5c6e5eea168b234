package enginetest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// recordRoundTrip saves as many records at once as a pool does, and odd ones, twice.
func recordRoundTrip(s *subject) {
	h, other := s.two()
	recs := records(11, 1024)
	for i, id := range []uint64{3, 1, 1 << 40, math.MaxInt64, 2} {
		recs = append(recs, engine.Record{ID: id, Data: s.oddBytes()[i]})
	}
	h.save(recs[0])
	h.save()
	for _, h := range []*handle{h, other} {
		h.save(recs...)
		h.has(recs[1000:]...)
		h.hasOnly(recs...)
	}
}

// firstWins saves batches of which some records are stored already, at the beginning, in the
// middle or at the end, by another handle.
func firstWins(s *subject) {
	h, other := s.two()
	var first []engine.Record
	for i, stored := range [][2]int{{0, 3}, {4, 6}, {7, 10}, {0, 10}} {
		recs := records(uint64(100*i+1), 10)
		recs[5].Data = nil
		other.save(recs[stored[0]:stored[1]]...)
		batch := slices.Clone(recs)
		for j := stored[0]; j < stored[1]; j++ {
			batch[j].Data = []byte("another, which is longer")
		}
		h.save(append(batch, engine.Record{ID: recs[9].ID})...) // an ID twice
		h.save(batch...)
		other.save(batch...)
		h.has(recs...)
		other.has(recs...)
		first = append(first, recs...)
	}
	h.hasOnly(first...)
}

// oneWinner has several handles save other records under the same IDs at once.
func oneWinner(s *subject) {
	h, other := s.two()
	handles := []*handle{h, other}
	const savers, ids, rounds = 6, 4, 8
	for round := range rounds {
		first := uint64(1 + ids*round)
		var seen [savers][]engine.Record // what each found right after its Save
		kit.Parallel(savers, func(i int) {
			recs := records(first, ids)
			for j := range recs {
				recs[j].Data = fmt.Appendf(nil, "saved by %d", i)
			}
			h := handles[i%2]
			h.pause(time.Duration(rand.IntN(4000)) * time.Nanosecond)
			h.save(recs...)
			for _, rec := range recs {
				data, err := h.Load(s.ctx, rec.ID)
				wantNil("Load after Save", err)
				won := engine.Record{ID: rec.ID, Data: data}
				seen[i] = append(seen[i], won)
				h.save(engine.Record{ID: rec.ID, Data: fmt.Appendf(nil, "saved again by %d", i)})
				h.has(won)
			}
		})
		for _, won := range seen {
			h.has(won...)
			other.has(won...)
		}
	}
	if all := h.all(); len(all) != ids*rounds {
		kit.Failf("All yielded %d records, want %d", len(all), ids*rounds)
	}
}

func tooLargeRecord(s *subject) {
	if s.TooLarge == 0 {
		notOffered("SUBJECT HAS NO TooLarge")
	}
	h := s.open()
	recs := records(1, 3)
	recs[1].Data = make([]byte, s.TooLarge)
	for range 2 {
		if err := h.Save(h.ctx, recs); !errors.Is(err, engine.ErrTooLarge) {
			kit.Failf("Save of three records, of which one is too large, returned %v, want an error matching engine.ErrTooLarge", err)
		}
		h.hasNot(2)
		for id, data := range h.all() { // the others, perhaps
			if id != 1 && id != 3 || string(data) != string(record(id).Data) {
				kit.Failf("All yielded record %d with %s, after a Save of three that are others", id, brief(data))
			}
		}
	}
	h.save(records(1, 3)...)
	h.hasOnly(records(1, 3)...)
}

func notFound(s *subject) {
	h := s.open()
	h.hasNot(1, 2, 1<<40)
	h.save(record(11))
	h.save(record(1))
	h.hasNot(10, 12, 2, 111, 1<<32+1, 1<<32+11)
	h.hasNot(h.push(2)...)
	h.hasOnly(record(1), record(11))
}

func deleted(s *subject) {
	h, other := s.two()
	recs := records(1, 30)
	h.save(recs...)
	h.del()
	h.del(31, 1<<40)
	h.hasOnly(recs...)
	h.del(3, 99, 5, 5)
	h.del(1)
	h.hasNot(1, 3, 5, 99)
	other.hasNot(1, 3, 5)
	h.has(record(2), record(4), record(6), record(10), record(11), record(13), record(30))
	h.del(1, 2, 3) // some of which are gone
	other.hasOnly(append(recs[5:], record(4))...)
	for _, rec := range recs {
		other.del(rec.ID)
	}
	h.hasNot(2, 4, 30)
	h.hasOnly()
}

// apart saves, acknowledges and deletes, each of which has nothing to do with the other.
func apart(s *subject) {
	h := s.open()
	ids := h.push(3)
	ds := h.pull(3)
	var recs []engine.Record
	for _, id := range ids {
		recs = append(recs, record(id))
	}
	h.save(recs...)
	h.nack(ds)
	ds = h.pull(3)
	sameIDs("what was delivered of three tasks that have records and were given back", idsOf(ds), ids)
	h.ack(ds[:2])
	h.hasOnly(recs...)
	h.del(ids...)
	h.hasNot(ids...)
	h.nack(ds[2:])
	ds = h.pull(1)
	h.hasNot(ids...)
	h.ack(ds)
	h.save(recs...)
	h.quiet("all tasks were acknowledged")
}
