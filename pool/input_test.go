package pool_test

import (
	"context"
	"io"
	"iter"
	"math"
	"testing"
	"testing/synctest"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// Bad input: a typed error each, and no side effect.

func TestNewBadInput(t *testing.T) {
	fn, st := pool.Call[int], store.ResultStore[int](rwmutex.New[int]())
	var nilStore *rwmutex.Store[int]
	cases := []struct {
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
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			checkGoroutines(t)
			p, err := pool.New(c.ctx, c.fn, c.st, c.opts)
			assert.Nil(t, p)
			assert.ErrorContains(t, err, c.text)
			if c.want != nil {
				assert.ErrorIs(t, err, c.want)
			}
			_, err = pool.Map(c.ctx, []task{value(1)}, c.fn, c.opts)
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
	open := func(taskPool) {}
	stopped := func(p taskPool) { _ = p.Stop(context.Background()) }
	cancelled := func(p taskPool) { p.cancel(errCause) }
	without := func(p taskPool) { _ = p.Resize(0) }
	submitting := func(ctx context.Context, in task) func(taskPool) error {
		return func(p taskPool) error { _, err := p.Submit(ctx, in); return err }
	}
	trying := func(in task) func(taskPool) error {
		return func(p taskPool) error { _, err := p.TrySubmit(in); return err }
	}
	submittingAll := func(ctx context.Context, in ...task) func(taskPool) error {
		return func(p taskPool) error {
			ids, err := p.SubmitAll(ctx, in)
			assert.Empty(t, ids)
			return err
		}
	}
	getting := func(ctx context.Context, id store.ID) func(taskPool) error {
		return func(p taskPool) error { _, err := p.Get(ctx, id); return err }
	}
	resizing := func(n int) func(taskPool) error {
		return func(p taskPool) error { return p.Resize(n) }
	}
	ctx, done := context.Background(), doneContext()
	var nilCtx context.Context
	cases := []struct {
		name  string
		state func(taskPool)
		call  func(taskPool) error
		want  error // nil: it must be the one for a nil context
	}{
		{"Submit of nil", open, submitting(ctx, nil), pool.ErrNilTask},
		{"TrySubmit of nil", open, trying(nil), pool.ErrNilTask},
		{"SubmitAll with nil", open, submittingAll(ctx, value(1), nil), pool.ErrNilTask},
		{"Submit of nil, stopped", stopped, submitting(ctx, nil), pool.ErrNilTask},
		{"Submit, done ctx", open, submitting(done, value(1)), context.Canceled},
		{"SubmitAll, done ctx", open, submittingAll(done, value(1)), context.Canceled},
		{"SubmitAll of nothing, done ctx", open, submittingAll(done), context.Canceled},
		{"Submit, nil ctx", open, submitting(nilCtx, value(1)), nil},
		{"SubmitAll, nil ctx", open, submittingAll(nilCtx, value(1)), nil},
		{"Get, nil ctx", open, getting(nilCtx, 1), nil},
		{"Wait, nil ctx", open, func(p taskPool) error { return p.Wait(nilCtx) }, nil},
		{"Stop, nil ctx", open, func(p taskPool) error { return p.Stop(nilCtx) }, nil},
		{"Results, nil ctx", open, func(p taskPool) error { _, err := p.Results(nilCtx); return err }, nil},
		{"Results, done ctx", open, func(p taskPool) error { _, err := p.Results(done); return err }, context.Canceled},
		{"Submit, stopped", stopped, submitting(ctx, value(1)), pool.ErrClosed},
		{"Submit, stopped, done ctx", stopped, submitting(done, value(1)), pool.ErrClosed},
		{"TrySubmit, stopped", stopped, trying(value(1)), pool.ErrClosed},
		{"SubmitAll, stopped", stopped, submittingAll(ctx, value(1)), pool.ErrClosed},
		{"SubmitAll of nothing, stopped", stopped, submittingAll(ctx), pool.ErrClosed},
		{"Resize, stopped", stopped, resizing(1), pool.ErrClosed},
		{"Submit, cancelled", cancelled, submitting(ctx, value(1)), pool.ErrClosed},
		{"Submit, cancelled, cause", cancelled, submitting(ctx, value(1)), errCause},
		{"TrySubmit, cancelled", cancelled, trying(value(1)), errCause},
		{"SubmitAll, cancelled", cancelled, submittingAll(ctx, value(1)), errCause},
		{"Submit, no workers", without, submitting(ctx, value(1)), pool.ErrNoWorkers},
		{"Submit, no workers, done ctx", without, submitting(done, value(1)), pool.ErrNoWorkers},
		{"TrySubmit, no workers", without, trying(value(1)), pool.ErrNoWorkers},
		{"SubmitAll, no workers", without, submittingAll(ctx, value(1)), pool.ErrNoWorkers},
		{"Resize(-1)", open, resizing(-1), pool.ErrNoWorkers},
		{"Resize(least)", open, resizing(math.MinInt), pool.ErrNoWorkers},
		{"Resize(-1), stopped", stopped, resizing(-1), pool.ErrNoWorkers},
		{"Get of 0", open, getting(ctx, 0), store.ErrNotFound},
		{"Get of an ID to come", open, getting(ctx, 1), store.ErrNotFound},
		{"Get of the last ID", open, getting(ctx, math.MaxUint64), store.ErrNotFound},
		{"Get of an ID to come, done ctx", open, getting(done, 1), store.ErrNotFound},
		{"Get, stopped", stopped, getting(ctx, 1), store.ErrNotFound},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, &pool.Options{Workers: 2})
				c.state(p)
				before := p.Stats()
				err := c.call(p)
				if c.want == nil {
					assert.ErrorContains(t, err, "nil context")
				} else {
					assert.ErrorIs(t, err, c.want)
				}
				synctest.Wait()
				assert.Equal(t, before, p.Stats(), "side effect")
				assert.Zero(t, holds(t, p), "side effect")
			})
		})
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

// nilTask submits the zero T.
func nilTask[T any](t *testing.T) error {
	checkGoroutines(t)
	p, err := pool.New(t.Context(), func(context.Context, T) (int, error) { return 0, nil }, rwmutex.New[int](), nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, p.Stop(context.Background())) }()
	var zero T
	_, one := p.Submit(t.Context(), zero)
	_, try := p.TrySubmit(zero)
	_, all := p.SubmitAll(t.Context(), []T{zero})
	_, mapped := pool.Map(t.Context(), []T{zero}, func(context.Context, T) (int, error) { return 0, nil }, nil)
	assert.ErrorIs(t, try, one)
	assert.ErrorIs(t, all, one)
	assert.ErrorIs(t, mapped, one)
	return one
}

func TestNilTask(t *testing.T) {
	type fn func()
	for _, err := range []error{
		nilTask[func()](t), nilTask[fn](t), nilTask[*int](t), nilTask[any](t), nilTask[io.Reader](t),
		nilTask[chan int](t), nilTask[<-chan int](t), nilTask[unsafe.Pointer](t), nilTask[iter.Seq[int]](t),
	} {
		assert.ErrorIs(t, err, pool.ErrNilTask)
	}
	for _, err := range []error{
		nilTask[int](t), nilTask[string](t), nilTask[struct{ p *int }](t), nilTask[[]int](t), nilTask[map[int]int](t), nilTask[[0]func()](t),
	} {
		assert.NoError(t, err)
	}
}

// An interface that holds a nil pointer is a task: its methods may work.
func TestNilInInterface(t *testing.T) {
	ctx := t.Context()
	p, err := pool.New(ctx, func(_ context.Context, in any) (bool, error) { return in == (*int)(nil), nil }, rwmutex.New[bool](), nil)
	require.NoError(t, err)
	id, err := p.Submit(ctx, (*int)(nil))
	require.NoError(t, err)
	v, err := p.Get(ctx, id)
	assert.NoError(t, err)
	assert.True(t, v)
	assert.NoError(t, p.Stop(ctx))
}
