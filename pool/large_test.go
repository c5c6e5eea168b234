package pool_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// T and R may be so large that no channel takes them: those who wait, those who find a worker asleep, and
// those in a SubmitAll come through as small ones do.
func TestLargeTypes(t *testing.T) {
	type large [1 << 14]int64
	checkGoroutines(t)
	last := func(n int64) (v large) { v[len(v)-1] = n; return v }
	p, err := pool.New(t.Context(), func(_ context.Context, in large) (large, error) { return last(-in[len(in)-1]), nil },
		dense.New[large](), &pool.Options{Workers: 2, Queue: 2})
	require.NoError(t, err)
	for n := range int64(20) {
		id, err := p.Submit(t.Context(), last(n))
		require.NoError(t, err)
		ids, err := p.SubmitAll(t.Context(), []large{last(n + 1), last(n + 2), last(n + 3)})
		require.NoError(t, err)
		for i, id := range append(ids, id) {
			v, err := p.Get(t.Context(), id)
			assert.NoError(t, err)
			assert.Equal(t, -(n + int64(i+1)%4), v[len(v)-1])
		}
	}
	require.NoError(t, p.Stop(t.Context()))
}
