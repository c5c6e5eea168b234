package pool_test

import (
	"context"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// huge is more tasks than any memory has IDs for. They take no room themselves.
const huge = 1 << 40

// SubmitAll takes memory for what is accepted, and not for what it is given.
func TestSubmitAllHuge(t *testing.T) {
	for name, st := range map[string]store.ResultStore[int]{
		"counting":   struct{ store.ResultStore[int] }{rwmutex.New[int]()},
		"IDReserver": dense.New[int](),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			var runs atomic.Int64
			p, err := pool.New(t.Context(), func(context.Context, struct{}) (int, error) {
				if runs.Add(1) == 10_000 {
					cancel(errCause)
				}
				return 0, nil
			}, st, &pool.Options{Workers: 2})
			require.NoError(t, err)
			ids, err := p.SubmitAll(ctx, make([]struct{}, huge))
			assert.Equal(t, errCause, err)
			assert.GreaterOrEqual(t, len(ids), 10_000)
			require.NoError(t, p.Stop(t.Context()))
			s := p.Stats()
			assert.EqualValues(t, len(ids), s.Submitted)
			assert.EqualValues(t, len(ids), s.Succeeded)
			for i, id := range ids {
				require.EqualValues(t, i+1, id)
			}
		})
	}
}

// So does that of a joined pool.
func TestJoinSubmitAllHuge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := pool.Join[struct{}, int](t.Context(), nil, newMemory(1000), nil)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errCause)
		defer cancel()
		ids, err := p.SubmitAll(ctx, make([]struct{}, huge))
		assert.Equal(t, errCause, err)
		assert.Len(t, ids, 1000)
		_, err = p.TrySubmit(struct{}{})
		assert.ErrorIs(t, err, pool.ErrQueueFull)
		require.NoError(t, p.Stop(t.Context()))
	})
}

// As many tasks as there can be in a slice use up the numbers of a pool that counts, but
// not for others.
func TestSubmitAllLeavesIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		p, err := pool.New(t.Context(), func(context.Context, struct{}) (int, error) { <-gate; return 0, nil },
			struct{ store.ResultStore[int] }{rwmutex.New[int]()}, &pool.Options{Workers: 1, Queue: 2})
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		all := call(func() error { _, err := p.SubmitAll(ctx, make([]struct{}, math.MaxInt)); return err })
		synctest.Wait()
		one := call(func() error { _, err := p.Submit(t.Context(), struct{}{}); return err })
		synctest.Wait()
		cancel(errCause)
		synctest.Wait()
		err, _ = all()
		assert.Equal(t, errCause, err)
		close(gate)
		synctest.Wait()
		err, returned := one()
		assert.NoError(t, err)
		assert.True(t, returned)
		require.NoError(t, p.Stop(t.Context()))
		assert.EqualValues(t, 4, p.Stats().Succeeded)
	})
}
