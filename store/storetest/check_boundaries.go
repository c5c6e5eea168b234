package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

// boundaryIDs holds IDs at all boundaries at once.
func boundaryIDs(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	held := make(map[store.ID]store.Result[int])
	for _, id := range boundaries {
		held[id] = result(id, 0)
		o.put(held[id])
		o.has(held[id])
		o.refuse(result(id, 1))
	}
	for _, res := range held {
		o.has(res)
	}
	o.holdsOnly(held)
	for _, id := range boundaries {
		o.del(id)
		o.lacks(id)
	}
	o.holdsOnly(nil)
	return o.err
}

// concurrentBoundaries has several goroutines put the IDs on both sides of 2^31,
// 2^32 and 2^63, and the largest ones, all in one store, and then delete some of
// them while they loop. There every ID is taken, as it is where a pool's begin.
func concurrentBoundaries(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	each := s.size(1000, 4*(boundaryWorkers+3))
	var ids []store.ID
	for _, first := range []store.ID{1<<31 - store.ID(each/2), 1<<32 - store.ID(each/2), 1<<63 - store.ID(each/2)} {
		for i := range each {
			ids = append(ids, first+store.ID(i))
		}
	}
	for i := range each {
		ids = append(ids, math.MaxUint64-store.ID(i))
	}

	winners := make([]atomic.Int32, len(ids)) // whose Put returned nil, its number plus 1
	err := parallel(boundaryWorkers, func(worker int) error {
		for i, id := range ids {
			switch err := o.st.Put(o.ctx, result(id, worker)); {
			case err == nil:
				if other := winners[i].Swap(int32(worker + 1)); other != 0 {
					return fmt.Errorf("two of %d concurrent Put(%d) returned nil, want one", boundaryWorkers, id)
				}
			case !errors.Is(err, store.ErrExists):
				return fmt.Errorf("one of %d concurrent Put(%d) returned error %q, "+
					"want nil or one matching store.ErrExists", boundaryWorkers, id, err)
			}
			if i%64 == 0 {
				runtime.Gosched()
			}
		}
		return nil
	})
	if err != nil {
		return err
	}

	held := make(map[store.ID]store.Result[int], len(ids))
	for i, id := range ids {
		held[id] = result(id, int(winners[i].Load())-1)
	}
	stays := func(id store.ID) bool { return id%3 != 0 }
	err = parallel(boundaryWorkers, func(worker int) error {
		o := o.fork()
		for i := worker; i < len(ids); i += boundaryWorkers {
			o.has(held[ids[i]])
			if !stays(ids[i]) {
				o.del(ids[i])
				o.lacks(ids[i])
			}
		}
		seen := o.all()
		for id, res := range held {
			if got, ok := seen[id]; ok && !same(got, res) {
				o.fail("All yielded %+v, want %+v", got, res)
			} else if !ok && stays(id) {
				o.fail("All did not yield ID %d, which was held throughout", id)
			}
		}
		return o.err
	})
	if err != nil {
		return err
	}
	for id := range held {
		if !stays(id) {
			delete(held, id)
		}
	}
	o.holdsOnly(held)
	for id := range held {
		o.del(id)
	}
	o.holdsOnly(nil)
	return o.err
}

const boundaryWorkers = 4
