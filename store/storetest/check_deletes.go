package storetest

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

// deletes returns a script on a store that is a BatchDeleter.
func (s *subject) deletes() *script {
	offered[store.BatchDeleter[int]](s)
	return s.open()
}

// tryDels deletes IDs by DeleteBatch, which must not change them.
func (o *script) tryDels(ctx context.Context, ids []store.ID) error {
	given := slices.Clone(ids)
	err := o.st.(store.BatchDeleter[int]).DeleteBatch(ctx, ids)
	if !slices.Equal(ids, given) {
		kit.Failf("DeleteBatch has changed the slice that it was given")
	}
	return err
}

// dels deletes IDs, held or not.
func (o *script) dels(ids ...store.ID) {
	if err := o.tryDels(o.ctx, ids); err != nil {
		kit.Failf("DeleteBatch of %d IDs returned error %q, want nil", len(ids), err)
	}
}

// deletions returns how many results a check deletes at once: as many as a pool's batch, or
// fewer if they have to be put one by one and that is slow.
func (s *subject) deletions() int {
	if _, ok := s.newStore().(store.BatchPutter[int]); ok {
		return poolBatch
	}
	return s.size(poolBatch, 10)
}

// hold puts results, at once if the store takes batches.
func (o *script) hold(res []store.Result[int]) map[store.ID]store.Result[int] {
	b, ok := o.st.(store.BatchPutter[int])
	if !ok {
		o.put(res...)
	} else if err := b.PutBatch(o.ctx, res); err != nil {
		kit.Failf("PutBatch of %d results, none of which is held, returned error %q, want nil", len(res), err)
	}
	return byID(res)
}

// deletesEqual deletes some of what is held, and a few IDs that are not, or are there twice.
func deletesEqual(s *subject) {
	offered[store.BatchDeleter[int]](s)
	for _, n := range []int{0, 1, 2, s.deletions()} {
		kit.Within(fmt.Sprintf("with %d IDs", n), func() {
			o := s.open()
			held := o.hold(batch(1, 3*n))
			var ids []store.ID
			var again []store.Result[int]
			for i := range n {
				id := store.ID(3*i + 1 + i%2) // not always the same distance
				ids = append(ids, id)
				again = append(again, result(id, 1))
				delete(held, id)
			}
			slices.Reverse(ids) // nothing says that they are in order
			if n > 1 {
				ids = append(ids, ids[0], 1<<40, ids[n/2])
			}
			o.dels(ids...)
			o.hasAll(held)
			for _, id := range ids {
				o.lacks(id)
			}
			maps.Copy(held, o.hold(again)) // their IDs may be put again
			o.holdsOnly(held)
		})
	}
}

// deletesAbsent deletes what is next to held IDs, in a batch.
func deletesAbsent(s *subject) {
	o := s.deletes()
	o.dels(boundaries...)
	o.holdsOnly(nil)
	held := make(map[store.ID]store.Result[int])
	var next []store.ID
	for _, id := range []store.ID{5, 1023, 1 << 31, 1 << 32, 1 << 63, math.MaxUint64} {
		held[id] = result(id, 0)
		o.put(held[id])
		next = append(next, id-1, id+1)
		for bit := range 64 {
			next = append(next, id^1<<bit)
		}
	}
	next = slices.DeleteFunc(next, func(id store.ID) bool { _, is := held[id]; return id == 0 || is })
	o.dels(next...)
	o.hasAll(held)
}

// deletesNotKept overwrites the slice, which is the caller's, with IDs that are held.
func deletesNotKept(s *subject) {
	o := s.deletes()
	n := s.deletions()
	held := o.hold(batch(1, 2*n))
	ids := make([]store.ID, n)
	for i := range ids {
		ids[i] = store.ID(i + 1)
		delete(held, ids[i])
	}
	o.dels(ids...)
	for i := range ids {
		ids[i] += store.ID(n)
	}
	o.hasAll(held)
	o.dels()
	o.hasAll(held)
}

// deletesAtOnce has goroutines delete batches, of which one is the same for all, while others put.
func deletesAtOnce(s *subject) {
	for range s.size(50, 12*rivals) {
		o := s.deletes()
		common := o.fill(4)
		kit.Parallel(rivals, func(i int) {
			first := store.ID(100 * (i + 1))
			mine := batch(first, 4)
			ids := []store.ID{first, 1, first + 1, 2, 3, 4}
			o.put(mine...)
			if i%2 == 0 {
				o.dels(ids...)
				for _, id := range ids {
					o.lacks(id)
				}
			}
			o.has(mine[2])
		})
		held := make(map[store.ID]store.Result[int])
		for i := range rivals {
			mine := batch(store.ID(100*(i+1)), 4)
			if i%2 == 0 {
				mine = mine[2:]
			}
			for _, res := range mine {
				held[res.ID] = res
			}
		}
		for id := range common {
			o.lacks(id)
		}
		o.hasAll(held)
	}
}

func deletesDone(s *subject) {
	offered[store.BatchDeleter[int]](s)
	n := s.deletions()
	kit.WithDone(s.ctx, func(done context.Context) {
		o := s.open()
		held := o.hold(batch(1, n+1))
		ids := make([]store.ID, n)
		for i := range ids {
			ids[i] = store.ID(i + 1)
		}
		if worked(done, "DeleteBatch of results that are held", o.tryDels(done, ids)) {
			last := store.ID(n + 1)
			held = map[store.ID]store.Result[int]{last: held[last]}
		}
		o.hasAll(held)
		o.usable(1 << 30)
	})
}
