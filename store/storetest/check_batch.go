package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

var batchChecks = []check{
	{offer: "BatchPutter", name: "equals-puts", run: withBatches(batchEqualsPuts)},
	{offer: "BatchPutter", name: "all-or-none", run: withBatches(batchAllOrNone)},
	{offer: "BatchPutter", name: "same-id-twice", run: withBatches(batchSameIDTwice)},
	{offer: "BatchPutter", name: "no-eviction", run: withBatches(batchNoEviction)},
	{offer: "BatchPutter", name: "does-not-keep", run: withBatches(batchDoesNotKeep)},
	{offer: "BatchPutter", name: "does-not-change", run: withBatches(batchDoesNotChange)},
	{offer: "BatchPutter", name: "one-winner", run: withBatches(batchOneWinner)},
	{offer: "BatchPutter", name: "done-context", run: withBatches(batchDoneContext)},
}

// poolBatch is how many results a pool puts at once, at most.
const poolBatch = 1024

// A batchScript is a script on a store that is a BatchPutter, or a RecordPutter.
type batchScript struct {
	*script
	st     store.BatchPutter[int]
	method string // which the calls of PutBatch are about
}

func withBatches(run func(context.Context, *subject, func() batchScript) error) func(context.Context, *subject) error {
	return func(ctx context.Context, s *subject) error {
		if _, ok := s.newStore().(store.BatchPutter[int]); !ok {
			return errNotOffered
		}
		return run(ctx, s, func() batchScript {
			o := s.open(ctx)
			return batchScript{o, o.st.(store.BatchPutter[int]), "PutBatch"}
		})
	}
}

// batch returns results for IDs from first on.
func batch(first store.ID, n int) []store.Result[int] {
	res := make([]store.Result[int], n)
	for i := range res {
		res[i] = result(first+store.ID(i), 0)
	}
	return res
}

func byID(res []store.Result[int]) map[store.ID]store.Result[int] {
	m := make(map[store.ID]store.Result[int], len(res))
	for _, r := range res {
		m[r.ID] = r
	}
	return m
}

func (o batchScript) putBatch(res []store.Result[int]) {
	if o.err != nil {
		return
	}
	if err := o.st.PutBatch(o.ctx, res); err != nil {
		o.fail("%s of %d results, none of which is held, returned error %q, want nil", o.method, len(res), err)
	}
}

func (o batchScript) refuseBatch(res []store.Result[int], why string) {
	if o.err != nil {
		return
	}
	if err := o.st.PutBatch(o.ctx, res); !errors.Is(err, store.ErrExists) {
		o.fail("%s of %d results, %s, returned %v, want an error matching store.ErrExists", o.method, len(res), why, err)
	}
}

func batchEqualsPuts(_ context.Context, s *subject, open func() batchScript) error {
	for _, n := range []int{0, 1, 2, 1000, s.size(5000, 1)} {
		o := open()
		res := batch(1, n)
		if n > 1 {
			res[1].Err = fmt.Errorf("wrapped: %w", io.EOF)
		}
		want := byID(res)
		slices.Reverse(res) // nothing says that a batch is in order
		o.putBatch(res)
		o.holdsOnly(want)
		for _, r := range res {
			o.has(r)
			o.refuse(result(r.ID, 1))
		}
		o.usable(1 << 30)
		if o.err != nil {
			return fmt.Errorf("with %d results: %w", n, o.err)
		}
	}
	return nil
}

// batchAllOrNone has one result after the other be held already. A store that writes a
// large batch in parts has written the first ones by then: so the batches are as large as
// those of a pool, and larger.
func batchAllOrNone(_ context.Context, _ *subject, open func() batchScript) error {
	for _, n := range []int{20, poolBatch, 4*poolBatch + 1} {
		o := open()
		res := batch(1, n)
		for _, at := range positions(n) {
			held := result(res[at].ID, 1)
			o.put(held)
			o.refuseBatch(res, fmt.Sprintf("of which number %d is held", at))
			o.holdsOnly(map[store.ID]store.Result[int]{held.ID: held})
			for i, r := range res {
				if i != at && (n == 20 || i%64 == 0) {
					o.lacks(r.ID)
				}
			}
			o.del(held.ID)
		}
		o.putBatch(res)
		o.holdsOnly(byID(res))
		if o.err != nil {
			return o.err
		}
	}
	return nil
}

// positions returns positions in a batch of n results: all of a small one, the powers of two
// and the last of one that a pool may put, and the last of a larger one.
func positions(n int) (at []int) {
	for i := range n {
		if n <= 20 || i == n-1 || n <= poolBatch && i&(i-1) == 0 {
			at = append(at, i)
		}
	}
	return at
}

// batchSameIDTwice puts batches that cannot be stored whole without overwriting. The two
// results with one ID are next to each other, or as far apart as they can be.
func batchSameIDTwice(_ context.Context, _ *subject, open func() batchScript) error {
	for _, n := range []int{5, poolBatch - 1} {
		for _, twice := range []store.ID{1, store.ID(n+1) / 2, store.ID(n)} {
			o := open()
			res := append(batch(1, n), result(twice, 1))
			o.refuseBatch(res, fmt.Sprintf("two of which have the ID %d", twice))
			o.holdsOnly(nil)
			o.putBatch(res[:n])
			o.holdsOnly(byID(res[:n]))
			if o.err != nil {
				return o.err
			}
		}
	}
	return nil
}

// batchNoEviction puts as many batches as a pool may in a short run.
func batchNoEviction(_ context.Context, s *subject, open func() batchScript) error {
	o := open()
	n := s.size(many, 3) / poolBatch * poolBatch
	for first := 1; first < n; first += poolBatch {
		o.putBatch(batch(store.ID(first), poolBatch))
	}
	o.keeps(n)
	return o.err
}

// batchDoesNotChange hands over results in no order, which a store may want them in.
func batchDoesNotChange(_ context.Context, _ *subject, open func() batchScript) error {
	o := open()
	res := batch(1, poolBatch)
	slices.Reverse(res)
	want := slices.Clone(res)
	o.putBatch(res)
	o.refuseBatch(res, "all of which are held")
	for i := range res {
		if !same(res[i], want[i]) {
			o.fail("PutBatch has changed the slice that it was given: at %d there is %+v, and was %+v", i, res[i], want[i])
			break
		}
	}
	return o.err
}

func batchDoesNotKeep(_ context.Context, _ *subject, open func() batchScript) error {
	o := open()
	res := batch(1, poolBatch)
	want := byID(res)
	o.putBatch(res)
	for i := range res {
		res[i] = store.Result[int]{ID: 1 << 40, Value: -1, Err: io.EOF}
	}
	o.putBatch(append(res[:0], result(2*poolBatch, 0)))
	want[2*poolBatch] = result(2*poolBatch, 0)
	for _, r := range want {
		o.has(r)
	}
	o.holdsOnly(want)
	return o.err
}

// batchOneWinner has rivals put batches at once that have one ID in common. Some
// of them are single results, by Put.
func batchOneWinner(_ context.Context, s *subject, open func() batchScript) error {
	for round := range s.size(50, rivals) {
		o := open()
		batches := make([][]store.Result[int], rivals)
		for i := range batches {
			single := (i + round) % 2 // who comes first is not quite random
			batches[i] = append(batch(store.ID(100*(i+1)), 5*(1-single)), store.Result[int]{ID: 1, Value: i})
		}
		var winner atomic.Int32 // its number plus 1
		err := parallel(rivals, func(i int) error {
			var err error
			if len(batches[i]) == 1 {
				err = o.script.st.Put(o.ctx, batches[i][0])
			} else {
				err = o.st.PutBatch(o.ctx, batches[i])
			}
			switch {
			case err == nil:
				if !winner.CompareAndSwap(0, int32(i+1)) {
					return fmt.Errorf("two concurrent %s or Put with an ID in common returned nil, want one", o.method)
				}
			case !errors.Is(err, store.ErrExists):
				return fmt.Errorf("one of %d concurrent %s or Put with an ID in common returned error %q, "+
					"want nil or one matching store.ErrExists", rivals, o.method, err)
			}
			return nil
		})
		switch {
		case err != nil:
			return err
		case winner.Load() == 0:
			return fmt.Errorf("of %d concurrent %s or Put with an ID in common none returned nil", rivals, o.method)
		}
		o.holdsOnly(byID(batches[winner.Load()-1]))
		if o.err != nil {
			return o.err
		}
	}
	return nil
}

func batchDoneContext(ctx context.Context, _ *subject, open func() batchScript) error {
	return withDone(ctx, func(done context.Context) error {
		o := open()
		res := batch(1, poolBatch)
		switch err := o.st.PutBatch(done, res); {
		case err == nil:
			o.holdsOnly(byID(res))
		case refused(done, err):
			o.holdsOnly(nil)
		default:
			o.fail("%s of %d results, none of which is held, returned error %q, want nil or one matching the context's",
				o.method, len(res), err)
		}
		o.usable(1 << 30)
		return o.err
	})
}
