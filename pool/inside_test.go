package pool

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

// A crew has those who were added and not removed, in whatever order they leave.
func TestCrew(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var c crew[int]
	var want []*worker[int]
	for range 2000 {
		if len(want) < 6 && rng.IntN(2) == 0 {
			w := new(worker[int])
			c.add(w)
			want = append(want, w)
		} else if len(want) > 0 {
			i := rng.IntN(len(want))
			c.remove(want[i])
			want = slices.Delete(want, i, i+1)
		}
		got := slices.Collect(c.all)
		assert.Len(t, got, len(want))
		assert.Equal(t, len(want), c.n)
		for _, w := range want {
			assert.True(t, slices.Contains(got, w))
		}
		if t.Failed() {
			return
		}
	}
}

// A range that repeats the last ID of the one before is refused, as often as it comes.
func TestRangeOverlapsByOne(t *testing.T) {
	d := &ids{}
	require.NoError(t, d.addLocked(10, 100))
	for range 2 {
		assert.ErrorContains(t, d.addLocked(109, 100), "want a range above 109")
		assert.EqualValues(t, 100, d.end)
		assert.Len(t, d.blocks, 1)
	}
	require.NoError(t, d.addLocked(110, 100))
	require.NoError(t, d.addLocked(300, 100))
	assert.Equal(t, []idBlock{{0, 200, 10}, {200, 100, 300}}, d.blocks)
	for ticket, id := range map[uint64]store.ID{0: 10, 99: 109, 100: 110, 199: 209, 200: 300, 299: 399} {
		assert.Equal(t, id, d.idLocked(ticket))
		got, ok := d.ticketLocked(id)
		assert.True(t, ok)
		assert.Equal(t, ticket, got)
	}
	for _, id := range []store.ID{0, 9, 210, 299, 400} {
		_, ok := d.ticketLocked(id)
		assert.False(t, ok, "ID %d", id)
	}
	assert.EqualValues(t, 200, d.nextLocked(199).End)
	assert.EqualValues(t, 300, d.nextLocked(200).End)
}
