package storetest

import (
	"context"
	"fmt"
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

// deletesEqual deletes some of what is held, and a few IDs that are not, or are there twice.
func deletesEqual(s *subject) {
	for _, n := range []int{0, 1, 2, poolBatch, s.size(5000, 3)} {
		kit.Within(fmt.Sprintf("with %d IDs", n), func() {
			o := s.deletes()
			held := o.fill(3 * n)
			var ids []store.ID
			for i := range n {
				id := store.ID(3*i + 1 + i%2) // not always the same distance
				ids = append(ids, id)
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
			for _, id := range ids[:n] {
				o.put(result(id, 1)) // they may be put again
				held[id] = result(id, 1)
			}
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
	held := o.fill(2 * poolBatch)
	ids := make([]store.ID, poolBatch)
	for i := range ids {
		ids[i] = store.ID(i + 1)
		delete(held, ids[i])
	}
	o.dels(ids...)
	for i := range ids {
		ids[i] += poolBatch
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
	kit.WithDone(s.ctx, func(done context.Context) {
		o := s.open()
		held := o.fill(poolBatch + 1)
		ids := make([]store.ID, poolBatch)
		for i := range ids {
			ids[i] = store.ID(i + 1)
		}
		if worked(done, "DeleteBatch of results that are held", o.tryDels(done, ids)) {
			held = map[store.ID]store.Result[int]{poolBatch + 1: held[poolBatch+1]}
		}
		o.hasAll(held)
		o.usable(1 << 30)
	})
}
