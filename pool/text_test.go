package pool_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// endless panics with itself when its text is asked for, and fmt.Sprint with it.
type endless struct{}

func (e *endless) Error() string { panic(e) }

const noText = "(*pool_test.endless, whose text cannot be had: the method that makes it panics)"

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

// A pool over a store that writes bytes, and one whose store refuses, or panics with,
// what has no text: Stop hands back what could not be stored, and says so.
func TestStoreTextPanics(t *testing.T) {
	for name, put := range map[string]func(store.Result[int]) error{
		"refusal": func(store.Result[int]) error { return &because{store.ErrRejected, &endless{}} },
		"panic":   func(store.Result[int]) error { panic(&endless{}) },
		"codec": func(res store.Result[int]) error {
			c, err := codec.New[int](nil)
			if err == nil {
				_, err = c.Encode(res)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &hookStore{ResultStore: rwmutex.New[int]()}
				p := newPool(t, nil, st)
				st.put = func(ctx context.Context, res store.Result[int]) error {
					if err := put(res); err != nil {
						return err
					}
					return st.ResultStore.Put(ctx, res)
				}
				id := submit(t, p, func(context.Context) (int, error) { return 0, &endless{} })
				_, err := p.Get(t.Context(), id)
				require.Error(t, err)
				assert.Contains(t, fmt.Sprint(err), "whose text cannot be had")
				if err = p.Stop(t.Context()); err != nil {
					assert.Contains(t, err.Error(), "whose text cannot be had")
				}
			})
		})
	}
}

// because is two errors whose text is made when it is asked for.
type because struct{ what, why error }

func (e *because) Error() string   { return e.what.Error() + ": " + e.why.Error() }
func (e *because) Unwrap() []error { return []error{e.what, e.why} }

// A cause without a text ends a pool like any other.
func TestCauseTextPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, _, queued, _ := busyPool(t)
		p.cancel(&endless{})
		close(gate)
		<-p.Done()
		assert.EqualError(t, held(t, p, queued).Err, "pool: task not run: "+noText)
		_, err := p.Submit(t.Context(), value(1))
		assert.EqualError(t, err, "pool: closed: "+noText)
	})
}
