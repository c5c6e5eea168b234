package pool_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// Code that is not the pool's, where one does not expect any: the methods of
// errors and contexts, and stores that call back. ants #6: none of it may run
// with the pool's lock held.

// The cancel of such a context is as good as that of any other, at once.
func TestCustomParent(t *testing.T) {
	for range 200 {
		checkGoroutines(t)
		ctx := newCustomCtx()
		p, err := pool.New(ctx, pool.Call[int], rwmutex.New[int](), nil)
		require.NoError(t, err)
		ctx.cancel(errCause)
		_, err = p.Submit(context.Background(), value(1))
		require.ErrorIs(t, err, pool.ErrClosed)
		require.ErrorIs(t, err, errCause)
		require.Equal(t, errCause, p.Stop(context.Background()))
	}
}
