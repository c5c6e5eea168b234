package pool

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/store"
)

// NewKeyed is [New] for a pool that runs at most Options.PerKey tasks with the same key at once: one by default.
// Tasks of one key are started in the order of their IDs. A task whose key is busy is passed over and holds no
// worker; a task of another key runs in its place.
//
//	p, err := pool.NewKeyed(ctx, fetch, hostOf, dense.New[Page](), &pool.Options{Workers: 64, PerKey: 2})
//
// A key is busy until the result of its task is stored, or handed to the goroutine that writes batches. A task that
// waits for its next attempt (see [RetryAfter]) keeps no key busy, and afterwards waits for its key like a new
// task: so the order holds for first starts only.
//
// Tasks that are passed over count as Queued and take up room in the queue. So one busy key can fill the queue and
// block the submission of tasks of other keys while workers idle: set Options.Queue to as many tasks as may wait
// for one key, or to [math.MaxInt]. Queued may exceed Queue by one for each worker.
//
// Submit, TrySubmit and SubmitAll call key once for each task, on a goroutine of its own, with no lock held. If key
// panics, calls Goexit, or returns a key that cannot be looked up (NaN, or an interface that holds a value without
// ==), they return an error that says so, in SubmitAll with the index, and accept none of the tasks. A key without
// tasks takes no memory.
//
// Such a pool takes its lock for each task that is submitted and for each that a worker takes, which a pool made by
// New does not.
//
// The error is New's, or says that key is nil.
func NewKeyed[K comparable, T, R any](ctx context.Context, fn func(context.Context, T) (R, error), key func(T) K, st store.ResultStore[R], opts *Options) (*Pool[T, R], error) {
	if key == nil {
		return nil, errNilKey
	}
	perKey := 1
	var o Options
	if opts != nil {
		o = *opts
	}
	switch {
	case o.PerKey < 0:
		return nil, fmt.Errorf("pool: PerKey is %d, want 0 (1) or more", o.PerKey)
	case o.PerKey > 0:
		perKey = o.PerKey
	}
	o.PerKey = 0
	return newLocal(ctx, fn, &lanes[K, T]{key: key, places: perKey, busy: make(map[K]*lane)}, st, &o)
}

// A keyring is what a pool of NewKeyed knows of its keys. All but Read is called with Pool.mu held.
type keyring[T any] interface {
	// Read returns a function that is to be told when the next n of in are in the queue.
	Read(in []T) (pushed func(n int), err error)
	// Next returns the lane of the next task that is taken out of the queue.
	Next() *lane
	// Again returns the lane of a task with that key.
	Again(key any) *lane
	// Forget forgets a lane if it is empty.
	Forget(l *lane)
}

// A lane is the tasks of one key. Nobody waits in it while a place is free.
type lane struct {
	key     any
	places  int
	taken   int       // by tasks that run, or that a worker may take
	waiting list.List // of *parked
}

// lanes has a lane for each key that is busy. Tasks are pushed and taken with Pool.mu held, one by one
// and in the order of their IDs, so their keys are a queue beside that of the tasks.
type lanes[K comparable, T any] struct {
	key    func(T) K
	places int
	busy   map[K]*lane
	most   int // see emptied
	keys   []K // of the tasks in the queue, from first on
	first  int
}

// Read is keyring's.
func (ls *lanes[K, T]) Read(in []T) (pushed func(n int), err error) {
	keys := make([]K, len(in))
	i := 0
	err = guard.Apart(func() error {
		for ; i < len(in); i++ {
			keys[i] = ls.key(in[i])
			if k := keys[i]; k != k { //nolint:gocritic // NaN; and it panics if k has no ==
				return errors.New("it is NaN, which equals no key")
			}
		}
		return nil
	})
	if err != nil {
		if errors.Is(err, guard.ErrGoexit) {
			err = ErrGoexit
		}
		return nil, fmt.Errorf("pool: the key of the task at index %d: %w", i, err)
	}
	return func(n int) {
		ls.keys = append(ls.keys, keys[:n]...)
		keys = keys[n:]
	}, nil
}

// Next is keyring's.
func (ls *lanes[K, T]) Next() *lane {
	k := ls.keys[ls.first]
	clear(ls.keys[ls.first : ls.first+1])
	ls.first++
	switch {
	case ls.first == len(ls.keys):
		ls.keys, ls.first = nil, 0
	case ls.first > len(ls.keys)/2:
		ls.keys, ls.first = slices.Clone(ls.keys[ls.first:]), 0
	}
	return ls.lane(k)
}

// Again is keyring's.
func (ls *lanes[K, T]) Again(key any) *lane { return ls.lane(key.(K)) }

func (ls *lanes[K, T]) lane(k K) *lane {
	l := ls.busy[k]
	if l == nil {
		l = &lane{key: k, places: ls.places}
		ls.busy[k] = l
	}
	return l
}

// Forget is keyring's.
func (ls *lanes[K, T]) Forget(l *lane) {
	if l.taken == 0 && l.waiting.Len() == 0 {
		delete(ls.busy, l.key.(K))
		ls.busy = emptied(ls.busy, &ls.most)
	}
}
