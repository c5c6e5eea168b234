package pool_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/pool"
)

// Map returns all values and all errors, whatever becomes of an error's text.
func TestMapTextPanics(t *testing.T) {
	bad := &endless{}
	ctx, cancel := context.WithCancelCause(t.Context())
	values, err := pool.Map(ctx, []int{1, 2, 3, 4, 5}, func(_ context.Context, in int) (int, error) {
		switch in {
		case 1:
			return 10, bad
		case 2:
			panic(bad)
		case 3:
			return 30, errors.New("an error like others")
		case 4:
			cancel(bad)
		}
		return 10 * in, nil
	}, &pool.Options{Workers: 1})
	assert.Equal(t, []int{10, 0, 30, 40, 0}, values)
	assert.ErrorIs(t, err, bad)
	assert.ErrorIs(t, err, pool.ErrNotRun)
	assert.EqualError(t, err, "pool: input 0: "+noText+"\n"+
		"pool: input 1: pool: recovered panic: "+noText+"\n"+
		"pool: input 2: an error like others\n"+
		"1 of 5 inputs: pool: task not run: "+noText)
}

// Map makes no text of an error that nobody asks for.
func TestMapMakesNoText(t *testing.T) {
	asked := 0
	_, err := pool.Map(t.Context(), []int{1}, func(context.Context, int) (int, error) {
		return 0, errorFunc(func() string { asked++; return "text" })
	}, nil)
	assert.Zero(t, asked)
	assert.EqualError(t, err, "pool: input 0: text")
}
