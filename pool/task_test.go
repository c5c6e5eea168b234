package pool_test

import (
	"context"
	"io"
	"iter"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// nilTask submits the zero T.
func nilTask[T any](t *testing.T) error {
	checkGoroutines(t)
	fn := func(context.Context, T) (int, error) { return 0, nil }
	p, err := pool.New(t.Context(), fn, rwmutex.New[int](), nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, p.Stop(context.Background())) }()
	var zero T
	_, one := p.Submit(t.Context(), zero)
	_, try := p.TrySubmit(zero)
	_, all := p.SubmitAll(t.Context(), []T{zero})
	_, mapped := pool.Map(t.Context(), []T{zero}, fn, nil)
	for _, err := range []error{try, all, mapped} {
		assert.ErrorIs(t, err, one)
	}
	return one
}

// A nil slice or map is a task; a nil of another type is none.
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

// SubmitAll and Map say which of many tasks is nil, and do nothing.
func TestNilTaskIsNamed(t *testing.T) {
	p := newPool(t, nil)
	in := []task{value(1), value(2), nil, value(3), nil}
	ids, err := p.SubmitAll(t.Context(), in)
	assert.EqualError(t, err, "pool: nil task at index 2")
	assert.ErrorIs(t, err, pool.ErrNilTask)
	assert.Empty(t, ids)
	assert.Zero(t, p.Stats().Submitted)
	called := false
	out, err := pool.Map(t.Context(), in, func(context.Context, task) (int, error) { called = true; return 0, nil }, nil)
	assert.EqualError(t, err, "pool: nil task at index 2")
	assert.ErrorIs(t, err, pool.ErrNilTask)
	assert.Nil(t, out)
	assert.False(t, called)
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
