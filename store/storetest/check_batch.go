package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

// poolBatch is how many results a pool puts at once, at most.
const poolBatch = 1024

// A batchScript is a script on a store that is a BatchPutter, or a RecordPutter. It fails if
// what it puts is changed.
type batchScript struct {
	*script
	putBatch func(context.Context, []store.Result[int]) error
	method   string // that putBatch calls
}

// batches is a check of a BatchPutter.
func batches(try func(*subject, func() batchScript)) func(*subject) {
	return func(s *subject) {
		offered[store.BatchPutter[int]](s)
		try(s, func() batchScript {
			o := s.open()
			return batchScript{o, func(ctx context.Context, res []store.Result[int]) error {
				given := slices.Clone(res)
				err := o.st.(store.BatchPutter[int]).PutBatch(ctx, res)
				if !slices.EqualFunc(res, given, same) {
					kit.Failf("PutBatch has changed the slice that it was given")
				}
				return err
			}, "PutBatch"}
		})
	}
}

// offered returns a store as the optional interface I, or fails with kit.ErrNotOffered.
func offered[I any](s *subject) I {
	offer, ok := s.newStore().(I)
	if !ok {
		kit.Fail(kit.ErrNotOffered)
	}
	return offer
}

// puts puts results none of which is held.
func (o batchScript) puts(res []store.Result[int]) {
	if err := o.putBatch(o.ctx, res); err != nil {
		kit.Failf("%s of %d results, none of which is held, returned error %q, want nil", o.method, len(res), err)
	}
}

// refuses puts results of which not all can be stored.
func (o batchScript) refuses(res []store.Result[int], why string) {
	if err := o.putBatch(o.ctx, res); !errors.Is(err, store.ErrExists) {
		kit.Failf("%s of %d results, %s, returned %v, want an error matching store.ErrExists", o.method, len(res), why, err)
	}
}

func batchEqualsPuts(s *subject, open func() batchScript) {
	for _, n := range []int{0, 1, 2, 1000, s.size(5000, 1)} {
		kit.Within(fmt.Sprintf("with %d results", n), func() {
			o := open()
			res := batch(1, n)
			if n > 1 {
				res[1].Err = fmt.Errorf("wrapped: %w", io.EOF)
			}
			want := byID(res)
			slices.Reverse(res) // nothing says that a batch is in order
			o.puts(res)
			o.hasAll(want)
			for _, r := range res {
				o.refuse(result(r.ID, 1))
			}
			o.usable(1 << 30)
		})
	}
}

// batchAllOrNone has one result after the other be held already. A store that writes a
// large batch in parts has written the first ones by then: so the batches are as large as
// those of a pool, and larger.
func batchAllOrNone(_ *subject, open func() batchScript) {
	for _, n := range []int{20, poolBatch, 4*poolBatch + 1} {
		o := open()
		res := batch(1, n)
		for at := range n {
			// All of a small batch, the powers of two and the last of a pool's, the last of others.
			if n > 20 && at != n-1 && (n > poolBatch || at&(at-1) != 0) {
				continue
			}
			held := result(res[at].ID, 1)
			o.put(held)
			o.refuses(res, fmt.Sprintf("of which number %d is held", at))
			o.holdsOnly(byID([]store.Result[int]{held}))
			for i, r := range res {
				if i != at && (n == 20 || i%64 == 0) {
					o.lacks(r.ID)
				}
			}
			o.del(held.ID)
		}
		o.puts(res)
		o.holdsOnly(byID(res))
	}
}

// batchSameIDTwice puts batches that cannot be stored whole without overwriting. The two
// results with one ID are next to each other, or as far apart as they can be.
func batchSameIDTwice(_ *subject, open func() batchScript) {
	for _, n := range []int{5, poolBatch - 1} {
		for _, twice := range []store.ID{1, store.ID(n+1) / 2, store.ID(n)} {
			o := open()
			res := append(batch(1, n), result(twice, 1))
			o.refuses(res, fmt.Sprintf("two of which have the ID %d", twice))
			o.holdsOnly(nil)
			o.puts(res[:n])
			o.holdsOnly(byID(res[:n]))
		}
	}
}

// batchNoEviction puts as many batches as a pool may in a short run.
func batchNoEviction(s *subject, open func() batchScript) {
	o := open()
	n := s.size(many, 3) / poolBatch * poolBatch
	for first := 1; first < n; first += poolBatch {
		o.puts(batch(store.ID(first), poolBatch))
	}
	o.keeps(n)
}

func batchDoesNotKeep(_ *subject, open func() batchScript) {
	o := open()
	res := batch(1, poolBatch)
	want := byID(res)
	o.puts(res)
	for i := range res {
		res[i] = store.Result[int]{ID: 1 << 40, Value: -1, Err: io.EOF}
	}
	last := result(2*poolBatch, 0)
	o.puts(append(res[:0], last))
	want[last.ID] = last
	o.hasAll(want)
}

// batchOneWinner has rivals put batches at once that have one ID in common. Some
// of them are single results, by Put.
func batchOneWinner(s *subject, open func() batchScript) {
	for round := range s.size(50, rivals) {
		o := open()
		batches := make([][]store.Result[int], rivals)
		for i := range batches {
			single := (i + round) % 2 // the order in which goroutines start is not quite random
			batches[i] = append(batch(store.ID(100*(i+1)), 5*(1-single)), store.Result[int]{ID: 1, Value: i})
		}
		var winner atomic.Int32 // its number plus 1
		kit.Parallel(rivals, func(i int) {
			var won bool
			if len(batches[i]) == 1 {
				won = o.tryPut(batches[i][0])
			} else {
				err := o.putBatch(o.ctx, batches[i])
				if won = err == nil; !won && !errors.Is(err, store.ErrExists) {
					kit.Failf("one of %d concurrent %s or Put with an ID in common returned error %q, "+
						"want nil or one matching store.ErrExists", rivals, o.method, err)
				}
			}
			if won && !winner.CompareAndSwap(0, int32(i+1)) {
				kit.Failf("two concurrent %s or Put with an ID in common returned nil, want one", o.method)
			}
		})
		if winner.Load() == 0 {
			kit.Failf("of %d concurrent %s or Put with an ID in common none returned nil", rivals, o.method)
		}
		o.holdsOnly(byID(batches[winner.Load()-1]))
	}
}

func batchDoneContext(s *subject, open func() batchScript) {
	kit.WithDone(s.ctx, func(done context.Context) {
		o := open()
		res := batch(1, poolBatch)
		if worked(done, o.method+" of results none of which is held", o.putBatch(done, res)) {
			o.holdsOnly(byID(res))
		} else {
			o.holdsOnly(nil)
		}
		o.usable(1 << 30)
	})
}
