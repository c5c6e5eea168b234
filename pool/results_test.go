package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
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
		assert.Equal(t, pool.Stats{Submitted: 3, Queued: 2, Running: 1, Unsaved: 1, Workers: 1}, counts(stats))
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
		assert.Equal(t, pool.Stats{Submitted: 4, Succeeded: 4, Workers: 1}, counts(p.Stats()))
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
	assert.Equal(t, want, counts(s))
	assert.Equal(t, 2, holds(t, p)+int(s.Unsaved))
	return p, err
}

// The store can never take a result: it says ErrRejected, or panics, at once or later. A result
// whose Err says so is stored instead, and that is saved as any other is. A Goexit, or ErrExists, is
// no reason to: the result that was meant is handed back, as it is if the other is refused too. A
// Put that stored the result and said otherwise, in whatever way, has nothing reported as lost.
func TestPutRejects(t *testing.T) {
	fails, rejects, exists := storetest.Fail(errDown), storetest.Fail(store.ErrRejected), storetest.Fail(store.ErrExists)
	panics := storetest.Panic(io.ErrNoProgress)
	for name, c := range map[string]struct {
		put    storetest.Fault
		stored error // what the Err of the stored result matches; nil: none is
		back   error // what Stop's does, which hands the result back; nil: it does not
	}{
		"ErrRejected":                  {script(rejects), store.ErrRejected, nil},
		"panic":                        {script(panics), io.ErrNoProgress, nil},
		"fails and panics":             {script(fails, panics), io.ErrNoProgress, nil},
		"the other fails":              {script(rejects, fails), store.ErrRejected, nil},
		"the other is stored, no word": {script(rejects, loses(fails)), store.ErrRejected, nil},
		"always":                       {rejects, nil, store.ErrRejected},
		"always panics":                {panics, nil, store.ErrRejected},
		"always panics, nil Err":       {storetest.Panic(error(nil)), nil, store.ErrRejected},
		"the other is held":            {script(rejects, exists), nil, store.ErrRejected},
		"Goexit":                       {goexit, nil, pool.ErrGoexit},
		"fails and Goexits":            {script(fails, goexit), nil, pool.ErrGoexit},
		"ID is held":                   {exists, nil, store.ErrExists},
		"stored, and fails":            {script(loses(fails)), errTask, nil},
		"stored, and panics":           {script(loses(panics)), errTask, nil},
	} {
		bubble(t, name, func(t *testing.T) {
			p, err := putting(t, c.put)
			if c.back != nil {
				assert.Equal(t, []store.Result[int]{{ID: 1, Value: 7, Err: errTask}}, handedBack(t, err, 1))
				assert.ErrorIs(t, err, c.back)
				assert.NotContains(t, err.Error(), "nil>")
				return
			}
			require.NoError(t, err)
			v, err := p.Get(t.Context(), 1)
			assert.ErrorIs(t, err, c.stored)
			assert.ErrorContains(t, err, errTask.Error(), "what the task had to say")
			assert.Equal(t, c.stored == errTask, v == 7)
			assert.Equal(t, c.stored == errTask, err == errTask)
			if c.stored == io.ErrNoProgress {
				assert.ErrorIs(t, err, store.ErrRejected)
				var panicked *pool.PanicError
				require.ErrorAs(t, err, &panicked)
				assert.Contains(t, string(panicked.Stack), "storetest")
			}
		})
	}
}

// A store never overwrites, and neither does a pool: results of an earlier pool
// under the same IDs stay, and the new ones are handed back.
func TestStoreInUse(t *testing.T) {
	st := newTestStore(nil)
	for i := range 2 {
		p := newPool(t, nil, st)
		submit(t, p, value(1+i))
		err := p.Stop(t.Context())
		assert.Equal(t, 1, held(t, p, 1).Value)
		if i > 0 {
			assert.ErrorIs(t, err, store.ErrExists)
			assert.Equal(t, []store.Result[int]{{ID: 1, Value: 2}}, handedBack(t, err, 1))
			assert.ErrorContains(t, err, "the result of task 1 could not be saved")
		}
	}
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
		assert.Equal(t, pool.Stats{Submitted: 1, Running: 1, Workers: 1}, counts(p.Stats()))
		_, get := p.Get(t.Context(), 99)
		assert.Equal(t, store.ErrNotFound, get)
		_, results := p.Results(t.Context())
		errs := submitEachWay(p, value(2))
		errs["Results"], errs["Resize"] = results, p.Resize(1)
		for name, err := range errs {
			assert.NoError(t, err, name)
		}
		assert.ErrorIs(t, p.Stop(doneContext()), context.Canceled)
		assert.Zero(t, time.Since(begun))
		close(gate)
		assert.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 4, holds(t, p))
	})
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
		p := newPool(t, &pool.Options{Workers: 2}, newTestStore(storetest.Chain(
			storetest.Only(storetest.Fail(store.ErrClosed), 2), storetest.Fail(errDown))))
		submit(t, p, value(1))
		time.Sleep(time.Minute)
		require.Equal(t, errDown, p.Stats().Failing.Err)
		submit(t, p, value(2))
		synctest.Wait()
		assert.ErrorIs(t, p.Stats().Failing.Err, store.ErrClosed)
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
			ids, err := p.SubmitAll(t.Context(), repeat(12, gated(gate, 7)))
			require.NoError(t, err)
			var last store.ID
			blocked := begin(func() (err error) { last, err = p.Submit(t.Context(), value(1)); return err })
			synctest.Wait()
			closed.Store(true)
			close(gate)
			err = soon(t, time.Minute, func() error { return p.Stop(t.Context()) })
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
			for _, err := range submitEachWay(p, value(1)) {
				matchesAll(t, err, pool.ErrClosed, store.ErrClosed)
			}
			require.ErrorIs(t, p.Wait(t.Context()), store.ErrClosed)
			require.ErrorIs(t, p.Stats().Failing.Err, store.ErrClosed)
			v, err := p.Get(t.Context(), stored)
			require.NoError(t, err)
			require.Equal(t, 1, v)
			st.get = closed.fault // Get has what was not stored also when the store cannot be asked
			_, err = p.Get(t.Context(), stored)
			matchesAll(t, err, store.ErrClosed, pool.ErrClosed)
			v, err = p.Get(t.Context(), ids[0])
			handedBack(t, err, 1)
			require.Equal(t, 7, v)
		})
	}
}

// A pool whose store was closed when there was nothing left to store has lost nothing.
func TestStoreIsClosedAfterTheWork(t *testing.T) {
	var closed closable
	p := newPool(t, nil, newTestStore(closed.fault))
	submit(t, p, value(1))
	require.NoError(t, p.Wait(t.Context()))
	closed.Store(true)
	require.NoError(t, p.Stop(t.Context()))
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
	rejects, bad := storetest.Fail(store.ErrRejected), storetest.Panic(&endless{})
	goexits := errorFunc(func() string { runtime.Goexit(); return "" })
	for name, c := range map[string]struct {
		task error
		put  storetest.Fault
		once bool
	}{
		"refused":            {&endless{}, rejects, true},
		"refused, Goexit":    {goexits, rejects, true},
		"refusal":            {&endless{}, storetest.Fail(&because{store.ErrRejected, &endless{}}), false},
		"panic":              {&endless{}, bad, false},
		"panic, then stored": {nil, bad, true},
	} {
		for _, batch := range []bool{false, true} {
			bubble(t, fmt.Sprintf("%s, batch %v", name, batch), func(t *testing.T) {
				put := c.put
				if c.once {
					put = untilAlone(put)
				}
				p := newPool(t, &pool.Options{Workers: 1}, newTestStore(storetest.Only(put, 1)).as(batch))
				submit(t, p, func(context.Context) (int, error) { return 7, c.task })
				submit(t, p, value(8))
				want := 2
				if err := p.Stop(t.Context()); err != nil {
					want = 1
					assert.Equal(t, 7, handedBack(t, err, 1)[0].Value)
				}
				assert.Equal(t, want, holds(t, p))
				_, err := p.Get(t.Context(), 1)
				require.Error(t, err)
				if !errors.As(c.task, &goexits) { // its text is asked for here
					assert.Contains(t, err.Error(), "whose text cannot be had")
				}
			})
		}
	}
}
