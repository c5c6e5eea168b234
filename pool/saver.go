package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
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

// A saver hands results to the store, as often as it takes, and keeps those that
// the store will not have.
type saver[R any] struct {
	store store.ResultStore[R]
	batch store.BatchPutter[R] // the same, or nil

	pool    context.Context // done: nothing is tried again
	putCtx  context.Context // of calls that begin before that
	expire  context.CancelFunc
	expires *time.Timer // calls expire; set once, by cancelled

	mu       sync.Mutex
	retrying uint64            // results that wait for another try; guarded by mu
	unsaved  []store.Result[R] // those given up; guarded by mu
	why      error             // for the first of them; guarded by mu
}

func newSaver[R any](pool context.Context, st store.ResultStore[R]) *saver[R] {
	s := &saver[R]{store: st, pool: pool}
	s.batch, _ = st.(store.BatchPutter[R])
	s.putCtx, s.expire = context.WithCancel(context.WithoutCancel(pool))
	return s
}

// fate is what became of an attempt to store a result.
type fate int

const (
	stored  fate = iota
	failing      // not stored; it may be another time
	refused      // it never will be
	taken        // the ID is held already
)

var errPutGoexit = fmt.Errorf("pool: in the store's Put: %w", ErrGoexit)

// save returns when res is stored or among the unsaved. Its caller holds a
// worker's slot meanwhile: a store that is slow or down slows the pool and in
// the end its submitters, and nothing piles up. again says that the store was
// asked to store res before.
func (s *saver[R]) save(res store.Result[R], again bool) {
	err := errPutGoexit // what it is if Put does not come back
	defer func() {
		if err != nil {
			s.giveUp(res, err)
		}
	}()

	f, err2 := s.persist(res, again)
	err = err2
	if f != refused {
		return
	}
	instead := store.Result[R]{ID: res.ID, Err: notStored(res.Err, err)}
	if f, _ := s.persist(instead, false); f == stored {
		err = nil
	}
}

// notStored is the error to store in place of a result that was refused.
func notStored(taskErr, refusal error) error {
	if taskErr == nil {
		return fmt.Errorf("pool: the task's result was not stored: %w", refusal)
	}
	return fmt.Errorf("pool: the task's error (%v) was not stored: %w", taskErr, refusal)
}

// persist tries until res is stored or cannot be, or the pool is cancelled. A
// pause that the cancel cuts short is followed by one more attempt.
func (s *saver[R]) persist(res store.Result[R], again bool) (fate, error) {
	f, err := s.put(res)
	if f == failing && s.pool.Err() == nil {
		f, err = s.retry(res)
		again = true
	}
	if f == taken && again {
		return stored, nil // by an attempt that seemed to fail
	}
	return f, err
}

func (s *saver[R]) retry(res store.Result[R]) (fate, error) {
	s.addRetrying(1)
	defer s.addRetrying(-1)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		s.sleep(pause)
		if f, err := s.put(res); f != failing || s.pool.Err() != nil {
			return f, err
		}
	}
}

// put is one attempt. It does not come back if the store calls Goexit.
func (s *saver[R]) put(res store.Result[R]) (f fate, err error) {
	ctx := s.putCtx
	if s.pool.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = s.lateCtx()
		defer cancel()
	}
	defer func() {
		if r := recover(); r != nil {
			f, err = refused, putPanicked(r)
		}
	}()
	err = s.store.Put(ctx, res)
	switch {
	case err == nil:
		return stored, nil
	case errors.Is(err, store.ErrRejected):
		return refused, err
	case errors.Is(err, store.ErrExists):
		return taken, err
	default:
		return failing, err
	}
}

// saveBatch stores all of res in one call, or reports that it did not.
func (s *saver[R]) saveBatch(res []store.Result[R]) (ok bool) {
	ctx := s.putCtx
	if s.pool.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = s.lateCtx()
		defer cancel()
	}
	defer func() {
		if recover() != nil {
			ok = false // whoever stores them one by one will see it too
		}
	}()
	return s.batch.PutBatch(ctx, res) == nil
}

func putPanicked(value any) error {
	return fmt.Errorf("%w: panic in Put: %w", store.ErrRejected, &PanicError{Value: value, Stack: debug.Stack()})
}

// lateCtx is the context of a call that begins after the cancel.
func (s *saver[R]) lateCtx() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(s.pool), grace)
}

// sleep returns after d, or once the pool is cancelled.
func (s *saver[R]) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.pool.Done():
	}
}

// cancelled starts the grace of the calls under way. It is called at most once,
// before release.
func (s *saver[R]) cancelled() { s.expires = time.AfterFunc(grace, s.expire) }

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

func (s *saver[R]) giveUp(res store.Result[R], why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsaved = append(s.unsaved, res)
	if s.why == nil {
		s.why = why
	}
}

// given returns the result of a task that was given up, with the reason.
func (s *saver[R]) givenUp(id store.ID) (store.Result[R], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, res := range s.unsaved {
		if res.ID == id {
			return res, &UnsavedError[R]{Results: []store.Result[R]{res}, Err: s.why}
		}
	}
	return store.Result[R]{}, nil
}

// waiting returns how many results the store has been asked to take and has not.
func (s *saver[R]) waiting() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.retrying + uint64(len(s.unsaved))
}

// verdict returns what Stop is to return, given what it would if all was saved.
func (s *saver[R]) verdict(otherwise error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.unsaved) == 0:
		return otherwise
	case otherwise == nil:
		return &UnsavedError[R]{Results: s.unsaved, Err: s.why}
	default:
		return &UnsavedError[R]{Results: s.unsaved, Err: fmt.Errorf("%w (%w)", s.why, otherwise)}
	}
}
