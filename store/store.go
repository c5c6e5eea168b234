// Package store defines where a pool keeps the results of its tasks.
//
// A store is anything with the four methods of [ResultStore]. Four come with
// this module, and they are swapped with one argument of pool.New:
//
//   - [github.com/resultpool/resultpool/store/dense]: an array indexed by ID;
//     the one to start with.
//   - [github.com/resultpool/resultpool/store/rwmutex]: a map under a
//     sync.RWMutex.
//   - [github.com/resultpool/resultpool/store/syncmap]: a sync.Map.
//   - [github.com/resultpool/resultpool/store/xsync]: an xsync map.
//
// A fifth keeps results on disk, and is a module of its own: [github.com/resultpool/resultpool/store/bolt].
// [github.com/resultpool/resultpool/store/bounded] limits how many results any of them keeps, and for how long.
//
// # Writing a store
//
// Implement [ResultStore], read its numbered clauses, and prove that your store keeps them with package storetest,
// a conformance test suite, in one line:
//
//	func TestConformance(t *testing.T) { storetest.Run(t, newStore) }
//
// A store that keeps bytes can make them with [github.com/resultpool/resultpool/store/codec].
//
// Four further interfaces are optional: [BatchPutter] and [BatchDeleter] for a store that writes or deletes many
// results at the price of one, [RecordPutter] for one that stores bytes, and [IDReserver] for a store that outlives
// the pool or serves more than one. A store in memory embeds a [Sequence] for the last.
//
// # How long results live
//
// A store keeps every result until somebody deletes it: a program that submits for ever and never deletes runs out
// of memory. Delete the results that you have read:
//
//	v, err := p.Get(ctx, id)
//	st.Delete(ctx, id)
//
// or sweep now and then:
//
//	for res, err := range st.All(ctx) {
//		if err != nil && res.ID == 0 {
//			return err // the store has failed, or ctx is done
//		}
//		use(res, err) // err: this one cannot be read
//		used = append(used, res.ID)
//	}
//	err := store.DeleteAll(ctx, st, used) // on a disk many times faster than one by one
//
// Or wrap the store with package bounded, which deletes the oldest results: then a result that is not read in time
// is gone.
package store

import (
	"context"
	"errors"
	"iter"
)

// An ID names a task and its result. A pool gives IDs out in increasing order, in the order in which it accepts
// tasks, and never gives one out twice. The zero ID is never given out.
//
// IDs are dense: those of a pool that does not share its store start at 1 and leave no gaps. A store may be faster
// for dense IDs but must take any other ID except 0.
//
// So an ID is not a secret: whoever has one can guess the others, and how many tasks there were. A service that
// hands out results by ID, for example in a URL, must know whose result each is and check who asks.
type ID uint64

// A Result is the outcome of the task with that ID.
//
// Err is nil if the task's function returned a nil error. Otherwise Err is that error, with the Value that was
// returned beside it, or one of the pool's own: a *PanicError, ErrGoexit or ErrNotRun.
type Result[R any] struct {
	ID    ID
	Value R
	Err   error
}

// A ResultStore keeps the outcome of every task that a pool accepts. All of its
// methods may be called from any number of goroutines at once.
//
// Package storetest checks each clause under the number that it has here.
//
//  1. When Put returns nil, every Get of that ID that starts afterwards, on any
//     goroutine, returns that Result until it is deleted: the same ID, the same
//     Value, an Err that matches the same errors under [errors.Is], and the
//     Value also where there is an Err beside it.
//  2. Put of an ID that is held changes nothing and returns an error matching
//     [ErrExists]. Of several concurrent Puts of one ID exactly one returns nil.
//  3. Get of an ID that is not held returns an error matching [ErrNotFound].
//  4. After Delete has returned nil, the ID is not held and may be put again.
//     Delete of an ID that is not held returns nil and changes nothing.
//  5. A loop over All yields each Result that is held from its beginning to its
//     end exactly once. It may or may not yield one that is put or deleted
//     meanwhile, yields none twice unless it was deleted and put again, and
//     none that was never put. There is no order. A pair with an error and an ID
//     that is not 0 is about that result only, which cannot be read: the loop goes
//     on. With ID 0 the store has failed or ctx is done, and the pair is the last.
//  6. The body of a loop over All may call every method of the store, loop over
//     All again, break, return and panic: no lock is held while it runs.
//  7. A Result is held until it is deleted. A store does not evict, except at a
//     limit that its user has set, as package bounded does.
//  8. Every ID from 1 to the largest uint64 can be held.
//  9. A method that has to wait returns when ctx is done. With a ctx that is
//     done, a method either does its work or returns an error matching
//     ctx.Err() or context.Cause(ctx) and changes nothing. A store that never
//     waits may ignore ctx.
//  10. Two stores share nothing.
//
// An ID of 0 is outside the contract: a pool never uses it.
//
// Any error of Put that matches none of ErrExists, [ErrRejected] and [ErrClosed] means "not now": a pool holds the
// result and tries again, for as long as it takes. So a Put that returned such an error may be repeated; if the
// first attempt did store the Result after all, the second returns ErrExists.
//
// A store never retries and never logs: its caller decides.
type ResultStore[R any] interface {
	// Put stores res under res.ID.
	Put(ctx context.Context, res Result[R]) error

	// Get returns the Result that is held under id. With an error beside a Result whose ID is
	// id, it says that this one is held and cannot be read; with any other error but
	// ErrNotFound the store has failed.
	Get(ctx context.Context, id ID) (Result[R], error)

	// Delete forgets the Result that is held under id, if there is one.
	Delete(ctx context.Context, id ID) error

	// All returns the Results that are held, as a weakly consistent sequence:
	// see clauses 5 and 6. Of a pair with an error only the Result's ID means
	// anything.
	All(ctx context.Context) iter.Seq2[Result[R], error]
}

// A BatchPutter is a [ResultStore] that stores many results at the price of one, as a database does in one
// transaction. It is optional: a pool gives a store that is not a BatchPutter its results one by one.
//
// A pool's workers do not wait for a BatchPutter: they hand their results over, and while one batch is written the
// next one gathers, up to 1,024 results. The pool repeats a batch that fails in halves, and a single result by Put.
type BatchPutter[R any] interface {
	// PutBatch stores every Result of res, or none of them and returns an
	// error: for ErrExists, ErrRejected and every other error as Put would for
	// one of them. It does not change res, and does not keep it after it has
	// returned.
	PutBatch(ctx context.Context, res []Result[R]) error
}

// A RecordPutter is a [BatchPutter] that stores bytes, and lets the pool make them before the write. It is
// optional. A pool's workers call Encode, each for its own result, so that results are encoded in parallel and the
// size of the next batch is known: it gathers at most 8 MiB of records, or one result. For a BatchPutter that is
// not a RecordPutter, up to 1,024 results gather, whatever their size.
//
// The pool gives encoded results to PutRecords, also a single one, and not to Put or PutBatch. So a type that
// embeds a RecordPutter to do more in these methods has to do it in PutRecords as well.
type RecordPutter[R any] interface {
	BatchPutter[R]

	// Encode returns the bytes of res, which are the caller's. It waits for nothing.
	// Its error matches ErrRejected.
	Encode(res Result[R]) ([]byte, error)

	// PutRecords is PutBatch of the results whose bytes recs are.
	PutRecords(ctx context.Context, recs []Record) error
}

// A Record is a [Result] as the bytes that a [RecordPutter] has made of it.
type Record struct {
	ID   ID     // that of the Result
	Data []byte // what Encode returned
}

// A BatchDeleter is a [ResultStore] that deletes many results at the price of one, as a database does in one
// transaction. It is optional, and used by [DeleteAll], which deletes the results of any other store one by one.
type BatchDeleter[R any] interface {
	// DeleteBatch forgets every Result that is held under one of ids, as a Delete of each
	// would. It is no error if an ID is not held, or is in ids twice. When it returns nil,
	// none of ids is held. After an error, each of them may still be held or not, and the
	// call may be repeated. It does not change ids, and does not keep it after it has
	// returned.
	DeleteBatch(ctx context.Context, ids []ID) error
}

// An IDReserver is a [ResultStore] that hands out ranges of IDs, so that they stay unique over restarts and over
// several pools on one store. It is optional: with a store that is not an IDReserver a pool counts from 1, so such
// a store must belong to that one pool and must be empty when the pool is made. (Otherwise the store refuses the
// results of the new tasks with ErrExists. None is overwritten, and the pool's Stop hands them back.)
//
// A store that wraps another hides the optional interfaces of the inner one, even if it embeds it, unless it has
// their methods too.
type IDReserver interface {
	// ReserveIDs returns the first of n consecutive IDs that no call of it has
	// returned before, in this process or an earlier one on the same data. Each
	// call's range is above all the ranges before it. n is at least 1. If fewer
	// than n IDs are left, it returns an error and reserves none. IDs that a pool
	// does not get to use are never used.
	ReserveIDs(ctx context.Context, n uint64) (first ID, err error)
}

// ErrNotFound is returned by Get for an ID that is not held.
var ErrNotFound = errors.New("store: result not found")

// ErrExists is returned by Put for an ID that is held. A store never overwrites.
var ErrExists = errors.New("store: result already exists")

// ErrRejected is returned by Put for a Result that this store can never take, for example because it is too large
// or cannot be encoded. A pool does not retry it: it stores, under the same ID, a result whose Err says so.
var ErrRejected = errors.New("store: result rejected")

// ErrClosed is in the chain of the errors that a store's methods return once it has been closed for good. A pool
// does not try again then: it ends, and its Stop hands back the results that were not stored.
var ErrClosed = errors.New("store: closed")

// Snapshot copies all that st holds into a map that the caller owns. It blocks for as long as a loop over st.All.
//
// It is as consistent as st.All: a result that is put or deleted while it runs may or may not be in the map.
// Results that cannot be read are not in the map, and the error joins what All says of each. If ctx is done before
// Snapshot has finished, or the store fails, the map is nil and the error is context.Cause(ctx) or the store's.
func Snapshot[R any](ctx context.Context, st ResultStore[R]) (map[ID]Result[R], error) {
	if ctx == nil {
		return nil, errors.New("store: nil context; use context.Background() if there is none")
	}
	all := make(map[ID]Result[R])
	var unreadable []error
	for res, err := range st.All(ctx) {
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil && res.ID == 0:
			return nil, err
		case err != nil:
			unreadable = append(unreadable, printable{err})
		default:
			all[res.ID] = res
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return all, errors.Join(unreadable...)
}
