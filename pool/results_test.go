package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/storetest"
)

// Results on their way to a store, before the cancel of the pool.

// Put fails: the worker retries with capped, growing pauses and holds its slot;
// intake slows, then blocks; nothing is lost, and nothing is stored for that id.
func TestPutFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down breakdown
		down.Store(true)
		st := newTestStore(down.fault)
		p := newPool(t, &pool.Options{Workers: 1, Queue: 2}, st)
		begun := time.Now()
		id := submit(t, p, value(1))
		synctest.Wait()
		submit(t, p, value(2))
		submit(t, p, value(3))
		calls := []*pending{p.submitting(value(4)), p.getting(id), p.waiting()}

		time.Sleep(10 * time.Minute)
		for _, c := range calls {
			c.waits(t)
		}
		assert.Zero(t, holds(t, p))
		stats := p.Stats()
		assert.Equal(t, begun, stats.Failing.Since)
		assert.ErrorIs(t, stats.Failing.Err, errDown)
		stats.Failing = pool.Stats{}.Failing
		assert.Equal(t, pool.Stats{Submitted: 3, Queued: 2, Running: 1, Unsaved: 1, Workers: 1}, stats)
		pauses := st.pauses()
		for i, ms := range []time.Duration{10, 20, 40, 80, 160, 320, 640, 1000, 1000} {
			assert.Equal(t, ms*time.Millisecond, pauses[i], "pause %d", i)
		}
		assert.Equal(t, time.Second, slices.Max(pauses))

		down.Store(false)
		time.Sleep(time.Second)
		for _, c := range calls {
			assert.NoError(t, c.returns(t))
		}
		assert.Equal(t, pool.Stats{Submitted: 4, Succeeded: 4, Workers: 1}, p.Stats())
		assert.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 4, holds(t, p))
	})
}

// putting runs a task, once, with the value 7 and an error, whose Puts have that fault, and
// another after it. It returns the pool and what Stop says.
func putting(t *testing.T, put storetest.Fault) (taskPool, error) {
	t.Helper()
	var given context.Context
	p := newPool(t, &pool.Options{Workers: 1}, newTestStore(storetest.Only(func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		given = ctx
		_, ends := ctx.Deadline()
		assert.False(t, ends, "before a cancel the context of a Put does not end")
		return put(ctx, ids, do)
	}, 1)))
	begun, runs := time.Now(), 0
	submit(t, p, func(context.Context) (int, error) { runs++; return 7, errTask })
	next := submit(t, p, value(8))
	err := p.Stop(t.Context())
	assert.Less(t, time.Since(begun), 30*time.Millisecond, "one pause at most")
	assert.Error(t, given.Err(), "the context of a Put ends with the pool")
	assert.Equal(t, 1, runs, "however often the result is put")
	assert.Equal(t, 8, held(t, p, next).Value, "the worker goes on")
	s := p.Stats()
	assert.Zero(t, s.Failing, "what is given up is no trouble any more")
	var unsaved *pool.UnsavedError[int]
	want := pool.Stats{Submitted: 2, Succeeded: 1, Failed: 1, Workers: 1}
	if errors.As(err, &unsaved) {
		want.Unsaved = 1
	}
	assert.Equal(t, want, s)
	assert.Equal(t, 2, holds(t, p)+int(s.Unsaved))
	return p, err
}

// The store can never take a result: it says ErrRejected, or panics, at once or later. A
// result whose Err says so is stored instead, and that is saved as any other is.
func TestPutRejects(t *testing.T) {
	fails, rejects, panics := storetest.Fail(errDown), storetest.Fail(store.ErrRejected), storetest.Panic(io.ErrNoProgress)
	for name, c := range map[string]struct {
		put    storetest.Fault
		panics bool
	}{
		"ErrRejected":                  {script(rejects), false},
		"panic":                        {script(panics), true},
		"fails and panics":             {script(fails, panics), true},
		"the other fails":              {script(rejects, fails), false},
		"the other is stored, no word": {script(rejects, loses(fails)), false},
	} {
		bubble(t, name, func(t *testing.T) {
			p, err := putting(t, c.put)
			require.NoError(t, err)
			_, err = p.Get(t.Context(), 1)
			assert.ErrorIs(t, err, store.ErrRejected)
			assert.ErrorContains(t, err, errTask.Error(), "what the task had to say")
			assert.Zero(t, held(t, p, 1).Value)
			var panicked *pool.PanicError
			assert.Equal(t, c.panics, errors.As(err, &panicked))
			if c.panics {
				assert.Equal(t, io.ErrNoProgress, panicked.Value)
				assert.Contains(t, string(panicked.Stack), "storetest")
			}
		})
	}
}

// … and if that fails too: UnsavedError, with the result that was meant, once.
func TestPutRejectsAll(t *testing.T) {
	fails, rejects, exists := storetest.Fail(errDown), storetest.Fail(store.ErrRejected), storetest.Fail(store.ErrExists)
	for is, puts := range map[error]map[string]storetest.Fault{
		store.ErrRejected: {
			"ErrRejected": rejects, "panic": storetest.Panic("boom"), "panic nil Err": storetest.Panic(error(nil)),
			"the other is held": script(rejects, exists),
		},
		pool.ErrGoexit:  {"Goexit": goexit, "fails and Goexits": script(fails, goexit)},
		store.ErrExists: {"ID is held": exists},
	} {
		for name, put := range puts {
			bubble(t, name, func(t *testing.T) {
				_, err := putting(t, put)
				assert.Equal(t, []store.Result[int]{{ID: 1, Value: 7, Err: errTask}}, handedBack(t, err, 1))
				assert.ErrorIs(t, err, is)
				assert.NotContains(t, err.Error(), "nil>")
			})
		}
	}
}

// A Put that stored the result and said otherwise, in whatever way: the second attempt
// finds it, and nothing is reported as lost.
func TestPutLies(t *testing.T) {
	for name, end := range map[string]storetest.Fault{
		"fails":  storetest.Fail(io.ErrUnexpectedEOF),
		"panics": storetest.Panic("after storing"),
	} {
		bubble(t, name, func(t *testing.T) {
			p, err := putting(t, script(loses(end)))
			assert.NoError(t, err)
			assert.Equal(t, 7, held(t, p, 1).Value)
			assert.Equal(t, []int{1, 1, 1}, p.st.(*testStore).sizes())
		})
	}
}

// A store never overwrites, and neither does a pool: results of an earlier pool
// under the same IDs stay, and the new ones are handed back.
func TestStoreInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newTestStore(nil)
		first := newPool(t, nil, st)
		submit(t, first, value(1))
		require.NoError(t, first.Stop(t.Context()))
		second := newPool(t, nil, st)
		submit(t, second, value(2))
		err := second.Stop(t.Context())
		assert.ErrorIs(t, err, store.ErrExists)
		assert.Equal(t, []store.Result[int]{{ID: 1, Value: 2}}, handedBack(t, err, 1))
		assert.Equal(t, 1, held(t, first, 1).Value)
		assert.ErrorContains(t, err, "the result of task 1 could not be saved")
	})
}

// What Stop hands back is the caller's: Get does not depend on it, and gives each
// result's own reason.
func TestUnsavedIsACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := map[store.ID]error{1: io.EOF, 2: io.ErrNoProgress}
		p := newPool(t, &pool.Options{Workers: 1}, newTestStore(func(_ context.Context, ids []store.ID, _ func(context.Context) error) error {
			return fmt.Errorf("%w: %w", store.ErrRejected, why[ids[0]])
		}))
		submit(t, p, value(10))
		submit(t, p, value(20))
		err := p.Stop(t.Context())
		assert.ErrorIs(t, err, io.EOF)
		clear(handedBack(t, err, 2))
		v, err := p.Get(t.Context(), 2)
		assert.Equal(t, 20, v)
		assert.ErrorIs(t, err, io.ErrNoProgress)
		assert.NotErrorIs(t, err, io.EOF)
	})
}

// No call waits for a store that hangs but those that have to.
func TestHangingStoreHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		p := newPool(t, &pool.Options{Workers: 1, Queue: 5}, newTestStore(after(gate)))
		submit(t, p, value(1))
		synctest.Wait()
		begun := time.Now()
		assert.Equal(t, pool.Stats{Submitted: 1, Running: 1, Workers: 1}, p.Stats())
		submit(t, p, value(2))
		_, err := p.TrySubmit(value(3))
		assert.NoError(t, err)
		_, err = p.SubmitAll(t.Context(), values(2))
		assert.NoError(t, err)
		_, err = p.Get(t.Context(), 99)
		assert.Equal(t, store.ErrNotFound, err)
		_, err = p.Results(t.Context())
		assert.NoError(t, err)
		assert.NoError(t, p.Resize(1))
		assert.ErrorIs(t, p.Stop(doneContext()), context.Canceled)
		assert.Zero(t, time.Since(begun))
		close(gate)
		assert.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 5, holds(t, p))
	})
}

// Unsaved is of the same moment as the rest: a result that waits for another try is
// that of a task that counts as running. All workers wait for their second try, and
// then all are done at about the same moment, while others look.
func TestStatsUnsaved(t *testing.T) {
	const workers, rounds = 64, 25
	var calls atomic.Int64
	p := newPool(t, &pool.Options{Workers: workers}, newTestStore(func(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
		if (calls.Add(1)-1)/workers%2 == 0 { // the first try of each task in a round
			return errDown
		}
		return nil
	}))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for !isClosed(stop) {
				s := p.Stats()
				assert.LessOrEqual(t, s.Unsaved, s.Running)
			}
		})
	}
	for range rounds {
		_, err := p.SubmitAll(t.Context(), repeat(workers, value(1)))
		assert.NoError(t, err)
		assert.NoError(t, p.Wait(t.Context()))
	}
	close(stop)
	wg.Wait()
	assert.EqualValues(t, workers*rounds, p.Stats().Succeeded)
}

// Failing is since the first of the attempts that go on failing, and over with a success.
// An error at a deadline is its cause, and Stats says the rest.
func TestStatsFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down breakdown
		down.Store(true)
		p := newPool(t, &pool.Options{Workers: 2}, newTestStore(down.fault))
		assert.Zero(t, p.Stats().Failing)
		begun := time.Now()
		submit(t, p, value(1))
		time.Sleep(time.Minute)
		submit(t, p, value(2))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errCause)
		defer cancel()
		assert.Equal(t, errCause, p.Stop(ctx))
		f := p.Stats().Failing
		assert.Equal(t, begun, f.Since)
		assert.Equal(t, errDown, f.Err)
		down.Store(false)
		require.NoError(t, p.Wait(t.Context()))
		assert.Zero(t, p.Stats().Failing)
	})
}

// A closable says that it is closed, from a moment on.
type closable struct{ atomic.Bool }

func (c *closable) fault(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
	if c.Load() {
		return fmt.Errorf("my store: %w", store.ErrClosed)
	}
	return do(ctx)
}

// What has ended the pool is what fails, whatever has failed for longer.
func TestFailingForGoodComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hangs atomic.Bool
		release := make(chan struct{})
		p := newPool(t, &pool.Options{Workers: 2}, newTestStore(func(_ context.Context, ids []store.ID, _ func(context.Context) error) error {
			if ids[0] > 1 {
				return store.ErrClosed
			}
			if hangs.Load() {
				<-release
			}
			return errDown
		}))
		submit(t, p, value(1))
		time.Sleep(time.Minute)
		require.Equal(t, errDown, p.Stats().Failing.Err)
		hangs.Store(true)
		time.Sleep(time.Minute)
		submit(t, p, value(2))
		synctest.Wait()
		assert.ErrorIs(t, p.Stats().Failing.Err, store.ErrClosed)
		close(release)
		require.ErrorIs(t, p.Stop(t.Context()), store.ErrClosed)
		assert.ErrorIs(t, p.Stats().Failing.Err, store.ErrClosed)
	})
}

// A store that is closed before Stop takes no result any more: Stop hands back what there is.
func TestStoreIsClosed(t *testing.T) {
	for name, wrap := range map[string]func(*reserver) store.ResultStore[int]{
		"one by one":          func(r *reserver) store.ResultStore[int] { return r.testStore },
		"BatchPutter":         func(r *reserver) store.ResultStore[int] { return batches{r.testStore} },
		"with IDs of its own": func(r *reserver) store.ResultStore[int] { return r },
	} {
		bubble(t, name, func(t *testing.T) {
			var closed closable
			st := newReserver(1, 0)
			st.put = closed.fault
			p := newPool(t, &pool.Options{Workers: 2, Queue: 10}, wrap(st))
			stored := submit(t, p, value(1))
			require.NoError(t, p.Wait(t.Context()))
			gate := make(chan struct{})
			var ids []store.ID
			for i := range 12 {
				ids = append(ids, submit(t, p, gated(gate, 7+i)))
			}
			var last store.ID
			blocked := begin(func() (err error) { last, err = p.Submit(t.Context(), value(1)); return err })
			synctest.Wait()
			closed.Store(true)
			close(gate)
			err := soon(t, time.Minute, func() error { return p.Stop(t.Context()) })
			require.ErrorIs(t, err, store.ErrClosed)
			if refused := blocked.returns(t); refused == nil { // there was room before the store was asked
				ids = append(ids, last)
			} else {
				require.ErrorIs(t, refused, pool.ErrClosed)
			}
			var got []store.ID
			for _, res := range handedBack(t, err, len(ids)) {
				got = append(got, res.ID)
			}
			require.ElementsMatch(t, ids, got)
			<-p.Done()
			p.cancel(errCause) // too late to be the reason
			_, err = p.Submit(t.Context(), value(1))
			require.ErrorIs(t, err, pool.ErrClosed)
			require.ErrorIs(t, err, store.ErrClosed)
			require.ErrorIs(t, p.Wait(t.Context()), store.ErrClosed)
			require.ErrorIs(t, p.Stats().Failing.Err, store.ErrClosed)
			v, err := p.Get(t.Context(), stored)
			require.NoError(t, err)
			require.Equal(t, 1, v)
			st.get = closed.fault // Get has what was not stored also when the store cannot be asked
			_, err = p.Get(t.Context(), stored)
			require.ErrorIs(t, err, store.ErrClosed)
			require.ErrorIs(t, err, pool.ErrClosed)
			v, err = p.Get(t.Context(), ids[0])
			handedBack(t, err, 1)
			require.Equal(t, 7, v)
		})
	}
}

// A pool whose store was closed when there was nothing left to store has lost nothing.
func TestStoreIsClosedAfterTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed closable
		p := newPool(t, nil, newTestStore(closed.fault))
		submit(t, p, value(1))
		require.NoError(t, p.Wait(t.Context()))
		closed.Store(true)
		require.NoError(t, p.Stop(t.Context()))
	})
}

// endless panics with itself when its text is asked for, and fmt.Sprint with it.
type endless struct{}

func (e *endless) Error() string { panic(e) }

const noText = "(*pool_test.endless, whose text cannot be had: the method that makes it panics)"

// errorFunc is an error whose text is made when it is asked for.
type errorFunc func() string

func (f errorFunc) Error() string { return f() }

// because is two errors whose text is made when it is asked for.
type because struct{ what, why error }

func (e *because) Error() string   { return e.what.Error() + ": " + e.why.Error() }
func (e *because) Unwrap() []error { return []error{e.what, e.why} }

// The texts of a task's error and of what a store says are the user's code. Whatever
// that does, the result is stored or handed back, and the process goes on.
func TestStoreTextPanics(t *testing.T) {
	goexits := errorFunc(func() string { runtime.Goexit(); return "" })
	for name, c := range map[string]struct {
		task error
		put  storetest.Fault
		once bool
	}{
		"refused":            {&endless{}, storetest.Fail(store.ErrRejected), true},
		"refused, Goexit":    {goexits, storetest.Fail(store.ErrRejected), true},
		"refusal":            {&endless{}, storetest.Fail(&because{store.ErrRejected, &endless{}}), false},
		"panic":              {&endless{}, storetest.Panic(&endless{}), false},
		"panic, then stored": {nil, storetest.Panic(&endless{}), true},
	} {
		for _, batch := range []bool{false, true} {
			bubble(t, fmt.Sprintf("%s, batch %v", name, batch), func(t *testing.T) {
				put := c.put
				if c.once {
					put = untilAlone(put)
				}
				textPanics(t, newTestStore(storetest.Only(put, 1)).as(batch), c.task)
			})
		}
	}
}

func textPanics(t *testing.T, st store.ResultStore[int], taskErr error) {
	p := newPool(t, &pool.Options{Workers: 1}, st)
	submit(t, p, func(context.Context) (int, error) { return 7, taskErr })
	submit(t, p, value(8))
	want := 2
	if err := p.Stop(t.Context()); err != nil {
		want = 1
		assert.Equal(t, 7, handedBack(t, err, 1)[0].Value)
	}
	assert.Equal(t, want, holds(t, p))
	_, err := p.Get(t.Context(), 1)
	require.Error(t, err)
	var goexits errorFunc
	if !errors.As(taskErr, &goexits) { // its text is asked for here
		assert.Contains(t, err.Error(), "whose text cannot be had")
	}
}
