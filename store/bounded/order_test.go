package bounded

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

// TestOrder compares an order with a slice, in which what is deleted is looked for.
func TestOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	o := newOrder()
	var want []entry
	for at := range time.Duration(20_000) {
		id := store.ID(1 + rnd.IntN(300))
		i := slices.IndexFunc(want, func(e entry) bool { return e.id == id })
		got, held := o.at(id)
		require.Equal(t, i >= 0, held)
		switch {
		case i < 0:
			o.add(id, at)
			want = append(want, entry{id, at})
		case rnd.IntN(3) > 0 || i == 0:
			require.Equal(t, want[i].at, got)
			o.remove(id)
			want = slices.Delete(want, i, i+1)
		}
		require.Equal(t, len(want), o.len())
		if at%10 == 0 {
			var all []entry
			o.each(func(id store.ID, at time.Duration) bool { all = append(all, entry{id, at}); return true })
			require.ElementsMatch(t, want, all)
			require.True(t, slices.Equal(want, all), "they are not in order")
		}
	}
}

// TestOrderForgets: what is removed from the middle takes no more memory than what is there.
func TestOrderForgets(t *testing.T) {
	o := newOrder()
	o.add(1, 0)
	for id := store.ID(2); id < 10_000; id++ {
		o.add(id, 0)
		o.remove(id)
		assert.LessOrEqual(t, len(o.entries), 68)
	}
	o.remove(1)
	o.remove(1)
	assert.Empty(t, o.entries)
}
