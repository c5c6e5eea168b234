package bolt_test

import (
	"encoding/binary"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
)

// pagesOf returns where the pages of a kind begin. Some of them may be out of use.
func pagesOf(data []byte, kind uint16) (at []int) {
	for i := 2 * os.Getpagesize(); i < len(data); i += os.Getpagesize() {
		if binary.NativeEndian.Uint16(data[i+8:]) == kind {
			at = append(at, i)
		}
	}
	return at
}

// TestDamagedPage makes one page after the other unreadable to bbolt, which panics. What is
// not on it can be read, and written.
func TestDamagedPage(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: Windows does not let a file be written to that stays mapped, as one does that bbolt has panicked on")
	}
	const leaf = 0x02
	ctx := t.Context()
	data := someStore(t)
	path := written(t, data)
	met := 0
	for _, at := range pagesOf(data, leaf) {
		damaged := append([]byte(nil), data...)
		damaged[at+8] = 0xff
		require.NoError(t, os.WriteFile(path, damaged, 0o600))
		st, err := bolt.Open[int](path, &bolt.Options{NoSync: true})
		if err != nil { // the page of the buckets
			assert.ErrorContains(t, err, path+" is damaged")
			continue
		}
		bad := 0
		for i := range 1000 {
			res, err := st.Get(ctx, store.ID(i+1))
			if err != nil {
				assert.ErrorContains(t, err, path+" is damaged")
				bad++
				continue
			}
			assert.Equal(t, i, res.Value)
		}
		assert.Less(t, bad, 300)
		if bad > 0 {
			met++
			if _, err := st.Get(ctx, 1000); err == nil {
				assert.NoError(t, st.Put(ctx, store.Result[int]{ID: 1001}))
			}
		}
		assert.NoError(t, st.Close())
	}
	assert.Greater(t, met, 3)
}

// TestDamagedOpen has bbolt panic in Open. The file can be opened again when it is mended.
func TestDamagedOpen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: Windows does not let a file be written to that stays mapped, as one does that bbolt has panicked on")
	}
	const free = 0x10
	data := someStore(t)
	damaged := append([]byte(nil), data...)
	for _, at := range pagesOf(data, free) {
		damaged[at+8] = 0xff
	}
	path := written(t, damaged)
	refuses(t, path, "is damaged")
	refuses(t, path, "is damaged")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	open(t, path, nil)
}
