package pool_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
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

// The calls on a pool: each error is that of the contract, and afterwards the pool is as it was.
// (ants #330, #356, conc #78: one that has ended stays ended, for the same reason.)
func TestCallBadInput(t *testing.T) {
	var nilCtx context.Context
	calls := map[string]func(p taskPool, ctx context.Context) error{
		"Submit":         func(p taskPool, ctx context.Context) error { return noID(p.Submit(ctx, value(1))) },
		"Submit nil":     func(p taskPool, ctx context.Context) error { return noID(p.Submit(ctx, nil)) },
		"TrySubmit":      func(p taskPool, _ context.Context) error { return noID(p.TrySubmit(value(1))) },
		"TrySubmit nil":  func(p taskPool, _ context.Context) error { return noID(p.TrySubmit(nil)) },
		"SubmitAll":      func(p taskPool, ctx context.Context) error { return noIDs(p.SubmitAll(ctx, values(2))) },
		"SubmitAll none": func(p taskPool, ctx context.Context) error { return noIDs(p.SubmitAll(ctx, nil)) },
		"SubmitAll nil":  func(p taskPool, ctx context.Context) error { return noIDs(p.SubmitAll(ctx, []task{value(1), nil})) },
		"Get 0":          func(p taskPool, ctx context.Context) error { _, err := p.Get(ctx, 0); return err },
		"Get 1":          func(p taskPool, ctx context.Context) error { _, err := p.Get(ctx, 1); return err },
		"Get last":       func(p taskPool, ctx context.Context) error { _, err := p.Get(ctx, math.MaxUint64); return err },
		"Result":         func(p taskPool, ctx context.Context) error { _, err := p.Result(ctx, 1); return err },
		"Result 0":       func(p taskPool, ctx context.Context) error { _, err := p.Result(ctx, 0); return err },
		"Peek":           func(p taskPool, ctx context.Context) error { _, _, err := p.Peek(ctx, 1); return err },
		"GetAll":         func(p taskPool, ctx context.Context) error { return firstError(p.GetAll(ctx, idsFromTo(1, 2))) },
		"GetAll 0":       func(p taskPool, ctx context.Context) error { return firstError(p.GetAll(ctx, []store.ID{1, 0})) },
		"Finished":       func(p taskPool, ctx context.Context) error { return firstError(p.Finished(ctx)) },
		"Results":        func(p taskPool, ctx context.Context) error { _, err := p.Results(ctx); return err },
		"Wait":           func(p taskPool, ctx context.Context) error { return p.Wait(ctx) },
		"Stop":           func(p taskPool, ctx context.Context) error { return p.Stop(ctx) },
		"Resize 1":       func(p taskPool, _ context.Context) error { return p.Resize(1) },
		"Resize -1":      func(p taskPool, _ context.Context) error { return p.Resize(-1) },
		"Resize least":   func(p taskPool, _ context.Context) error { return p.Resize(math.MinInt) },
	}
	open := func(taskPool) {}
	stopped := func(p taskPool) { _ = p.Stop(context.Background()) }
	cancelled := func(p taskPool) { p.cancel(errCause) }
	empty := func(p taskPool) { _ = p.Resize(0) }
	for _, c := range []struct {
		state string
		make  func(taskPool)
		ctx   context.Context
		want  error // nil: that of a nil context
		calls []string
	}{
		{"open", open, context.Background(), pool.ErrNilTask, []string{"Submit nil", "TrySubmit nil", "SubmitAll nil"}},
		{"open", open, context.Background(), pool.ErrNoWorkers, []string{"Resize -1", "Resize least"}},
		{"open", open, context.Background(), store.ErrNotFound, []string{"Get 0", "Get 1", "Get last", "Result", "Result 0", "GetAll", "GetAll 0"}},
		{"done ctx", open, doneContext(), store.ErrNotFound, []string{"Get 1", "Result"}},
		{"done ctx", open, doneContext(), context.Canceled, []string{"Submit", "SubmitAll", "SubmitAll none", "Results", "GetAll", "Finished"}},
		{"nil ctx", open, nilCtx, nil, []string{"Submit", "SubmitAll", "Get 1", "Results", "Wait", "Stop", "Result", "Peek", "GetAll", "Finished"}},
		{"stopped", stopped, context.Background(), pool.ErrNilTask, []string{"Submit nil"}},
		{"stopped", stopped, context.Background(), pool.ErrClosed, []string{"Submit", "TrySubmit", "SubmitAll", "SubmitAll none", "Resize 1"}},
		{"stopped", stopped, context.Background(), pool.ErrNoWorkers, []string{"Resize -1"}},
		{"stopped", stopped, context.Background(), store.ErrNotFound, []string{"Get 1", "Result", "GetAll"}},
		{"stopped, done ctx", stopped, doneContext(), pool.ErrClosed, []string{"Submit"}},
		{"cancelled", cancelled, context.Background(), pool.ErrClosed, []string{"Submit", "TrySubmit", "SubmitAll"}},
		{"cancelled", cancelled, context.Background(), errCause, []string{"Submit", "TrySubmit", "SubmitAll", "Stop"}},
		{"empty", empty, context.Background(), pool.ErrNoWorkers, []string{"Submit", "TrySubmit", "SubmitAll"}},
		{"empty, done ctx", empty, doneContext(), pool.ErrNoWorkers, []string{"Submit"}},
	} {
		for _, name := range c.calls {
			bubble(t, c.state+"/"+name, func(t *testing.T) {
				p := newPool(t, &pool.Options{Workers: 2})
				c.make(p)
				before := p.Stats()
				for range 2 { // time makes no difference
					err := calls[name](p, c.ctx)
					if c.want == nil {
						assert.ErrorContains(t, err, "nil context")
					} else {
						assert.ErrorIs(t, err, c.want)
					}
					time.Sleep(time.Hour)
				}
				assert.Equal(t, before, p.Stats(), "side effect")
				assert.Zero(t, holds(t, p), "side effect")
			})
		}
	}
}

// firstError returns the error of the first pair.
func firstError(seq iter.Seq2[store.Result[int], error]) error {
	for _, err := range seq {
		return err
	}
	return nil
}

// noID and noIDs return err if there is no ID beside it.
func noID(id store.ID, err error) error {
	if id == 0 {
		return err
	}
	return fmt.Errorf("ID %d beside the error %v", id, err)
}

func noIDs(ids []store.ID, err error) error {
	if len(ids) == 0 {
		return err
	}
	return fmt.Errorf("IDs %d beside the error %v", ids, err)
}

// ants #297: each failure has its own error, and matches no other.
func TestErrorsAreDistinct(t *testing.T) {
	all := []error{
		pool.ErrClosed, pool.ErrQueueFull, pool.ErrNilTask, pool.ErrNilFunc, pool.ErrNilStore,
		pool.ErrNoWorkers, pool.ErrNotRun, pool.ErrGoexit, pool.ErrInTask, pool.ErrUnsaved,
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

// The zero value of most stores is an empty store. (xsync's own tests have the one that is not.)
func TestZeroStore(t *testing.T) {
	for _, st := range []store.ResultStore[int]{new(dense.Store[int]), new(rwmutex.Store[int]), new(syncmap.Store[int])} {
		_, err := st.Get(t.Context(), 1)
		assert.ErrorIs(t, err, store.ErrNotFound)
		p := newPool(t, nil, st) // reserves IDs
		ids, err := p.SubmitAll(t.Context(), values(5000))
		require.NoError(t, err)
		require.NoError(t, p.Stop(t.Context()))
		for i, id := range ids {
			require.Equal(t, i, held(t, p, id).Value)
		}
	}
}
