package storetest

import (
	"context"
	"math"
	"runtime"

	"github.com/resultpool/resultpool/store"
)

// deleteAbsent deletes IDs that are not held, some of them next to held ones,
// and finds that nothing has changed.
func deleteAbsent(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	for _, id := range boundaries {
		o.del(id)
	}
	o.holdsOnly(nil)

	held := make(map[store.ID]store.Result[int])
	for _, id := range []store.ID{10, 20, 1024, 1 << 32, math.MaxUint64} {
		held[id] = result(id, 0)
		o.put(held[id])
	}
	for id := range held {
		for _, absent := range []store.ID{id - 1, id - 2, id ^ 1<<20, id ^ 1<<40} {
			o.del(absent)
			o.del(absent)
			o.lacks(absent)
		}
	}
	for _, res := range held {
		o.has(res)
	}
	o.holdsOnly(held)
	return o.err
}

func putAgain(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	o.put(result(7, 0))
	o.del(7)
	o.del(7)
	o.lacks(7)
	o.put(result(7, 1))
	o.has(result(7, 1))
	o.refuse(result(7, 2))
	o.has(result(7, 1))
	o.holdsOnly(map[store.ID]store.Result[int]{7: result(7, 1)})
	return o.err
}

// manyRounds puts and deletes the same IDs over and over: a few many times, and
// then several segments' worth of them a few times.
func manyRounds(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	o.rounds(1, 3, s.size(300, 3))
	o.rounds(1, s.size(2500, 3), 3)
	o.holdsOnly(nil)
	return o.err
}

// rounds puts and deletes n IDs from first on, round after round. It lets others
// run while it holds all of them and while it holds none.
func (o *script) rounds(first store.ID, n, rounds int) {
	for round := range rounds {
		for i := range n {
			id := first + store.ID(i)
			o.lacks(id)
			o.put(result(id, round))
			o.refuse(result(id, round+1))
		}
		runtime.Gosched()
		for i := range n {
			id := first + store.ID(i)
			o.has(result(id, round))
			o.del(id)
			o.lacks(id)
		}
		runtime.Gosched()
	}
}

// concurrentRounds does so on several goroutines, each with IDs of its own that
// lie among those of the others, so that all of them are deleted at times. They
// start together again and again, so that none is far ahead of the others.
func concurrentRounds(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	const workers, each, rounds = 4, 2, 20
	for range s.size(20, workers*each*rounds) {
		err := parallel(workers, func(worker int) error {
			o := o.fork()
			o.rounds(store.ID(2048+each*worker), each, rounds)
			return o.err
		})
		if err != nil {
			return err
		}
	}
	o.holdsOnly(nil)
	return o.err
}
