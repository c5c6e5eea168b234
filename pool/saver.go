package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/store"
)

const (
	// A store that fails is tried again after pauses that double from firstPause
	// to longestPause: soon after a hiccup, seldom during an outage.
	firstPause   = 10 * time.Millisecond
	longestPause = time.Second

	// grace is how long one call of the store may take once the pool has been
	// cancelled; then the call's context ends. Before, it does not end at all.
	grace = 5 * time.Second
)

// A saver hands results to the store, as often as it takes (see writing), and keeps
// those that the store will not have.
type saver[R any] struct {
	store   store.ResultStore[R]
	batch   store.BatchPutter[R]  // the same, or nil
	records store.RecordPutter[R] // the same, or nil

	reserves bool // IDs are the store's, so nobody else's result can have one of ours

	troubles *troubles
	fail     func(error) // ends the pool: the store is closed

	pool    context.Context // done: nothing is tried again
	putCtx  context.Context // of calls that begin before that
	expire  context.CancelFunc
	expires *time.Timer // calls expire; set once, by cancelled
	hung    atomic.Bool // a call has outlasted its context, or calls that failed have used up grace
	ending  atomic.Bool // putCtx is about to end

	lost func(id uint64) // told of results that are given up; nil unless the pool is joined

	mu       sync.Mutex       // taken inside Pool.mu, or alone
	retrying uint64           // results that wait for another try; guarded by mu
	unsaved  []unsaved[R]     // results that were given up; guarded by mu
	index    map[store.ID]int // of unsaved, by ID; guarded by mu
}

type unsaved[R any] struct {
	res store.Result[R]
	why error
}

func newSaver[R any](pool context.Context, st store.ResultStore[R], ts *troubles, fail func(error)) *saver[R] {
	s := &saver[R]{store: st, pool: pool, troubles: ts, fail: fail, index: make(map[store.ID]int)}
	s.batch, _ = st.(store.BatchPutter[R])
	s.records, _ = st.(store.RecordPutter[R])
	_, s.reserves = st.(store.IDReserver)
	s.putCtx, s.expire = context.WithCancel(context.WithoutCancel(pool))
	return s
}

// fate is what became of an attempt to store results.
type fate int

const (
	untried fate = iota
	stored
	failing // not stored; it may be another time
	refused // it never will be
	taken   // an ID is held: by somebody else's result, or by ours from before
	closed  // the store is, for good: nothing will be stored any more
	broken  // the store has panicked
	gone    // the store has called Goexit
)

// An attempt is a call of the store's Put or PutBatch, and why it failed, if it did.
type attempt struct {
	fate fate
	err  error
}

func attempted(err error) attempt {
	switch {
	case err == nil:
		return attempt{stored, nil}
	case errors.Is(err, store.ErrRejected):
		return attempt{refused, err}
	case errors.Is(err, store.ErrExists):
		return attempt{taken, err}
	case errors.Is(err, store.ErrClosed):
		return attempt{closed, err}
	default:
		return attempt{failing, err}
	}
}

var errPutGoexit = fmt.Errorf("pool: in the store's Put: %w", ErrGoexit)

// put is a first attempt, without precautions: the caller sees to a panic or a
// Goexit. It is not made if there may not be time enough for it.
func (s *saver[R]) put(res store.Result[R]) attempt {
	if s.ending.Load() {
		return attempt{}
	}
	err := s.store.Put(s.putCtx, res)
	if s.ending.Load() {
		s.noteHung(s.putCtx)
	}
	if err == nil {
		return attempt{fate: stored}
	}
	return attempted(err)
}

// try is one attempt. It does not come back if the store calls Goexit.
//
// After the cancel, calls that fail may take grace in all. One that takes a while to
// fail, as for want of a connection, would else cost that for each result.
func (s *saver[R]) try(w *writing[R], es []entry[R]) (a attempt) {
	ctx, cancel := s.context()
	if cancel != nil {
		begun := time.Now()
		defer func() {
			cancel()
			if a.fate == failing {
				w.wasted += time.Since(begun)
			}
			if w.wasted >= grace {
				s.hung.Store(true)
			}
		}()
	}
	defer func() {
		s.noteHung(ctx)
		if r := recover(); a.fate == untried { // r may be nil, after a panic(nil)
			a = attempt{broken, &putPanicked{&PanicError{Value: r, Stack: debug.Stack()}}}
		}
	}()
	// What is given to the store is a copy: one that sorts it and fails must not mix ours up.
	switch recs, all := recordsOf(es); {
	case all:
		return attempted(s.records.PutRecords(ctx, recs))
	case len(es) == 1:
		return attempted(s.store.Put(ctx, es[0].res))
	default:
		return attempted(s.batch.PutBatch(ctx, resultsOf(es)))
	}
}

// putPanicked is the error of a Put that has panicked. Its text, which may be the
// user's code, is made when it is asked for.
type putPanicked struct{ panic *PanicError }

func (e *putPanicked) Error() string {
	return fmt.Sprintf("%v: panic in Put: %v", store.ErrRejected, e.panic)
}
func (e *putPanicked) Unwrap() []error { return []error{store.ErrRejected, e.panic} }

// context is that of one call of the store; cancel may be nil. For a call that
// begins after the cancel and after one that has hung, it is done from the start:
// a store that is quick does its work all the same, and one that hangs costs grace
// once, not for each result.
func (s *saver[R]) context() (ctx context.Context, cancel context.CancelFunc) {
	if s.pool.Err() == nil {
		return s.putCtx, nil
	}
	d := grace
	if s.hung.Load() {
		d = 0
	}
	return context.WithTimeout(context.WithoutCancel(s.pool), d)
}

// noteHung is called after a call of the store with that context.
func (s *saver[R]) noteHung(ctx context.Context) {
	if ctx.Err() != nil {
		s.hung.Store(true)
	}
}

// nextPause is the pause after an attempt that has failed, given the one before.
func nextPause(last time.Duration) time.Duration {
	return min(max(2*last, firstPause), longestPause)
}

// sleep returns after d, or once ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// cancelled starts the grace of the calls under way. It is called at most once,
// before release.
func (s *saver[R]) cancelled() {
	s.ending.Store(true)
	s.expires = time.AfterFunc(grace, s.expire)
}

// release frees the contexts. No call of the store may be under way.
func (s *saver[R]) release() {
	if s.expires != nil {
		s.expires.Stop()
	}
	s.expire()
}

func (s *saver[R]) addRetrying(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retrying += uint64(n)
}

// finish takes results off the count of those that are retried, and keeps those that
// are given up.
func (s *saver[R]) finish(retried int, givenUp ...unsaved[R]) {
	if s.lost != nil {
		for _, u := range givenUp {
			s.lost(uint64(u.res.ID))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retrying -= uint64(retried)
	for _, u := range givenUp {
		if isHandBack(u.res.Err) {
			continue // its task was given back, and it is no result
		}
		s.index[u.res.ID] = len(s.unsaved)
		s.unsaved = append(s.unsaved, u)
	}
}

func (s *saver[R]) giveUp(res store.Result[R], why error) { s.finish(0, unsaved[R]{res, why}) }

// givenUp returns the result with that ID if it was given up, or else nil.
func (s *saver[R]) givenUp(id store.ID) *UnsavedError[R] {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.index[id]
	if !ok {
		return nil
	}
	u := s.unsaved[i]
	return &UnsavedError[R]{Results: []store.Result[R]{u.res}, Err: u.why}
}

// waiting returns how many results the store was asked to take and has not.
func (s *saver[R]) waiting() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.retrying + uint64(len(s.unsaved))
}

// verdict returns what Stop is to return, given what it would if all was saved.
func (s *saver[R]) verdict(otherwise error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unsaved) == 0 {
		return otherwise
	}
	e := &UnsavedError[R]{Err: s.unsaved[0].why}
	if otherwise != nil {
		e.Err = &because{e.Err, otherwise}
	}
	for _, u := range s.unsaved {
		e.Results = append(e.Results, u.res)
	}
	return e
}
