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

// Fail makes every call return err without doing anything.
//
// To a pool, store.ErrRejected means that this result can never be stored, and any other error that the store fails
// for now. err must not be nil.
func Fail(err error) Fault { return kit.Failing[store.ID](err) }

// Lose makes every call do its work and then return err nevertheless, as when a database has committed but its
// answer is lost on the way. err must not be nil.
func Lose(err error) Fault { return kit.Losing[store.ID](err) }

// Slow makes every call wait for d before it is made. If its context is done first, it returns context.Cause, and
// does nothing.
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

// Block makes every call wait until its context is done, and then return context.Cause without doing anything. If
// the context is never done, it waits for ever.
func Block() Fault {
	return func(ctx context.Context, _ []store.ID, _ func(context.Context) error) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
}

// Panic makes every call panic with v.
func Panic(v any) Fault {
	return func(context.Context, []store.ID, func(context.Context) error) error { panic(v) }
}

// First applies f to the first n calls. Later calls work.
func First(n int, f Fault) Fault { return kit.First[store.ID](n, f) }

// For applies f from the first call on, for as long as d. Later calls work.
func For(d time.Duration, f Fault) Fault {
	begun := sync.OnceValue(time.Now)
	return func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		if time.Since(begun()) >= d {
			return do(ctx)
		}
		return kit.Call(ctx, f, ids, do)
	}
}

// Only applies f to calls that are about one of these IDs. All others work.
func Only(f Fault, ids ...store.ID) Fault { return kit.Only(f, ids...) }

// Chain makes every call go through all faults in their order, as far as they let it: Chain(Slow(time.Second),
// First(3, Fail(err))) waits for a second, and then fails three times.
func Chain(faults ...Fault) Fault { return kit.Chain(faults...) }

// Faults says which Fault each method of a store has. A method whose Fault is nil works normally, with two
// exceptions, so that a store whose Put or Delete fails does not accept the same in a batch: a nil PutBatch means
// Put's Fault, and a nil DeleteBatch means Delete's.
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

// A Fault stands between a caller and a method of a store. It makes the call with do, at most once, and returns the
// error that the caller is to see: do's, or one of its own. It may return late, make no call, or panic instead.
//
// ids are the IDs that the call is about: one for Put, Get and Delete, all of a batch for PutBatch and DeleteBatch,
// none for All and ReserveIDs. When a Fault returns an error, Get returns a zero Result beside it, and All yields
// it as its last pair.
//
// A result that cannot be read takes two faults. All goes on after it:
//
//	unreadable := storetest.Only(storetest.Fail(err), 7)
//	storetest.Faults{Get: unreadable, Each: unreadable}
//
// A Fault is called on the caller's goroutine, also by several at once. A nil Fault makes the call, also inside
// another.
//
// Your own Fault takes a few lines. This one hangs until the test opens the gate, and ignores its context:
//
//	func(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
//		<-gate
//		return do(ctx)
//	}
type Fault func(ctx context.Context, ids []store.ID, do func(context.Context) error) error

// WithFaults returns a store that is st except for its faults, to test code that uses a store: a pool, or a store
// that wraps another.
//
// The returned store is a [store.BatchPutter] if st is one, and likewise a [store.RecordPutter], a
// [store.BatchDeleter] and a [store.IDReserver]; see [Faults] for what that means for Put and Delete. To hide all
// of these, wrap st first:
//
//	struct{ store.ResultStore[R] }{st}
//
// It starts no goroutines, and waits by timers and channels only, so it can be used in a bubble of
// testing/synctest.
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
