package embedded_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
)

// TestDamagedTask has a bit of a task in the file of a server elsewhere changed, which package
// embedded would not start. The server delivers it to
// nobody: who waits for it is told so, and so is who waits for the queue to be empty, also
// when the others are done and what a server leaves in the queue has been looked for.
func TestDamagedTask(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var ids []uint64
	life := func(f func(e *jetstream.Engine)) {
		url, stop := startServer(t, dir)
		defer stop()
		e, err := jetstream.Open(t.Context(), url, "x", nil)
		require.NoError(t, err)
		defer func() { require.NoError(t, e.Close()) }()
		f(e)
	}
	life(func(e *jetstream.Engine) { ids = push(t, e, "a", 9) })
	flip(t, dir, "task 4", "task 4", 5)
	damaged := ids[4]
	life(func(e *jetstream.Engine) {
		size, err := e.Size(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 9, size)
		_, err = e.Wait(t.Context(), damaged)
		require.ErrorContains(t, err, "damaged")
		ds := pull(t, e, 8)
		for _, d := range ds {
			require.NotEqual(t, damaged, d.ID)
			require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: d.ID}}))
		}
		require.NoError(t, e.Ack(t.Context(), ds))
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		_, err = e.Pull(ctx, 1) // idle for so long that it tidies up
		require.ErrorIs(t, err, context.DeadlineExceeded)
		eventually(t, func() error { // as a pool does that waits for an empty queue
			if size, err = e.Size(t.Context()); err == nil {
				assert.EqualValues(t, 1, size)
				return errors.New("Size has no error")
			}
			return nil
		})
		require.ErrorContains(t, err, "damaged")
		assert.False(t, e.Retryable(err))
		_, err = e.Wait(t.Context(), damaged)
		require.ErrorContains(t, err, "damaged")
		assert.NotErrorIs(t, err, engine.ErrNotFound)
		assert.False(t, e.Retryable(err))
		_, err = e.Wait(t.Context(), ids[8]+1)
		require.ErrorIs(t, err, engine.ErrNotFound)
	})
}
