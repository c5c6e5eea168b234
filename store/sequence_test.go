package store_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
)

// The IDs begin at 1 and leave no gaps. When they run out, ReserveIDs says so: it does
// not begin again at 1, and a request for too many takes none away from the others.
func TestReserveRunsOut(t *testing.T) {
	var seq store.Sequence
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, step := range []struct {
		n     uint64
		first uint64 // 0: an error that says says
		says  string
	}{
		{n: 0, says: "0 IDs, want 1 or more"},
		{n: 1, first: 1},
		{n: 3, first: 2},
		{n: 1 << 16, first: 5},
		{n: 1, first: 5 + 1<<16},
		{n: math.MaxUint64 - 8 - 1<<16, first: 6 + 1<<16}, // all but three
		{n: 5, says: "3 IDs are left"},
		{n: 4, says: "3 IDs are left"},
		{n: 1 << 63, says: "3 IDs are left"},
		{n: math.MaxUint64, says: "3 IDs are left"},
		{n: 2, first: math.MaxUint64 - 2},
		{n: 1, first: math.MaxUint64},
		{n: 1, says: "0 IDs are left"},
		{n: math.MaxUint64, says: "0 IDs are left"},
		{n: 0, says: "0 IDs, want 1 or more"},
	} {
		first, err := seq.ReserveIDs(cancelled, step.n) // it ignores ctx
		assert.EqualValues(t, step.first, first, "ReserveIDs(%d)", step.n)
		if step.first == 0 {
			assert.ErrorContains(t, err, step.says, "ReserveIDs(%d)", step.n)
		} else {
			assert.NoError(t, err, "ReserveIDs(%d)", step.n)
		}
	}
}
