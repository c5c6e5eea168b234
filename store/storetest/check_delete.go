package storetest

import (
	"math"
	"runtime"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

func neverPut(s *subject) {
	o := s.open()
	for _, id := range boundaries {
		o.lacks(id)
	}
	o.put(result(7, 0))
	for id := store.ID(1); id < 2000; id++ {
		if id != 7 {
			o.lacks(id)
		}
	}
}

// neighbours gets IDs that differ from a held one by one, or in one bit.
func neighbours(s *subject) { s.nextToHeld((*script).lacks) }

// deleteAbsent deletes them, and IDs in a store that holds none.
func deleteAbsent(s *subject) {
	o := s.open()
	for _, id := range boundaries {
		o.del(id)
	}
	o.holdsOnly(nil)
	s.nextToHeld(func(o *script, id store.ID) {
		o.del(id)
		o.remove(id)
	})
}

// nextToHeld calls f for IDs that are not held, and wants it to change nothing.
func (s *subject) nextToHeld(f func(o *script, id store.ID)) {
	o := s.open()
	held := make(map[store.ID]store.Result[int])
	for _, id := range []store.ID{5, 10, 20, 1023, 1024, 1 << 31, 1 << 32, 1<<32 + 2, 1 << 63, math.MaxUint64} {
		held[id] = result(id, 0)
		o.put(held[id])
	}
	for id := range held {
		next := []store.ID{id - 2, id - 1, id + 1}
		for bit := range 64 {
			next = append(next, id^1<<bit)
		}
		for _, id := range next {
			if _, is := held[id]; id != 0 && !is {
				f(o, id)
			}
		}
	}
	o.hasAll(held)
}

// manyRounds puts and deletes the same IDs over and over: a few many times, and
// then several segments' worth of them a few times.
func manyRounds(s *subject) {
	o := s.open()
	o.rounds(s.size(300, 3), 0, []store.ID{1, 2, 3})
	var ids []store.ID
	for i := range s.size(2500, 3) {
		ids = append(ids, store.ID(i+1))
	}
	o.rounds(3, 0, ids)
	o.holdsOnly(nil)
}

// rounds puts and deletes IDs n times, each time another version, of which some have errors. It
// lets others run while it holds all of them and while it holds none.
func (o *script) rounds(n, version int, ids []store.ID) {
	for round := version; round < version+n; round++ {
		of := func(id store.ID) store.Result[int] {
			res := result(id, round)
			if (uint64(round)+uint64(id))%3 == 0 {
				res.Err = sentinels[round%len(sentinels)]
			}
			return res
		}
		for _, id := range ids {
			o.lacks(id)
			o.put(of(id))
			o.refuse(result(id, round+1))
		}
		runtime.Gosched()
		for _, id := range ids {
			o.has(of(id))
			o.remove(id)
		}
		runtime.Gosched()
	}
}

// concurrentRounds does so on several goroutines, each with IDs of its own that lie among those
// of the others, so that all of them are deleted at times, and with the same IDs in another
// store. Each store must be as if the other were not there.
func concurrentRounds(s *subject) {
	const workers, rounds = 4, 20
	stores := []*script{s.open(), s.open()}
	// They start together again and again, so that none is far ahead of the others.
	for range s.size(20, 2*workers*2*rounds) {
		kit.Parallel(2*workers, func(i int) {
			first := store.ID(2048 + 2*(i/2))
			stores[i%2].rounds(rounds, rounds*i, []store.ID{first, first + 1})
		})
	}
	for _, o := range stores {
		o.holdsOnly(nil)
	}
}
