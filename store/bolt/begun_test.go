package bolt

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

func TestFirstPages(t *testing.T) {
	for _, pageSize := range []int{1024, 4096, 1 << 16} {
		path := newPath(t)
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: pageSize})
		require.NoError(t, err)
		require.NoError(t, db.Close())
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		want := firstPages(pageSize)
		assert.Equal(t, want, data[:len(want)])
		for _, b := range data[len(want):] { // Windows maps more than there is
			assert.Zero(t, b)
		}
	}
}

// TestBegun cuts the first pages short, and leaves out some of their blocks, as a process
// that is killed may, and a disk whose power is cut.
func TestBegun(t *testing.T) {
	pageSize := os.Getpagesize()
	first := firstPages(pageSize)
	for n := 1; n <= len(first); n += 1 + n/16 {
		zeros := len(bytes.Trim(first[:n], "\x00")) == 0
		assert.Equal(t, !zeros, begun(first[:n], pageSize), "%d bytes", n)
		if !zeros {
			path := newPath(t)
			require.NoError(t, os.WriteFile(path, first[:n], 0o600))
			require.NoError(t, openAt[int](t, path, &Options{NoSync: true}).Close(), "%d bytes", n)
		}
	}
	for i := range 100 {
		data := bytes.Clone(first)
		for block := 512; block < len(data); block += 512 {
			if rand.IntN(2) == 0 {
				clear(data[block : block+512])
			}
		}
		assert.True(t, begun(data, pageSize))
		data[i] ^= 1
		assert.False(t, begun(data, pageSize))
	}
	assert.False(t, begun(nil, pageSize))
	assert.False(t, begun(make([]byte, len(first)), pageSize))
	assert.False(t, begun(append(first, 0), pageSize))
}
