package pool_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

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
