package store_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

// When the IDs run out, ReserveIDs says so: it does not begin again at the lowest, and
// a request for too many takes none away from the others.
func TestReserveRunsOut(t *testing.T) {
	for name, st := range map[string]store.IDReserver{
		"dense": dense.New[int](), "rwmutex": rwmutex.New[int](), "syncmap": syncmap.New[int](), "xsync": xsync.New[int](),
	} {
		t.Run(name, func(t *testing.T) {
			reserve := func(n uint64) (store.ID, error) { return st.ReserveIDs(t.Context(), n) }
			first, err := reserve(math.MaxUint64 - 3)
			assert.NoError(t, err)
			assert.EqualValues(t, 1, first)
			for _, n := range []uint64{4, 5, 1 << 16, 1 << 63, math.MaxUint64} {
				first, err = reserve(n)
				assert.ErrorContains(t, err, "3 IDs are left", "%d returned", first)
			}
			first, err = reserve(2)
			assert.NoError(t, err)
			assert.EqualValues(t, uint64(math.MaxUint64-2), first)
			first, err = reserve(1)
			assert.NoError(t, err)
			assert.EqualValues(t, uint64(math.MaxUint64), first, "the last ID that there is")
			for range 3 {
				_, err = reserve(1)
				assert.ErrorContains(t, err, "0 IDs are left")
			}
		})
	}
}
