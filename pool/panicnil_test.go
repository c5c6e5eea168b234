package pool_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// panickingNil runs test as programs are now, where recover gives a runtime.PanicNilError
// for a panic(nil), and as they were before Go 1.21, and are on demand: there it looks
// like no panic at all.
func panickingNil(t *testing.T, test func(t *testing.T)) {
	for _, godebug := range []string{"panicnil=0", "panicnil=1"} {
		t.Run(godebug, func(t *testing.T) {
			t.Setenv("GODEBUG", godebug)
			test(t)
		})
	}
}

func panicsNil(context.Context) (int, error) { panic(nil) }

func TestPanicNil(t *testing.T) {
	panickingNil(t, func(t *testing.T) {
		p := newPool(t, nil)
		id := submit(t, p, panicsNil)
		_, err := p.Get(t.Context(), id)
		var panicked *pool.PanicError
		assert.ErrorAs(t, err, &panicked)
		require.NoError(t, p.Stop(t.Context()))
		assert.EqualValues(t, 1, p.Stats().Panicked)
	})
}

func TestMapPanicNil(t *testing.T) {
	panickingNil(t, func(t *testing.T) {
		values, err := pool.Map(t.Context(), []task{value(1), panicsNil, value(3)}, pool.Call[int], nil)
		assert.Equal(t, []int{1, 0, 3}, values)
		var panicked *pool.PanicError
		assert.ErrorAs(t, err, &panicked)
		assert.ErrorContains(t, err, "input 1: ")
	})
}

// A store that panics has not stored a result.
func TestPutPanicNil(t *testing.T) {
	panickingNil(t, func(t *testing.T) {
		hooks := &hookStore{ResultStore: rwmutex.New[int]()}
		hooks.put = func(ctx context.Context, _ store.Result[int]) error { panic(nil) }
		batch := &batchStore{hookStore: hooks}
		batch.putBatch = func(context.Context, []store.Result[int]) error { panic(nil) }
		for name, st := range map[string]store.ResultStore[int]{"Put": hooks, "PutBatch": batch} {
			t.Run(name, func(t *testing.T) {
				p := newPool(t, nil, st)
				id := submit(t, p, value(7))
				var unsaved *pool.UnsavedError[int]
				require.ErrorAs(t, p.Stop(t.Context()), &unsaved)
				assert.Equal(t, []store.Result[int]{{ID: id, Value: 7}}, unsaved.Results)
				assert.ErrorIs(t, unsaved, store.ErrRejected)
				var panicked *pool.PanicError
				assert.ErrorAs(t, unsaved, &panicked)
			})
		}
	})
}
