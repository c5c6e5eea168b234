package xsync_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/xsync"
)

// TestReservedIDsAreDense is what a pool that has its store for itself promises of its
// IDs: they start at 1 and leave no gaps.
func TestReservedIDsAreDense(t *testing.T) {
	st := xsync.New[int]()
	want := store.ID(1)
	for _, n := range []uint64{1, 3, 1 << 16, 1} {
		first, err := st.ReserveIDs(t.Context(), n)
		assert.NoError(t, err)
		assert.Equal(t, want, first)
		want += store.ID(n)
	}
}
