package rwmutex

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

// TestRecentIsSure: first may forget what was put, but never says of what was put
// that it was not.
func TestRecentIsSure(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var r recent
		put := make(map[store.ID]bool)
		base := store.ID(1)
		for range 300 {
			switch rng.IntN(20) {
			case 0:
				base += store.ID(rng.IntN(200))
			case 1:
				base = store.ID(rng.Uint64())
			}
			id := base + store.ID(rng.IntN(130))
			if r.first(id) {
				require.False(t, put[id], "ID %d was put before", id)
			}
			put[id] = true
		}
	}
}

// TestRecentKnowsPools: IDs that increase, but for some disorder, are known to be
// put for the first time.
func TestRecentKnowsPools(t *testing.T) {
	var r recent
	for first := store.ID(1); first < 10_000; first += 50 {
		for _, i := range rand.New(rand.NewPCG(1, uint64(first))).Perm(50) {
			id := first + store.ID(i)
			require.True(t, r.first(id))
			require.False(t, r.first(id))
		}
	}
	assert.True(t, r.first(math.MaxUint64))
	assert.False(t, r.first(math.MaxUint64))
	assert.True(t, r.first(math.MaxUint64-63))
	assert.False(t, r.first(math.MaxUint64-64), "nothing is known of it")
}
