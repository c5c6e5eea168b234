package enginetest

import (
	"context"
	"errors"
	"strconv"
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

func TestMemoryDeliversAgainWhenTheLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		m := NewMemory(&MemoryOptions{Lease: time.Minute})
		ids, err := m.Push(ctx, "a", byteSlices("1", "2", "3"))
		require.NoError(t, err)
		first, err := m.Pull(ctx, 2)
		require.NoError(t, err)
		require.Len(t, first, 2)
		third, err := m.Pull(ctx, 9)
		require.NoError(t, err)
		require.Len(t, third, 1)

		start := time.Now()
		time.Sleep(40 * time.Second)
		require.NoError(t, m.Extend(ctx, first[1:]))
		require.NoError(t, m.Ack(ctx, third))
		again, err := m.Open().Pull(ctx, 9)
		require.NoError(t, err)
		require.Len(t, again, 1)
		assert.Equal(t, time.Minute, time.Since(start))
		assert.Equal(t, ids[0], again[0].ID)
		assert.Equal(t, 2, again[0].Attempt)
		assert.NoError(t, m.Nack(ctx, first[:1]), "an old delivery gives nothing back")

		again, err = m.Pull(ctx, 9)
		require.NoError(t, err)
		require.Len(t, again, 1)
		assert.Equal(t, 100*time.Second, time.Since(start))
		assert.Equal(t, ids[1], again[0].ID)
		require.NoError(t, m.Nack(ctx, again))
		again, err = m.Pull(ctx, 9)
		require.NoError(t, err)
		assert.Equal(t, 100*time.Second, time.Since(start))
		assert.Equal(t, 3, again[0].Attempt)
	})
}

func TestMemoryTakesOverWhatFits(t *testing.T) {
	ctx := t.Context()
	m := NewMemory(&MemoryOptions{QueueBound: 2})
	ids, err := m.Push(ctx, "a", byteSlices("1", "2", "3"))
	require.ErrorIs(t, err, engine.ErrFull)
	require.Len(t, ids, 3)
	assert.NotZero(t, ids[1])
	assert.Zero(t, ids[2])

	ds, err := m.Pull(ctx, 1)
	require.NoError(t, err)
	require.NoError(t, m.Ack(ctx, ds))
	again, err := m.Push(ctx, "a", byteSlices("1", "2", "3"))
	require.NoError(t, err)
	assert.Equal(t, ids[:2], again[:2])
	size, err := m.Size(ctx)
	require.NoError(t, err)
	assert.EqualValues(t, 2, size)
}

func TestMemoryWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		m := NewMemory(nil)
		ids, err := m.Push(ctx, "a", byteSlices("1", "2"))
		require.NoError(t, err)
		got := make(chan string)
		for _, id := range ids {
			go func() {
				data, err := m.Open().Wait(ctx, id)
				got <- string(data) + strconv.FormatBool(errors.Is(err, engine.ErrNotFound))
			}()
		}
		synctest.Wait()
		require.NoError(t, m.Save(ctx, []engine.Record{{ID: ids[0], Data: []byte("x")}}))
		assert.Equal(t, "xfalse", <-got)
		ds, err := m.Pull(ctx, 2)
		require.NoError(t, err)
		require.NoError(t, m.Ack(ctx, ds))
		assert.Equal(t, "true", <-got, "the task is gone, and there is no record")
	})
}

func TestMemoryStopsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(nil)
		ids, err := m.Push(t.Context(), "a", byteSlices("1"))
		require.NoError(t, err)
		_, err = m.Pull(t.Context(), 1)
		require.NoError(t, err)
		errs := make(chan error)
		wait := func(ctx context.Context) {
			go func() { _, err := m.Wait(ctx, ids[0]); errs <- err }()
			go func() { _, err := m.Pull(ctx, 1); errs <- err }()
			synctest.Wait()
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		wait(ctx)
		cause := errors.New("the cause")
		cancel(cause)
		assert.Equal(t, cause, <-errs)
		assert.Equal(t, cause, <-errs)
		wait(t.Context())
		require.NoError(t, m.Close())
		assert.Equal(t, engine.ErrClosed, <-errs)
		assert.Equal(t, engine.ErrClosed, <-errs)
		require.NoError(t, m.Close())
		time.Sleep(m.Lease())
		_, err = m.Open().Pull(t.Context(), 1)
		assert.NoError(t, err)
	})
}

func TestMemoryWantsItsTokens(t *testing.T) {
	ctx := t.Context()
	m := NewMemory(nil)
	ids, err := m.Push(ctx, "a", byteSlices("1"))
	require.NoError(t, err)
	_, err = m.Pull(ctx, 1)
	require.NoError(t, err)
	err = m.Ack(ctx, []engine.Delivery{{ID: ids[0]}})
	require.ErrorIs(t, err, errMisuse)
	assert.False(t, m.Retryable(err))
}

func TestMemoryWantsGoodKeys(t *testing.T) {
	m := NewMemory(nil)
	for _, key := range []string{"", "a.b", "ü", string(make([]byte, 65))} {
		_, err := m.Push(t.Context(), key, byteSlices("1"))
		assert.ErrorIs(t, err, errMisuse, "%q", key)
	}
	_, err := m.Push(t.Context(), "aZ-09", byteSlices("1"))
	require.NoError(t, err)
	_, err = m.Push(t.Context(), "aZ-09", byteSlices("1", "2"))
	assert.ErrorIs(t, err, errMisuse)
	_, err = m.Pull(t.Context(), 0)
	assert.ErrorIs(t, err, errMisuse)
}
