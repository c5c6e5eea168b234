package storetest

import (
	"context"
	"math"

	"github.com/resultpool/resultpool/store"
)

// boundaries are IDs next to which stores have been known to go wrong: at the
// ends of segments, of 32 bits, of a signed 64-bit number, and of uint64.
var boundaries = func() []store.ID {
	ids := []store.ID{1, 2, 3}
	for bits := 2; bits < 64; bits++ {
		p := store.ID(1) << bits
		ids = append(ids, p, p+1, p+p-1)
	}
	return append(ids, math.MaxUint64-1)
}()

func neverPut(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	for _, id := range boundaries {
		o.lacks(id)
	}
	o.put(result(7, 0))
	for id := range store.ID(2000) {
		if id != 0 && id != 7 {
			o.lacks(id)
		}
	}
	return o.err
}

// getDeleted deletes results that have been read and others that have not.
func getDeleted(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	held := o.fill(s.size(2000, 1))
	for id := range held {
		if id%2 == 0 {
			o.has(held[id])
		}
		o.del(id)
		o.lacks(id)
	}
	for id := range held {
		o.lacks(id)
	}
	return o.err
}

// neighbours gets all IDs that differ from a held one by one, or in one bit.
func neighbours(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	held := []store.ID{5, 1023, 1024, 1 << 31, 1<<32 + 1, 1 << 63, math.MaxUint64}
	isHeld := make(map[store.ID]bool)
	for _, id := range held {
		isHeld[id] = true
		o.put(result(id, 0))
	}
	lacks := func(id store.ID) {
		if id != 0 && !isHeld[id] {
			o.lacks(id)
		}
	}
	for _, id := range held {
		lacks(id - 1)
		lacks(id + 1)
		for bit := range 64 {
			lacks(id ^ 1<<bit)
		}
	}
	for _, id := range held {
		o.has(result(id, 0))
	}
	return o.err
}
