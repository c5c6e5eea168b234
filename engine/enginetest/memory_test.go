package enginetest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
)

func byteSlices(texts ...string) [][]byte {
	var all [][]byte
	for _, s := range texts {
		all = append(all, []byte(s))
	}
	return all
}

// TestMemoryKeepsTimesExactly holds tasks for a minute, extended or not.
func TestMemoryKeepsTimesExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		m := NewMemory(&MemoryOptions{Lease: time.Minute})
		ids, err := m.Push(ctx, "a", byteSlices("1", "2"))
		require.NoError(t, err)
		first, err := m.Pull(ctx, 2)
		require.NoError(t, err)
		require.Len(t, first, 2)

		start := time.Now()
		time.Sleep(40 * time.Second)
		require.NoError(t, m.Extend(ctx, first[1:]))
		for i, want := range []time.Duration{time.Minute, 100 * time.Second} {
			again, err := m.Open().Pull(ctx, 9)
			require.NoError(t, err)
			require.Len(t, again, 1)
			assert.Equal(t, want, time.Since(start))
			assert.Equal(t, ids[i], again[0].ID)
			require.NoError(t, m.Nack(ctx, first[:1]), "an old delivery gives nothing back")
			require.NoError(t, m.Ack(ctx, again))
		}
	})
}

func TestMemoryRefusesMisuse(t *testing.T) {
	ctx := t.Context()
	m := NewMemory(nil)
	for _, key := range []string{"", "a.b", "ü", string(make([]byte, 65))} {
		_, err := m.Push(ctx, key, byteSlices("1"))
		assert.ErrorIs(t, err, errMisuse, "%q", key)
	}
	ids, err := m.Push(ctx, "aZ-09", byteSlices("1"))
	require.NoError(t, err)
	_, err = m.Push(ctx, "aZ-09", byteSlices("1", "2"))
	assert.ErrorIs(t, err, errMisuse)
	_, err = m.Pull(ctx, 0)
	assert.ErrorIs(t, err, errMisuse)
	err = m.Ack(ctx, []engine.Delivery{{ID: ids[0]}})
	require.ErrorIs(t, err, errMisuse, "a delivery without its token")
	assert.False(t, m.Retryable(err))
}
