package pool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

func TestJoinPanicNil(t *testing.T) {
	panickingNil(t, func(t *testing.T) {
		p, _ := join(t, newMemory(0), func(ctx context.Context, _ int) (int, error) { return panicsNil(ctx) }, nil)
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		_, err = p.Get(t.Context(), id)
		var panicked *pool.PanicError
		assert.ErrorAs(t, err, &panicked)
	})
}

// nilWriter panics when it is to write something. (A MarshalJSON that does so with
// panicnil=1 is a success to package json.)
type nilWriter struct{ codec.JSON }

func (nilWriter) Marshal(any) ([]byte, error) { panic(nil) }

// A task is not written by a method that panics.
func TestSubmitPanicNil(t *testing.T) {
	panickingNil(t, func(t *testing.T) {
		p, _ := join(t, newMemory(0), doubled, &pool.Options{Codec: &codec.Options{Values: nilWriter{}}})
		_, err := p.Submit(t.Context(), 1)
		assert.ErrorContains(t, err, "pool: the task: codec: the value cannot be written as")
	})
}

// A Load that panics has found no result: the task that was delivered again is run.
func TestJoinLoadPanicsNil(t *testing.T) {
	panickingNil(t, func(t *testing.T) {
		memory := enginetest.NewMemory(&enginetest.MemoryOptions{Lease: 100 * time.Millisecond})
		id := pulled(t, memory, 21, 1)
		panics := func(context.Context, []uint64, func(context.Context) error) error { panic(nil) }
		eng := enginetest.WithFaults(memory.Open(), enginetest.Faults{Load: enginetest.First(1, panics)})
		join(t, eng, doubled, nil)
		reader, _ := join(t, memory, nil, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		v, err := reader.Get(ctx, id)
		require.NoError(t, err)
		require.Equal(t, 42, v)
	})
}

// unwritable is a task or a value that cannot be written as JSON.
type unwritable struct{ Panics bool }

func (u unwritable) MarshalJSON() ([]byte, error) {
	if u.Panics {
		panic(&endless{})
	}
	return nil, &endless{}
}

func (*unwritable) UnmarshalJSON([]byte) error { return nil }

// A task that cannot be written is an error of Submit, whatever becomes of its text.
func TestSubmitTextPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := pool.Join(t.Context(), func(context.Context, unwritable) (int, error) { return 0, nil }, newMemory(0), nil)
		require.NoError(t, err)
		for _, panics := range []bool{false, true} {
			_, err := p.Submit(t.Context(), unwritable{panics})
			assert.ErrorContains(t, err, "pool: the task: codec: the value cannot be written as")
			assert.ErrorContains(t, err, "whose text cannot be had")
		}
		require.NoError(t, p.Stop(t.Context()))
	})
}

// A joined task runs once and has a result that says what was wrong, whatever becomes of
// its texts.
func TestJoinTextPanics(t *testing.T) {
	for name, c := range map[string]struct {
		fn func() (unwritable, error)
		is error // of the result
	}{
		"error":           {func() (unwritable, error) { return unwritable{}, &endless{} }, store.ErrRejected},
		"wrapped error":   {func() (unwritable, error) { return unwritable{}, errors.Join(errors.New("x"), &endless{}) }, store.ErrRejected},
		"panic":           {func() (unwritable, error) { panic(&endless{}) }, nil},
		"value":           {func() (unwritable, error) { return unwritable{true}, nil }, store.ErrRejected},
		"value and error": {func() (unwritable, error) { return unwritable{true}, &endless{} }, store.ErrRejected},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var runs counted
				p, err := pool.Join(t.Context(), func(_ context.Context, in int) (unwritable, error) {
					runs.ran(in)
					return c.fn()
				}, newMemory(0), nil)
				require.NoError(t, err)
				id, err := p.Submit(t.Context(), 1)
				require.NoError(t, err)
				_, err = p.Get(gives(t, time.Hour), id)
				require.ErrorContains(t, err, "whose text cannot be had")
				if c.is != nil {
					assert.ErrorIs(t, err, c.is)
				}
				assert.NotErrorIs(t, err, pool.ErrPoisoned)
				assert.NoError(t, p.Stop(t.Context()))
				assert.Equal(t, 1, runs.times(1))
			})
		})
	}
}

// A value that cannot be read is an error of Get.
func TestGetTextPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		p, err := pool.Join(t.Context(), func(context.Context, int) (writable, error) { return writable{}, nil }, eng, nil)
		require.NoError(t, err)
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err)
		_, err = p.Get(gives(t, time.Hour), id)
		assert.ErrorContains(t, err, "whose text cannot be had")
		require.NoError(t, p.Stop(t.Context()))
	})
}

// writable can be written and not read.
type writable struct{}

func (*writable) UnmarshalJSON([]byte) error { return &endless{} }
