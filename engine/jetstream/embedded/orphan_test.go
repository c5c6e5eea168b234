package embedded_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

// TestAcknowledgedTasksAreBack is a server that has died when of some acknowledgements it
// had written that they came, and not that the tasks are gone: they are in the queue again,
// and it delivers them to nobody. An idle Pull removes them.
func TestAcknowledgedTasksAreBack(t *testing.T) {
	t.Parallel()
	const n = 3
	dir, name := newDir(t), newName()
	opts := &jetstream.Options{QueueBound: n}
	life := func(f func(e *jetstream.Engine)) {
		s, err := embedded.Start(t.Context(), dir, fast)
		require.NoError(t, err)
		defer s.Close()
		e, err := jetstream.OpenFolder(t.Context(), dir, name, opts)
		require.NoError(t, err)
		defer func() { require.NoError(t, e.Close()) }()
		f(e)
	}
	life(func(e *jetstream.Engine) { push(t, e, "a", n) })
	queue, backup := messagesOf(t, dir, name), t.TempDir()
	require.NoError(t, os.CopyFS(backup, os.DirFS(queue)))
	life(func(e *jetstream.Engine) {
		ds := pull(t, e, n)
		for _, d := range ds {
			require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: d.ID, Data: []byte("r")}}))
		}
		require.NoError(t, e.Ack(t.Context(), ds))
		eventually(t, func() error { return empty(t, e) })
	})
	require.NoError(t, os.RemoveAll(queue))
	require.NoError(t, os.CopyFS(queue, os.DirFS(backup)))
	life(func(e *jetstream.Engine) {
		require.Error(t, empty(t, e), "the tasks are not there: nothing is tested")
		_, err := e.Push(t.Context(), "b", tasks(1))
		require.ErrorIs(t, err, engine.ErrFull)

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		pulled := make(chan []engine.Delivery)
		go func() {
			ds, err := e.Pull(ctx, n)
			assert.NoError(t, err)
			pulled <- ds
		}()
		eventually(t, func() error { return empty(t, e) })
		ids := push(t, e, "b", 1)
		ds := <-pulled
		require.Len(t, ds, 1)
		assert.Equal(t, ids[0], ds[0].ID)
	})
}

// messagesOf is the directory where a server keeps the tasks.
func messagesOf(t *testing.T, dir, name string) string {
	t.Helper()
	var found string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d.IsDir() && filepath.Base(path) == "msgs" && filepath.Base(filepath.Dir(path)) == "resultpool_"+name+"_tasks" {
			found = path
		}
		return err
	}))
	require.NotEmpty(t, found)
	return found
}

func empty(t *testing.T, e *jetstream.Engine) error {
	t.Helper()
	size, err := e.Size(t.Context())
	if err == nil && size > 0 {
		err = fmt.Errorf("there are %d tasks in the queue", size)
	}
	return err
}
