package embedded_test

import (
	"os"
	"path/filepath"
	"testing"

	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
)

// TestPartOfPoolMissing deletes streams of a pool, or its consumer, and opens it. What had
// tasks or results in it is not made anew.
func TestPartOfPoolMissing(t *testing.T) {
	t.Parallel()
	s := start(t, fast)
	_, js := client(t, s.URL())
	pool := func(t *testing.T, tasks int, missing ...string) (name string, ids []uint64) {
		t.Helper()
		name = newName()
		e := open(t, s.URL(), name, nil)
		_, err := e.Describe(t.Context(), "numbers")
		require.NoError(t, err)
		if tasks > 0 {
			ids = push(t, e, "a", tasks)
			require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: ids[0], Data: []byte("r")}}))
		}
		require.NoError(t, e.Close())
		for _, stream := range missing {
			require.NoError(t, js.DeleteStream(t.Context(), "resultpool_"+name+"_"+stream))
		}
		return name, ids
	}
	for _, test := range []struct {
		tasks   int
		missing []string
		gone    string // "" if it opens
	}{
		{3, []string{"tasks"}, "tasks"},
		{0, []string{"tasks"}, "tasks"},
		{3, []string{"results"}, "results"},
		{3, []string{"results", "starts", "kind"}, "results"},
		{3, []string{"tasks", "results"}, "tasks"},
		{3, []string{"starts"}, ""},
		{3, []string{"kind"}, ""},
		{3, []string{"tasks", "results", "starts"}, ""},
		{0, []string{"results", "starts"}, ""}, // a process has died that was making it
		{0, []string{"starts"}, ""},
	} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			name, _ := pool(t, test.tasks, test.missing...)
			e, err := jetstream.Open(t.Context(), s.URL(), name, as(s.URL(), nil))
			if test.gone == "" {
				require.NoError(t, err, "%v", test)
				push(t, e, "b", 1)
				require.NoError(t, e.Close())
				return
			}
			require.ErrorIs(t, err, engine.ErrGone, "%v", test)
			stream := "resultpool_" + name + "_" + test.gone
			assert.ErrorContains(t, err, "stream "+stream+" is missing")
			assert.ErrorContains(t, err, "restore")
			_, err = js.Stream(t.Context(), stream)
			assert.ErrorIs(t, err, natsjs.ErrStreamNotFound, "it was made")
		})
	}
	t.Run("consumer", func(t *testing.T) {
		name, ids := pool(t, 3)
		require.NoError(t, js.DeleteConsumer(t.Context(), "resultpool_"+name+"_tasks", "workers"))
		e := open(t, s.URL(), name, nil)
		for i, d := range pull(t, e, 3) {
			assert.Equal(t, ids[i], d.ID)
		}
	})
}

// TestSkippedStream has a server elsewhere that starts without a stream that it cannot
// read. What is left of it is not deleted: restored, all is there.
func TestSkippedStream(t *testing.T) {
	for _, stream := range []string{"tasks", "results"} {
		t.Run(stream, func(t *testing.T) {
			s := startStandalone(t)
			name := newName()
			e := open(t, s.url, name, nil)
			ids := push(t, e, "a", 50)
			ds := pull(t, e, 1)
			require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: ids[0], Data: []byte("r")}}))
			require.NoError(t, e.Nack(t.Context(), ds))
			require.NoError(t, e.Close())
			s.kill()
			meta := filepath.Join(filepath.Dir(s.config), "jetstream", "$G", "streams", "resultpool_"+name+"_"+stream, "meta.inf")
			right, err := os.ReadFile(meta)
			require.NoError(t, err)
			wrong := append([]byte{right[0] ^ 1}, right[1:]...)
			require.NoError(t, os.WriteFile(meta, wrong, 0o600))
			s.start(t)
			_, err = jetstream.Open(t.Context(), s.url, name, nil)
			require.ErrorIs(t, err, engine.ErrGone)

			s.kill()
			require.NoError(t, os.WriteFile(meta, right, 0o600))
			s.start(t)
			e = open(t, s.url, name, nil)
			size, err := e.Size(t.Context())
			require.NoError(t, err)
			assert.Equal(t, uint64(50), size)
			data, err := e.Load(t.Context(), ids[0])
			require.NoError(t, err)
			assert.Equal(t, "r", string(data))
		})
	}
}
