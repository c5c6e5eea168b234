package bolt

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

// newTall makes a store whose tree has several branches with leaves.
func newTall(t *testing.T, path string, n int) *Store[string] {
	t.Helper()
	st := openAt[string](t, path, &Options{NoSync: true})
	text := strings.Repeat("x", 800)
	var batch []store.Result[string]
	for id := range n {
		batch = append(batch, store.Result[string]{ID: store.ID(id + 1), Value: text})
	}
	require.NoError(t, st.PutBatch(t.Context(), batch))
	return st
}

// TestDeleteBatchesOfATree deletes batches of all sizes, in runs and far apart, until nothing
// is left. The file is in order after each, which Check finds out.
func TestDeleteBatchesOfATree(t *testing.T) {
	t.Parallel()
	const n = 4000
	ctx := t.Context()
	rnd := rand.New(rand.NewPCG(1, 2))
	path := newPath(t)
	st := newTall(t, path, n)
	var held []store.ID
	for id := range store.ID(n) {
		held = append(held, id+1)
	}
	for len(held) > 0 {
		var ids []store.ID
		first, size, step := rnd.IntN(len(held)), 1+rnd.IntN(600), 1+rnd.IntN(8)
		for i := first; i < len(held) && len(ids) < size; i += step {
			ids = append(ids, held[i])
		}
		held = slices.DeleteFunc(held, func(id store.ID) bool { _, found := slices.BinarySearch(ids, id); return found })
		require.NoError(t, st.DeleteBatch(ctx, ids))
		require.NoError(t, st.Close())
		st = openAt[string](t, path, &Options{NoSync: true, Check: true})
		left := []store.ID{}
		for res, err := range st.All(ctx) {
			require.NoError(t, err)
			left = append(left, res.ID)
		}
		require.Equal(t, held, left)
	}
}

// TestDeleteBatchBesideDamage: a batch takes results from the first leaf and the last one of a
// branch, and the first leaf of the next branch, which bbolt may join with that one, is damaged.
// (Delete of one result never joins leaves of two branches.)
func TestDeleteBatchBesideDamage(t *testing.T) {
	ctx := t.Context()
	s := &sound{t: t, path: newPath(t)}
	st := newTall(t, s.path, 4000)
	s.pageSize = st.file.pageSize
	require.NoError(t, st.Close())
	var err error
	s.data, err = os.ReadFile(s.path)
	require.NoError(t, err)

	id := func(key []byte) store.ID {
		id, err := parseKey(key)
		require.NoError(t, err)
		return id
	}
	left, _ := s.tree(s.top().child(0))
	right, _ := s.tree(s.top().child(1))
	require.False(t, left.isLeaf() || right.isLeaf())
	s.page(right.child(0))[headerSize]++ // the flags of its first result
	first, last := id(left.key(0)), id(left.key(left.count-1))
	require.Less(t, last, id(right.key(0)))

	st = s.opened(false)
	assert.ErrorContains(t, st.DeleteBatch(ctx, []store.ID{last, first}), "is damaged")
	for _, id := range []store.ID{first, last} {
		_, err := st.Get(ctx, id)
		assert.NoError(t, err, "nothing was deleted")
	}
	assert.NoError(t, st.Delete(ctx, last))
	assert.NoError(t, st.DeleteBatch(ctx, []store.ID{first, first + 1}))
}
