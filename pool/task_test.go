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

// nilTask returns the error of each way to submit in, and of Map. It is the same.
func nilTask[T any](t *testing.T, in T) error {
	checkGoroutines(t)
	fn := func(context.Context, T) (int, error) { return 0, nil }
	p, err := pool.New(t.Context(), fn, rwmutex.New[int](), nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, p.Stop(context.Background())) }()
	_, one := p.Submit(t.Context(), in)
	_, try := p.TrySubmit(in)
	_, all := p.SubmitAll(t.Context(), []T{in})
	_, mapped := pool.Map(t.Context(), []T{in}, fn, nil)
	for _, err := range []error{try, all, mapped} {
		assert.ErrorIs(t, err, one)
	}
	return one
}

// A nil slice or map is a task, and so is an interface that holds a nil pointer: its methods may
// work. A nil of another type is none.
func TestNilTask(t *testing.T) {
	type fn func()
	for _, err := range []error{
		nilTask[func()](t, nil), nilTask[fn](t, nil), nilTask[*int](t, nil), nilTask[any](t, nil), nilTask[io.Reader](t, nil),
		nilTask[chan int](t, nil), nilTask[<-chan int](t, nil), nilTask[unsafe.Pointer](t, nil), nilTask[iter.Seq[int]](t, nil),
	} {
		assert.ErrorIs(t, err, pool.ErrNilTask)
	}
	for _, err := range []error{
		nilTask(t, 0), nilTask(t, ""), nilTask(t, struct{ p *int }{}), nilTask[[]int](t, nil), nilTask[map[int]int](t, nil),
		nilTask(t, [0]func(){}), nilTask[any](t, (*int)(nil)),
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
