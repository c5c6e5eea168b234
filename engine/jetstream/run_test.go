package jetstream

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func FuzzRun(f *testing.F) {
	f.Add(encodeRun([]entry{{task: []byte("a")}, {index: 1023, attempts: 3, runs: 2, task: []byte{}}}, time.Time{}))
	f.Add(encodeRun([]entry{{index: 7, task: make([]byte, 300)}}, time.Unix(1, 5)))
	f.Add([]byte{format})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, due, err := decodeRun(data)
		if err == nil {
			again, when, err := decodeRun(encodeRun(entries, due))
			require.NoError(t, err)
			assert.True(t, due.Equal(when))
			require.Len(t, again, len(entries))
			for i := range entries {
				assert.True(t, bytes.Equal(entries[i].task, again[i].task))
				entries[i].task, again[i].task = nil, nil
				assert.Equal(t, entries[i], again[i])
			}
		}
		results, err := decodeResults(data)
		if err != nil || len(results) == 0 {
			return
		}
		var written []byte
		for _, r := range results {
			written = appendResult(written, r)
		}
		again, err := decodeResults(written)
		require.NoError(t, err)
		assert.Equal(t, results, again)
	})
}
