// Package saver puts results into a store, as often as it takes, and keeps those that the store
// will not have.
//
// A [Saver] stands for the store. A [Job] is results on their way into it, and belongs to one
// goroutine: a worker has one for its own results, the writer of a BatchPutter has another.
//
// The way of one result, with "(mu)" where the saver's lock is held; on most ways it is not:
//
//	Saver.Encode   its worker makes its bytes, if the store is a RecordPutter
//	Gathering.Add  its worker leaves it for the writer, if the store is a BatchPutter
//	Gathering.Take the writer takes it with the rest of the batch
//	Job.Add        it belongs to a job now, in a part of its own or with others
//	Job.try        one call of the store: Put, PutBatch or PutRecords
//	Job.follow     what comes next: the table there has all cases
//	  retry        (mu) count it; a pause; then try again, or hand it to a job of its own
//	  split        its part is halved
//	  replacement  the store can never take it: an error that says so takes its place
//	Job.settle     (mu) only if it was counted, or is given up: then it is among the dropped
//	  settled      the pool is told: whoever waits for the task may look for its result now
//	Dropped        (mu) the pool hands back what was given up
//
// Each result that is not settled is in one part of one job, or in the gathering, or still with its
// worker. So a result is put by one goroutine at a time, and is put again only after a call that has
// not returned nil.
package saver

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/store"
)

// grace is how long one call of the store may take once the pool has been cancelled, and how
// long calls that fail may take together. Before the cancel, a call may take for ever.
const grace = 5 * time.Second

// Hooks are what a Saver needs of its pool.
type Hooks[R any] struct {
	// Fail is told that the store is closed: no other attempt will succeed. It is called without
	// a lock, from whichever goroutine has found that out, and by each that does.
	Fail func(err error)

	// Dropped, if not nil, is told of each result that is given up, and returns whether it is
	// to be handed back to the user.
	Dropped func(res store.Result[R]) bool
}

// A Saver hands results to a store. Its methods may be called from any goroutine.
//
// It retries for ever while the pool runs. To give up after some time would lose results in an
// outage that is longer, and how long that may be nobody knows but the user, who can cancel the
// pool. After the cancel there is a limit, so that the pool ends.
type Saver[R any] struct {
	store store.ResultStore[R]
	// batches is the store, or nil if it is no BatchPutter.
	batches store.BatchPutter[R]
	// records is the store, or nil if it is no RecordPutter.
	records store.RecordPutter[R]

	// ownIDs is true if IDs are the store's, so nobody else's result can have one of ours: an ID that
	// is taken is a result of ours from an earlier attempt.
	ownIDs bool

	hooks    Hooks[R]
	failures *backoff.Failures

	// ctx is that of the pool. Once it is done, what fails is not tried again.
	ctx context.Context
	// putCtx is that of calls that begin before Cancelled. It ends grace after that; expire ends it.
	putCtx context.Context
	expire context.CancelFunc
	// expires calls expire. It is set once, by Cancelled.
	expires *time.Timer

	// cancelled is true from Cancelled on: calls have contexts that end.
	cancelled atomic.Bool
	// hung is true once a call has outlasted its context, or failed calls have used up grace.
	hung atomic.Bool

	// mu is innermost: no other lock is taken, and nothing is called with it held.
	mu sync.Mutex
	// retrying is how many results wait for another attempt. It is guarded by mu.
	retrying uint64
	// dropped is the results that were given up, guarded by mu.
	dropped []dropped[R]
	// index is the places in dropped by ID, guarded by mu.
	index map[store.ID]int
}

// dropped is a result that was given up, and the store's reason.
type dropped[R any] struct {
	res store.Result[R]
	why error
}

// New returns a saver for the pool whose context ctx is. ctx's values are those of the contexts
// that the store is given, which are not cancelled with it: what has run is to be saved.
//
// The optional interfaces of the store are looked for here, once. A store that wraps another hides
// those of the inner one.
func New[R any](ctx context.Context, st store.ResultStore[R], failures *backoff.Failures, hooks Hooks[R]) *Saver[R] {
	s := &Saver[R]{store: st, ctx: ctx, failures: failures, hooks: hooks, index: make(map[store.ID]int)}
	s.batches, _ = st.(store.BatchPutter[R])
	s.records, _ = st.(store.RecordPutter[R])
	_, s.ownIDs = st.(store.IDReserver)
	s.putCtx, s.expire = context.WithCancel(context.WithoutCancel(ctx))
	return s
}

// Store returns the store, for those who read results.
func (s *Saver[R]) Store() store.ResultStore[R] { return s.store }

// TakesBatches reports whether results are to be gathered and saved by one writer.
func (s *Saver[R]) TakesBatches() bool { return s.batches != nil }

// Cancelled starts the grace of the calls under way. The pool calls it once, at most, when its
// context is done and before Close. Calls that begin later have a grace of their own, in all.
func (s *Saver[R]) Cancelled() {
	s.cancelled.Store(true)
	s.expires = time.AfterFunc(grace, s.expire)
}

// Close frees the contexts. No call of the store may be under way, and none follows: the pool has
// ended.
func (s *Saver[R]) Close() {
	if s.expires != nil {
		s.expires.Stop()
	}
	s.expire()
}

// context is that of one call of the store, with a function to be called afterwards, if that is not
// nil.
//
// After the cancel it ends in time, and for a call that begins after one that has hung it is
// done from the start: a store that is quick does its work all the same, and one that hangs
// costs grace once and not for each result.
func (s *Saver[R]) context() (context.Context, context.CancelFunc) {
	switch {
	case !s.cancelled.Load():
		return s.putCtx, nil
	case s.hung.Load():
		return context.WithTimeout(context.WithoutCancel(s.ctx), 0)
	default:
		return context.WithTimeout(context.WithoutCancel(s.ctx), grace)
	}
}

// addRetrying counts n more results that are tried again.
func (s *Saver[R]) addRetrying(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retrying += uint64(n)
}

// settle takes results off the count of those that are tried again, and keeps those that are
// given up. The hook is called without mu, and before a result is among the dropped: once Dropped
// has it, its pool may end.
func (s *Saver[R]) settle(retried int, givenUp []dropped[R]) {
	if s.hooks.Dropped != nil {
		kept := givenUp[:0]
		for _, d := range givenUp {
			if s.hooks.Dropped(d.res) {
				kept = append(kept, d)
			}
		}
		givenUp = kept
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retrying -= uint64(retried)
	for _, d := range givenUp {
		s.index[d.res.ID] = len(s.dropped)
		s.dropped = append(s.dropped, d)
	}
}

// Unsaved returns, for Stats, how many results the store was asked to take and has not: those that are
// tried again, and those that were given up.
func (s *Saver[R]) Unsaved() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.retrying + uint64(len(s.dropped))
}

// Dropped returns the results that were given up, and the reason for the first; the reason is
// nil if there are none. The slice is the caller's. The pool asks when it ends, and no result can be
// given up any more.
func (s *Saver[R]) Dropped() (all []store.Result[R], why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.dropped {
		all = append(all, d.res)
	}
	if len(all) > 0 {
		why = s.dropped[0].why
	}
	return all, why
}

// DroppedResult returns the result with that ID and the reason why it was given up, which is nil
// if it was not.
func (s *Saver[R]) DroppedResult(id store.ID) (res store.Result[R], why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.index[id]
	if !ok {
		return res, nil
	}
	return s.dropped[i].res, s.dropped[i].why
}
