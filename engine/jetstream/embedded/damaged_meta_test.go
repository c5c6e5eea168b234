package embedded_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

// TestDamagedMeta damages a file that a server needs to read a stream, or a consumer. To
// open the folder is an error that says where, and deletes nothing: with the file restored,
// all is there. A server on its own starts without the stream, and its messages are deleted
// when it is made anew.
func TestDamagedMeta(t *testing.T) {
	dir := t.TempDir()
	opts := &embedded.Options{ServerOptions: *fast}
	e, err := embedded.Open(t.Context(), dir, "x", opts)
	require.NoError(t, err)
	_, err = e.Describe(t.Context(), "numbers")
	require.NoError(t, err)
	ids := push(t, e, "a", 50)
	_, err = e.MarkStart(t.Context(), ids[0], 1)
	require.NoError(t, err)
	require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: ids[0], Data: []byte("r")}}))
	pull(t, e, 1)
	require.NoError(t, e.Close())

	streams := filepath.Join(dir, "jetstream", "$G", "streams")
	for _, sub := range []string{"resultpool_x_tasks", "resultpool_x_results", "resultpool_x_starts", "resultpool_x_tasks/obs/workers"} {
		for _, file := range []string{"meta.inf", "meta.sum"} {
			path := filepath.Join(streams, filepath.FromSlash(sub), file)
			right, err := os.ReadFile(path)
			require.NoError(t, err)
			for how, do := range map[string]func() error{
				"missing": func() error { return os.Remove(path) },
				"empty":   func() error { return os.Truncate(path, 0) },
				"cut":     func() error { return os.Truncate(path, int64(len(right)/2)) },
				"first":   func() error { return os.WriteFile(path, flipped(right, 0), 0o600) },
				"middle":  func() error { return os.WriteFile(path, flipped(right, len(right)/2), 0o600) },
				"last":    func() error { return os.WriteFile(path, flipped(right, len(right)-1), 0o600) },
			} {
				require.NoError(t, do())
				before := contents(t, dir)
				_, err = embedded.Open(t.Context(), dir, "x", opts)
				require.Error(t, err, "%s: %s", how, path)
				assert.ErrorContains(t, err, filepath.Dir(path))
				assert.ErrorContains(t, err, "restore it from a backup")
				assert.Equal(t, before, contents(t, dir), "%s: %s: something was changed", how, path)
				require.NoError(t, os.WriteFile(path, right, 0o600))
			}
		}
	}

	e, err = embedded.Open(t.Context(), dir, "x", opts)
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	size, err := e.Size(t.Context())
	require.NoError(t, err)
	assert.Equal(t, uint64(50), size)
	data, err := e.Load(t.Context(), ids[0])
	require.NoError(t, err)
	assert.Equal(t, "r", string(data))
}

func flipped(buf []byte, at int) []byte {
	wrong := append([]byte(nil), buf...)
	wrong[at] ^= 1
	return wrong
}

// TestHalfMade has a process die when it was making a stream, or a consumer: nothing was
// in it, and it is made anew. All of it is written then: it is there at the next start.
func TestHalfMade(t *testing.T) {
	for _, sub := range []string{"resultpool_x_tasks", "resultpool_x_results", "resultpool_x_starts", "resultpool_x_tasks/obs/workers"} {
		for _, file := range []string{"meta.sum", "meta.inf"} {
			t.Run(sub+"/"+file, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				opts := &embedded.Options{ServerOptions: *fast}
				e, err := embedded.Open(t.Context(), dir, "x", opts)
				require.NoError(t, err)
				require.NoError(t, e.Close())
				path := filepath.Join(dir, "jetstream", "$G", "streams", filepath.FromSlash(sub))
				require.NoError(t, os.Remove(filepath.Join(path, "meta.sum")))
				_ = os.Remove(filepath.Join(path, "o.dat"))
				if file == "meta.inf" {
					require.NoError(t, os.Remove(filepath.Join(path, file)))
				}
				if sub == "resultpool_x_tasks" { // no later stream was made
					for _, later := range []string{"results", "starts"} {
						require.NoError(t, os.RemoveAll(filepath.Join(filepath.Dir(path), "resultpool_x_"+later)))
					}
				}
				e, err = embedded.Open(t.Context(), dir, "x", opts)
				require.NoError(t, err)
				ids := push(t, e, "a", 3)
				require.NoError(t, e.Close())
				e, err = embedded.Open(t.Context(), dir, "x", opts)
				require.NoError(t, err)
				for i, d := range pull(t, e, 3) {
					assert.Equal(t, ids[i], d.ID)
				}
				require.NoError(t, e.Close())
			})
		}
	}
}

// TestStreamMissing removes the directory of a stream, or all of them.
func TestStreamMissing(t *testing.T) {
	dir := t.TempDir()
	opts := &embedded.Options{ServerOptions: embedded.ServerOptions{User: "me", Password: "secret"}}
	e, err := embedded.Open(t.Context(), dir, "x", opts)
	require.NoError(t, err)
	ids := push(t, e, "a", 3)
	require.NoError(t, e.Close())
	streams := filepath.Join(dir, "jetstream", "$G", "streams")
	for _, missing := range []string{streams, filepath.Join(streams, "resultpool_x_tasks"), filepath.Join(streams, "resultpool_x_starts")} {
		away := filepath.Join(dir, "away")
		require.NoError(t, os.Rename(missing, away))
		before := contents(t, dir)
		_, err = embedded.Open(t.Context(), dir, "x", opts)
		require.ErrorContains(t, err, missing)
		assert.Equal(t, before, contents(t, dir))
		require.NoError(t, os.Rename(away, missing))
	}
	e, err = embedded.Open(t.Context(), dir, "x", opts)
	require.NoError(t, err)
	assert.Equal(t, ids[2], pull(t, e, 3)[2].ID)

	// Deleted on purpose, they are not missed.
	_, js := client(t, e.URL(), nats.UserInfo("me", "secret"))
	for _, stream := range []string{"tasks", "results", "starts"} {
		require.NoError(t, js.DeleteStream(t.Context(), "resultpool_x_"+stream))
	}
	require.NoError(t, e.Close())
	e, err = embedded.Open(t.Context(), dir, "x", opts)
	require.NoError(t, err)
	assert.Greater(t, push(t, e, "b", 1)[0], ids[2])
	require.NoError(t, e.Close())
}
