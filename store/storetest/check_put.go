package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"runtime"
	"slices"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

// roundTrip gets values at the edges of int back, the zero value among them.
func roundTrip(s *subject) {
	o := s.open()
	held := make(map[store.ID]store.Result[int])
	for i, v := range []int{0, 1, -1, math.MaxInt, math.MinInt} {
		res := store.Result[int]{ID: store.ID(i + 1), Value: v}
		held[res.ID] = res
		o.put(res)
		o.has(res)
	}
	o.hasAll(held)
}

// errorIdentity gets errors back, each with a value beside it.
func errorIdentity(s *subject) {
	deep := errors.Join(sentinels...)
	for i := range 100 {
		deep = fmt.Errorf("layer %d: %w", i, deep)
	}
	errs := append([]error{
		deep,
		errors.New("matches no sentinel"),
		fmt.Errorf("wrapped once: %w", context.Canceled),
		fmt.Errorf("wrapped twice: %w", fmt.Errorf("reading: %w", io.EOF)),
		errors.Join(fs.ErrNotExist, context.DeadlineExceeded),
		fmt.Errorf("wrapping two: %w, %w", store.ErrRejected, io.EOF),
		fmt.Errorf("deep: %w", errors.Join(errors.New("no sentinel"), fmt.Errorf("joined: %w", fs.ErrNotExist))),
		errors.Join(errors.Join(io.EOF, fmt.Errorf("twice: %w", errors.Join(context.Canceled, store.ErrRejected))), io.EOF),
	}, sentinels...)
	for i, first := range sentinels {
		// As a pool does for a task that was not run, and with each in each place.
		second, third := sentinels[(i+1)%len(sentinels)], sentinels[(i+3)%len(sentinels)]
		errs = append(errs,
			errors.Join(first, second, third),
			fmt.Errorf("wrapping three: %w, %w, %w", first, second, third),
			fmt.Errorf("one by one: %w", errors.Join(first, fmt.Errorf("and %w", errors.Join(second, fmt.Errorf("and %w", third))))),
			errors.Join(append(slices.Clone(sentinels[i:]), errors.New("among them"))...))
	}

	o := s.open()
	held := make(map[store.ID]store.Result[int])
	for i, err := range errs {
		res := store.Result[int]{ID: store.ID(i + 1), Value: 100 + i, Err: err}
		held[res.ID] = res
		o.put(res)
		o.has(res)
	}
	o.holdsOnly(held)
}

// seenByOthers has pairs of goroutines, of which one puts and the other gets at once what was
// put. In the end all must be there.
func seenByOthers(s *subject) {
	const pairs = 2
	o := s.open()
	n := s.size(1000, pairs)
	kit.Parallel(pairs, func(pair int) {
		ids := make(chan store.ID)
		kit.Parallel(2, func(side int) {
			if side == 0 {
				defer close(ids)
				for i := range n {
					id := store.ID(1 + i*pairs + pair)
					o.put(result(id, 0))
					ids <- id
				}
				return
			}
			defer func() { // lets the other side end, whatever happens here
				for range ids {
				}
			}()
			for id := range ids {
				o.has(result(id, 0))
			}
		})
	})
	o.hasAll(byID(batch(1, pairs*n)))
}

// putHeldID also puts the very same Result twice: to a pool, that is a retry of a Put that
// had succeeded.
func putHeldID(s *subject) {
	o := s.open()
	first := store.Result[int]{ID: 7, Value: 1, Err: io.EOF}
	o.put(first)
	for _, other := range []store.Result[int]{
		first,
		{ID: 7, Value: 2},
		{ID: 7, Value: 2, Err: fs.ErrNotExist},
		{ID: 7},
	} {
		o.refuse(other)
		o.hasAll(byID([]store.Result[int]{first}))
	}
	o.remove(7)
}

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

// boundaryIDs puts the IDs at all boundaries, which are held at once then, by rivals unless the
// store is slow. Then several goroutines put and delete those next to 2^31, 2^32, 2^63 and the
// largest one. There every ID is taken, as it is where a pool's begin.
func boundaryIDs(s *subject) {
	o := s.open()
	held := make(map[store.ID]store.Result[int])
	every := len(boundaries) / s.size(len(boundaries), rivals)
	for i, id := range boundaries {
		if i%every == 0 {
			held[id] = o.compete(id)
			continue
		}
		held[id] = result(id, 0)
		o.put(held[id])
		o.refuse(result(id, 1))
	}
	o.hasAll(held)
	for id := range held {
		o.remove(id)
	}
	const workers = 4
	each := store.ID(s.size(50, 3*4*workers))
	kit.Parallel(workers, func(worker int) {
		var ids []store.ID
		for i := range each {
			i = i*workers + store.ID(worker)
			ids = append(ids, 1<<31-each+i, 1<<32-each+i, 1<<63-each+i, math.MaxUint64-i)
		}
		o.rounds(3, 0, ids)
	})
	o.holdsOnly(nil)
}

// many is how many results a store holds at once, if it is fast: beyond the sizes at which
// caches and indexes are cut off by default.
const many = 1 << 17

// noEviction puts many results, and has the garbage collector run: a store may not keep them
// where only it can see them. In the end it deletes them: a store that keeps a record of what
// was deleted must not forget it either.
func noEviction(s *subject) {
	o := s.open()
	n := s.size(50_000, 1)
	if n == 50_000 {
		n = max(n, s.size(many, 3))
	}
	for i := range n {
		o.put(result(store.ID(i+1), 0))
	}
	runtime.GC()
	o.keeps(n)
	for i := range n {
		o.del(store.ID(i + 1))
	}
	for i := range n {
		o.lacks(store.ID(i + 1))
	}
	o.holdsOnly(nil)
}

// keeps looks for results 1 to n, which are all that is held.
func (o *script) keeps(n int) {
	for i := range n {
		o.has(result(store.ID(i+1), 0))
	}
	for i := 0; i < n; i += 64 {
		o.refuse(result(store.ID(i+1), 1))
	}
	o.eachOf(n, func(store.Result[int]) {})
}

// twoStores uses the same IDs in two stores by turns, among them large ones.
func twoStores(s *subject) {
	a := s.open()
	heldA := a.fill(s.size(300, 2))
	for _, id := range boundaries[3:] {
		if _, held := heldA[id]; !held {
			heldA[id] = result(id, 0)
			a.put(heldA[id])
		}
	}
	b := s.open()
	b.holdsOnly(nil)
	heldB := make(map[store.ID]store.Result[int])
	for id := range heldA {
		b.lacks(id)
		if id%2 == 0 {
			heldB[id] = result(id, 1)
			b.put(heldB[id])
		}
	}
	for id := range heldB {
		a.del(id)
		delete(heldA, id)
		b.has(heldB[id])
	}
	a.holdsOnly(heldA)
	b.holdsOnly(heldB)

	a.each(func(res store.Result[int]) {
		if res.ID%16 == 1 { // usable loops over all of b
			b.usable(1<<30 + res.ID%1000)
		}
	})
}
