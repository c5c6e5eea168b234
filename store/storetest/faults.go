package storetest

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/internal/optional"
	"github.com/resultpool/resultpool/store"
)

// Fail has every call return err, with nothing done.
//
// To a pool, store.ErrRejected means that this result can never be stored, any
// other error that the store fails for now. err must not be nil.
func Fail(err error) Fault { return kit.Failing[store.ID](err) }

// Lose has every call do its work and then return err all the same, as when a
// database has committed but its answer is lost on the way. err must not be nil.
func Lose(err error) Fault { return kit.Losing[store.ID](err) }

// Slow has every call wait for d before it is made. If its context is done
// before, it returns context.Cause, with nothing done.
func Slow(d time.Duration) Fault {
	return func(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return do(ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Block has every call wait until its context is done, and then return
// context.Cause, with nothing done. With a context that cannot be done, it waits
// for ever.
func Block() Fault {
	return func(ctx context.Context, _ []store.ID, _ func(context.Context) error) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
}

// Panic has every call panic with v.
func Panic(v any) Fault {
	return func(context.Context, []store.ID, func(context.Context) error) error { panic(v) }
}

// First is f for the first n calls. Those after them work.
func First(n int, f Fault) Fault { return kit.First[store.ID](n, f) }

// For is f from the first call on and for as long as d. Calls after that work.
func For(d time.Duration, f Fault) Fault {
	begun := sync.OnceValue(time.Now)
	return func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		if time.Since(begun()) >= d {
			return do(ctx)
		}
		return kit.Call(ctx, f, ids, do)
	}
}

// Only is f for calls that are about one of these IDs. All others work.
func Only(f Fault, ids ...store.ID) Fault { return kit.Only(f, ids...) }

// Chain has every call go through all faults in their order, as far as they let
// it: Chain(Slow(time.Second), First(3, Fail(err))) waits for a second, and then
// fails three times.
func Chain(faults ...Fault) Fault { return kit.Chain(faults...) }

// Faults says which Fault each method of a store has. A method whose Fault is nil
// works as it should, with one exception: a nil PutBatch stands for Put's Fault,
// so that a store whose Put fails does not take the same results in a batch, and a nil
// DeleteBatch for Delete's.
type Faults struct {
	Put         Fault // of one ID
	Get         Fault // of one ID
	Delete      Fault // of one ID
	All         Fault // of no ID; its do is the whole loop
	Each        Fault // of one ID, for each result of All; its error is yielded in the result's place
	PutBatch    Fault // of the IDs in the batch, if the store is a BatchPutter; also PutRecords
	DeleteBatch Fault // of the IDs that it is given, if the store is a BatchDeleter
	ReserveIDs  Fault // of no ID, if the store is an IDReserver
}

// A Fault stands between a caller and a method of a store. It makes the call with
// do, at most once, and returns the error that the caller is to see: do's, or one
// of its own. It may do so late, or not at all, or panic instead.
//
// ids are those that the call is about: one for Put, Get and Delete, all of a
// batch for PutBatch and DeleteBatch, none for All and ReserveIDs. When a Fault returns an error,
// Get returns a zero Result beside it, and All yields it as its last pair.
//
// A result that cannot be read is made of two faults. All goes on after it:
//
//	unreadable := storetest.Only(storetest.Fail(err), 7)
//	storetest.Faults{Get: unreadable, Each: unreadable}
//
// A Fault is called on the caller's goroutine, also by several at once. A nil Fault
// makes the call, also inside another.
//
// One of your own is a few lines. This one hangs until the test opens the gate,
// and does not care for its context:
//
//	func(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
//		<-gate
//		return do(ctx)
//	}
type Fault func(ctx context.Context, ids []store.ID, do func(context.Context) error) error

// WithFaults returns a store that is st but for its faults, to test what uses a
// store: a pool, or a store that wraps another.
//
// The store that it returns is a [store.BatchPutter] if st is one, and likewise a
// [store.RecordPutter], a [store.BatchDeleter] and a [store.IDReserver]; see [Faults] for
// what that means for Put and Delete. All can be hidden by wrapping st before:
//
//	struct{ store.ResultStore[R] }{st}
//
// It starts no goroutines, and waits by timers and channels only, so it can be
// used in a bubble of testing/synctest.
func WithFaults[R any](st store.ResultStore[R], faults Faults) store.ResultStore[R] {
	if faults.PutBatch == nil {
		faults.PutBatch = faults.Put
	}
	if faults.DeleteBatch == nil {
		faults.DeleteBatch = faults.Delete
	}
	f := &faulty[R]{ResultStore: st, faults: faults}
	f.batcher, _ = st.(store.BatchPutter[R])
	f.recorder, _ = st.(store.RecordPutter[R])
	f.deleter, _ = st.(store.BatchDeleter[R])
	f.reserver, _ = st.(store.IDReserver)
	return optional.Of(st, f)
}

// A faulty store has the methods of all optional interfaces. WithFaults hides those which the
// store inside does not have.
type faulty[R any] struct {
	store.ResultStore[R]
	batcher  store.BatchPutter[R]
	recorder store.RecordPutter[R]
	deleter  store.BatchDeleter[R]
	reserver store.IDReserver
	faults   Faults
}

// Put implements [store.ResultStore].
func (s *faulty[R]) Put(ctx context.Context, res store.Result[R]) error {
	return kit.Call(ctx, s.faults.Put, []store.ID{res.ID}, func(ctx context.Context) error {
		return s.ResultStore.Put(ctx, res)
	})
}

// Get implements [store.ResultStore].
func (s *faulty[R]) Get(ctx context.Context, id store.ID) (store.Result[R], error) {
	var res store.Result[R]
	err := kit.Call(ctx, s.faults.Get, []store.ID{id}, func(ctx context.Context) (err error) {
		res, err = s.ResultStore.Get(ctx, id)
		return err
	})
	if err != nil {
		return store.Result[R]{}, err
	}
	return res, nil
}

// Delete implements [store.ResultStore].
func (s *faulty[R]) Delete(ctx context.Context, id store.ID) error {
	return kit.Call(ctx, s.faults.Delete, []store.ID{id}, func(ctx context.Context) error {
		return s.ResultStore.Delete(ctx, id)
	})
}

// All implements [store.ResultStore].
func (s *faulty[R]) All(ctx context.Context) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		left := false
		err := kit.Call(ctx, s.faults.All, nil, func(ctx context.Context) error {
			for res, err := range s.ResultStore.All(ctx) {
				if err != nil && res.ID == 0 {
					return err
				}
				if res, err = s.each(ctx, res, err); !yield(res, err) {
					left = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !left {
			yield(store.Result[R]{}, err)
		}
	}
}

// each returns the pair that All yields in place of res and err.
func (s *faulty[R]) each(ctx context.Context, res store.Result[R], err error) (store.Result[R], error) {
	fault := kit.Call(ctx, s.faults.Each, []store.ID{res.ID}, func(context.Context) error { return err })
	if fault != nil {
		return store.Result[R]{ID: res.ID}, fault
	}
	return res, err
}

// PutBatch implements [store.BatchPutter].
func (s *faulty[R]) PutBatch(ctx context.Context, res []store.Result[R]) error {
	ids := make([]store.ID, len(res))
	for i, one := range res {
		ids[i] = one.ID
	}
	return kit.Call(ctx, s.faults.PutBatch, ids, func(ctx context.Context) error { return s.batcher.PutBatch(ctx, res) })
}

// Encode implements [store.RecordPutter].
func (s *faulty[R]) Encode(res store.Result[R]) ([]byte, error) { return s.recorder.Encode(res) }

// PutRecords implements [store.RecordPutter].
func (s *faulty[R]) PutRecords(ctx context.Context, recs []store.Record) error {
	ids := make([]store.ID, len(recs))
	for i, rec := range recs {
		ids[i] = rec.ID
	}
	return kit.Call(ctx, s.faults.PutBatch, ids, func(ctx context.Context) error { return s.recorder.PutRecords(ctx, recs) })
}

// DeleteBatch implements [store.BatchDeleter].
func (s *faulty[R]) DeleteBatch(ctx context.Context, ids []store.ID) error {
	return kit.Call(ctx, s.faults.DeleteBatch, ids, func(ctx context.Context) error { return s.deleter.DeleteBatch(ctx, ids) })
}

// ReserveIDs implements [store.IDReserver].
func (s *faulty[R]) ReserveIDs(ctx context.Context, n uint64) (first store.ID, err error) {
	err = kit.Call(ctx, s.faults.ReserveIDs, nil, func(ctx context.Context) (err error) {
		first, err = s.reserver.ReserveIDs(ctx, n)
		return err
	})
	if err != nil {
		return 0, err
	}
	return first, nil
}
