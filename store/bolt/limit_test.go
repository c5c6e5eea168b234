package bolt

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

func TestTooLarge(t *testing.T) {
	ctx := t.Context()
	st, err := Open[string](filepath.Join(t.TempDir(), "results.db"), nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, st.Close()) }()
	st.limit = 100
	small := store.Result[string]{ID: 1, Value: strings.Repeat("x", 90)}
	large := store.Result[string]{ID: 2, Value: strings.Repeat("x", 100)}
	for _, err := range []error{st.Put(ctx, large), st.PutBatch(ctx, []store.Result[string]{small, large})} {
		assert.ErrorIs(t, err, store.ErrRejected)
		assert.ErrorContains(t, err, "bolt: result 2 takes 108 bytes, want at most 100: store: result rejected")
	}
	held, err := store.Snapshot(ctx, st)
	assert.NoError(t, err)
	assert.Empty(t, held)
	assert.NoError(t, st.Put(ctx, small))
}
