package pool_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

// Bad input: a typed error each, and no side effect. (tunny, errgroup, x/sync #14, #15: numbers were not checked, or
// changed under running tasks.)

func TestNewBadInput(t *testing.T) {
	fn, st := pool.Call[int], store.ResultStore[int](rwmutex.New[int]())
	var nilStore *rwmutex.Store[int]
	for _, c := range []struct {
		name string
		ctx  context.Context
		fn   func(context.Context, task) (int, error)
		st   store.ResultStore[int]
		opts *pool.Options
		want error // nil: look at the text only
		text string
	}{
		{"nil ctx", nil, fn, st, nil, nil, "pool: nil context"},
		{"nil fn", t.Context(), nil, st, nil, pool.ErrNilFunc, "nil task function"},
		{"nil store", t.Context(), fn, nil, nil, pool.ErrNilStore, "nil store"},
		{"nil pointer for a store", t.Context(), fn, nilStore, nil, pool.ErrNilStore, "nil store"},
		{"negative Workers", t.Context(), fn, st, &pool.Options{Workers: -1}, pool.ErrNoWorkers, "Workers is -1, want 0"},
		{"least Workers", t.Context(), fn, st, &pool.Options{Workers: math.MinInt}, pool.ErrNoWorkers, "Workers is -"},
		{"negative Queue", t.Context(), fn, st, &pool.Options{Queue: -7}, nil, "pool: Queue is -7, want 0"},
		{"least Queue", t.Context(), fn, st, &pool.Options{Queue: math.MinInt}, nil, "Queue is -"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkGoroutines(t)
			p, err := pool.New(c.ctx, c.fn, c.st, c.opts)
			assert.Nil(t, p)
			assert.ErrorContains(t, err, c.text)
			if c.want != nil {
				assert.ErrorIs(t, err, c.want)
			}
			_, err = pool.Map(c.ctx, values(1), c.fn, c.opts)
			if c.st == nil || c.st == store.ResultStore[int](nilStore) {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, c.text)
		})
	}
}

// Numbers that no machine has are no reason to panic, nor to take their memory.
func TestNewHuge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: math.MaxInt, Queue: math.MaxInt})
		gate := make(chan struct{})
		for range 100 {
			submit(t, p, gated(gate, 1))
		}
		synctest.Wait()
		assert.EqualValues(t, 100, p.Stats().Running)
		require.NoError(t, p.Resize(1))
		require.NoError(t, p.Resize(math.MaxInt))
		close(gate)
		require.NoError(t, p.Stop(t.Context()))
		assert.ErrorIs(t, p.Resize(math.MinInt), pool.ErrNoWorkers)
	})
}

// The calls on a pool: each error is that of the contract, and afterwards the
// pool is as it was.
func TestCallBadInput(t *testing.T) {
	ctx, done := context.Background(), doneContext()
	var nilCtx context.Context
	submitting := func(ctx context.Context, in task) func(*testing.T, taskPool) error {
		return func(t *testing.T, p taskPool) error {
			id, err := p.Submit(ctx, in)
			assert.Zero(t, id)
			return err
		}
	}
	trying := func(in task) func(*testing.T, taskPool) error {
		return func(t *testing.T, p taskPool) error {
			id, err := p.TrySubmit(in)
			assert.Zero(t, id)
			return err
		}
	}
	submittingAll := func(ctx context.Context, in ...task) func(*testing.T, taskPool) error {
		return func(t *testing.T, p taskPool) error {
			ids, err := p.SubmitAll(ctx, in)
			assert.Empty(t, ids)
			return err
		}
	}
	getting := func(ctx context.Context, id store.ID) func(*testing.T, taskPool) error {
		return func(_ *testing.T, p taskPool) error { _, err := p.Get(ctx, id); return err }
	}
	reading := func(ctx context.Context) func(*testing.T, taskPool) error {
		return func(_ *testing.T, p taskPool) error { _, err := p.Results(ctx); return err }
	}
	resizing := func(n int) func(*testing.T, taskPool) error {
		return func(_ *testing.T, p taskPool) error { return p.Resize(n) }
	}
	type calls map[string]func(*testing.T, taskPool) error
	for state, c := range map[string]struct {
		make  func(taskPool)
		calls map[error]calls // by the error that they have; nil: the one for a nil context
	}{
		"open": {func(taskPool) {}, map[error]calls{
			pool.ErrNilTask:   {"Submit": submitting(ctx, nil), "TrySubmit": trying(nil), "SubmitAll": submittingAll(ctx, value(1), nil)},
			pool.ErrNoWorkers: {"Resize(-1)": resizing(-1), "Resize(least)": resizing(math.MinInt)},
			context.Canceled: {
				"Submit": submitting(done, value(1)), "SubmitAll": submittingAll(done, value(1)),
				"SubmitAll of nothing": submittingAll(done), "Results": reading(done),
			},
			store.ErrNotFound: {
				"Get of 0": getting(ctx, 0), "Get of an ID to come": getting(ctx, 1), "Get of the last ID": getting(ctx, math.MaxUint64),
				"Get of an ID to come, done ctx": getting(done, 1),
			},
			nil: {
				"Submit": submitting(nilCtx, value(1)), "SubmitAll": submittingAll(nilCtx, value(1)), "Get": getting(nilCtx, 1), "Results": reading(nilCtx),
				"Wait": func(_ *testing.T, p taskPool) error { return p.Wait(nilCtx) },
				"Stop": func(_ *testing.T, p taskPool) error { return p.Stop(nilCtx) },
			},
		}},
		"stopped": {func(p taskPool) { _ = p.Stop(ctx) }, map[error]calls{
			pool.ErrNilTask: {"Submit": submitting(ctx, nil)},
			pool.ErrClosed: {
				"Submit": submitting(ctx, value(1)), "Submit, done ctx": submitting(done, value(1)), "TrySubmit": trying(value(1)),
				"SubmitAll": submittingAll(ctx, value(1)), "SubmitAll of nothing": submittingAll(ctx), "Resize": resizing(1),
			},
			pool.ErrNoWorkers: {"Resize(-1)": resizing(-1)},
			store.ErrNotFound: {"Get": getting(ctx, 1)},
		}},
		"cancelled": {func(p taskPool) { p.cancel(errCause) }, map[error]calls{
			pool.ErrClosed: {"Submit": submitting(ctx, value(1))},
			errCause:       {"Submit": submitting(ctx, value(1)), "TrySubmit": trying(value(1)), "SubmitAll": submittingAll(ctx, value(1))},
		}},
		"without workers": {func(p taskPool) { _ = p.Resize(0) }, map[error]calls{
			pool.ErrNoWorkers: {
				"Submit": submitting(ctx, value(1)), "Submit, done ctx": submitting(done, value(1)),
				"TrySubmit": trying(value(1)), "SubmitAll": submittingAll(ctx, value(1)),
			},
		}},
	} {
		for want, calls := range c.calls {
			for name, call := range calls {
				bubble(t, state+"/"+name, func(t *testing.T) {
					p := newPool(t, &pool.Options{Workers: 2})
					c.make(p)
					before := p.Stats()
					err := call(t, p)
					if want == nil {
						assert.ErrorContains(t, err, "nil context")
					} else {
						assert.ErrorIs(t, err, want)
					}
					synctest.Wait()
					assert.Equal(t, before, p.Stats(), "side effect")
					assert.Zero(t, holds(t, p), "side effect")
				})
			}
		}
	}
}

// ants #297: each failure has its own error, and matches no other.
func TestErrorsAreDistinct(t *testing.T) {
	all := []error{
		pool.ErrClosed, pool.ErrQueueFull, pool.ErrNilTask, pool.ErrNilFunc, pool.ErrNilStore,
		pool.ErrNoWorkers, pool.ErrNotRun, pool.ErrGoexit, pool.ErrInTask,
		store.ErrNotFound, store.ErrExists, store.ErrRejected,
	}
	for i, a := range all {
		for j, b := range all {
			if i != j {
				assert.NotErrorIs(t, a, b)
				assert.NotEqual(t, a.Error(), b.Error())
			}
		}
	}
}

// A Pool that neither New nor Join has made is closed, and says why. So is no Pool at all.
func TestZeroPool(t *testing.T) {
	for name, p := range map[string]*pool.Pool[int, int]{"zero": new(pool.Pool[int, int]), "nil": nil} {
		t.Run(name, func(t *testing.T) {
			_, submit := p.Submit(t.Context(), 1)
			_, try := p.TrySubmit(1)
			ids, all := p.SubmitAll(t.Context(), []int{1})
			_, get := p.Get(t.Context(), 1)
			results, read := p.Results(t.Context())
			for method, err := range map[string]error{
				"Submit": submit, "TrySubmit": try, "SubmitAll": all, "Get": get, "Results": read,
				"Resize(0)": p.Resize(0), "Resize(1)": p.Resize(1), "Wait": p.Wait(t.Context()), "Stop": p.Stop(t.Context()),
			} {
				assert.ErrorIs(t, err, pool.ErrClosed, method)
				assert.ErrorContains(t, err, "pool: this Pool was not made by New or Join", method)
			}
			assert.Empty(t, ids)
			assert.Empty(t, results)
			assert.Zero(t, p.Stats())
			assert.True(t, isClosed(p.Done()), "Done is open")
		})
	}
}

// The zero value of most stores is an empty store.
func TestZeroStore(t *testing.T) {
	for name, newStore := range map[string]func() store.ResultStore[int]{
		"dense":   func() store.ResultStore[int] { return new(dense.Store[int]) },
		"rwmutex": func() store.ResultStore[int] { return new(rwmutex.Store[int]) },
		"syncmap": func() store.ResultStore[int] { return new(syncmap.Store[int]) },
	} {
		t.Run(name, func(t *testing.T) {
			assert.NoError(t, newStore().Put(t.Context(), store.Result[int]{ID: 7}))
			assert.NoError(t, newStore().Delete(t.Context(), 7))
			_, err := store.Snapshot(t.Context(), newStore())
			assert.NoError(t, err)
			_, err = newStore().Get(t.Context(), 1)
			assert.ErrorIs(t, err, store.ErrNotFound)
			p := newPool(t, nil, newStore()) // reserves IDs
			ids, err := p.SubmitAll(t.Context(), values(5000))
			require.NoError(t, err)
			require.NoError(t, p.Stop(t.Context()))
			for i, id := range ids {
				require.Equal(t, i, held(t, p, id).Value)
			}
		})
	}
}

// That of an xsync.Store is closed, and says why: so does New.
func TestZeroXsync(t *testing.T) {
	st := new(xsync.Store[int])
	_, made := pool.New(t.Context(), doubled, store.ResultStore[int](st), nil)
	_, get := st.Get(t.Context(), 1)
	_, all := store.Snapshot(t.Context(), st)
	for method, err := range map[string]error{
		"New": made, "Get": get, "All": all, "Put": st.Put(t.Context(), store.Result[int]{ID: 1}), "Delete": st.Delete(t.Context(), 1),
	} {
		assert.ErrorIs(t, err, store.ErrClosed, method)
		assert.ErrorContains(t, err, "xsync: this Store was not made by New", method)
	}
}
