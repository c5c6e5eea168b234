package bolt

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

func TestReservedIDsStayReserved(t *testing.T) {
	path := newPath(t)
	want := store.ID(1)
	for _, n := range []uint64{1, 3, 1 << 16, 1, 1 << 40} {
		st := openAt[int](t, path, nil)
		for range 2 {
			first, err := st.ReserveIDs(t.Context(), n)
			assert.NoError(t, err)
			assert.Equal(t, want, first)
			want += store.ID(n)
		}
		require.NoError(t, st.Close())
	}
}

func TestReservedIDsPassOverHeld(t *testing.T) {
	ctx := t.Context()
	st := openInts(t)
	for _, id := range []store.ID{1, 2, 3, 7, 20, 1 << 50, math.MaxUint64} {
		require.NoError(t, st.Put(ctx, one(id)))
	}
	for _, c := range []struct {
		n    uint64
		want store.ID // 0: an error that says says
		says string
	}{
		{1, 4, ""}, {1, 5, ""}, {1, 6, ""}, {5, 8, ""}, {10, 21, ""}, {1 << 50, 1<<50 + 1, ""},
		{math.MaxUint64 - 1<<51, 0, "want 1844"}, // the last ID is held
		{math.MaxUint64 - 1<<51 - 1, 1<<51 + 1, ""},
		{1, 0, "0 IDs are left, want 1"},
		{0, 0, "want 1 or more"},
	} {
		first, err := st.ReserveIDs(ctx, c.n)
		assert.Equal(t, c.want, first)
		if c.want == 0 {
			assert.ErrorContains(t, err, c.says)
		} else {
			assert.NoError(t, err)
		}
	}
}

// TestRejected: what can never be put is ErrRejected, and nothing of its batch is put.
func TestRejected(t *testing.T) {
	ctx := t.Context()
	st := openAt[any](t, newPath(t), nil)
	st.limit = 100
	small := store.Result[any]{ID: 1, Value: strings.Repeat("x", 90)}
	for says, value := range map[string]any{
		"bolt: result 2 takes 108 bytes, want at most 100: store: result rejected": strings.Repeat("x", 100),
		"bolt: store: result rejected: codec: result 2: cannot write":              math.NaN(), // is none of JSON's
	} {
		bad := store.Result[any]{ID: 2, Value: value}
		for _, err := range []error{st.Put(ctx, bad), st.PutBatch(ctx, []store.Result[any]{small, bad})} {
			assert.ErrorIs(t, err, store.ErrRejected)
			assert.ErrorContains(t, err, says)
		}
	}
	held, err := store.Snapshot(ctx, st)
	assert.NoError(t, err)
	assert.Empty(t, held)
	assert.NoError(t, st.Put(ctx, small))
}

// TestLargeResults puts results that take many pages, and are read few at a time, while the
// body of the loop puts more: the file grows, which waits for all that read.
func TestLargeResults(t *testing.T) {
	ctx := t.Context()
	st := openAt[string](t, newPath(t), &Options{NoSync: true})
	want := make(map[store.ID]string)
	for i, n := range []int{0, 1, 4000, 4096, 10_000, 1 << 20, 3 << 20, 1 << 20, 1, 1 << 10} {
		id := store.ID(i + 1)
		want[id] = strings.Repeat(string(rune('a'+i)), n)
		require.NoError(t, st.Put(ctx, store.Result[string]{ID: id, Value: want[id]}))
	}
	for res, err := range st.All(ctx) {
		require.NoError(t, err)
		if res.ID > 100 {
			continue
		}
		got, err := st.Get(ctx, res.ID)
		assert.NoError(t, err)
		if res.Value != want[res.ID] || got != res { // too large to be shown
			t.Errorf("All yielded, or Get returned, a wrong result %d", res.ID)
		}
		delete(want, res.ID)
		require.NoError(t, st.Put(ctx, store.Result[string]{ID: res.ID + 100, Value: strings.Repeat("x", 1<<20)}))
	}
	assert.Empty(t, want)
}
