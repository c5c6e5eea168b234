package codec

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

func mustNew[R any](t testing.TB, opts *Options) *Codec[R] {
	t.Helper()
	c, err := New[R](opts)
	require.NoError(t, err)
	return c
}

// trip takes a result there and back.
func trip[R any](t testing.TB, c *Codec[R], res store.Result[R]) store.Result[R] {
	t.Helper()
	data, err := c.Encode(res)
	require.NoError(t, err)
	back, err := c.Decode(res.ID, data)
	require.NoError(t, err)
	return back
}

func TestValue(t *testing.T) {
	res := store.Result[map[string]int]{ID: 7, Value: map[string]int{"a": 1}}
	assert.Equal(t, res, trip(t, mustNew[map[string]int](t, nil), res))
}

func TestErrors(t *testing.T) {
	back := trip(t, mustNew[int](t, nil), store.Result[int]{ID: 7, Value: 3, Err: fmt.Errorf("%w: %w", store.ErrNotRun, context.Canceled)})
	assert.Equal(t, 3, back.Value)
	assert.EqualError(t, back.Err, "pool: task not run: context canceled")
	assert.ErrorIs(t, back.Err, store.ErrNotRun)
	assert.ErrorIs(t, back.Err, context.Canceled)
	assert.NotErrorIs(t, back.Err, store.ErrGoexit)
	back = trip(t, mustNew[int](t, nil), store.Result[int]{ID: 7, Err: &store.PanicError{Value: errors.New("x"), Stack: []byte("s")}})
	assert.EqualError(t, back.Err, "pool: recovered panic: x")
}
