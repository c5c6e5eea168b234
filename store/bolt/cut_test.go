//go:build !windows

package bolt_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

// TestCutWhileOpen has another program cut the file short while it is mapped, which is as
// if the disk could not be read any more: with no care taken, it ends the program.
func TestCutWhileOpen(t *testing.T) {
	for _, pages := range []int64{4, 2, 1, 0} {
		ctx := t.Context()
		path := filepath.Join(t.TempDir(), "results.db")
		st := open(t, path, nil)
		batch := make([]store.Result[int], 1000)
		for i := range batch {
			batch[i] = store.Result[int]{ID: store.ID(i + 1), Value: i}
		}
		require.NoError(t, st.PutBatch(ctx, batch))
		require.NoError(t, os.Truncate(path, pages*int64(os.Getpagesize())))

		_, err := st.Get(ctx, 1000)
		assert.ErrorContains(t, err, path+" is damaged, or cannot be read")
		assert.NotErrorIs(t, err, store.ErrNotFound)
		_, err = store.Snapshot(ctx, st)
		assert.ErrorContains(t, err, path+" is damaged, or cannot be read")
		err = st.Put(ctx, store.Result[int]{ID: 2000})
		assert.ErrorContains(t, err, path+" is damaged, or cannot be read")
		require.NoError(t, st.Close())
	}
}
