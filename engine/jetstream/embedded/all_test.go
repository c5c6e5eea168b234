package embedded_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/pool"
)

// TestResultsOfNoTask has something stored where results are, by another client and on
// subjects that end with no ID. All passes over it, and a pool's Results do.
func TestResultsOfNoTask(t *testing.T) {
	s := start(t, fast)
	name := newName()
	e := open(t, s.URL(), name, nil)
	_, js := client(t, s.URL())
	for _, end := range []string{"abc", "0", "007", "-1", "18446744073709551616", "1e3", "+5", "%20"} {
		_, err := js.Publish(t.Context(), "resultpool."+name+".result."+end, []byte("{}"))
		require.NoError(t, err)
	}
	p, err := pool.Join(t.Context(), func(_ context.Context, n int) (int, error) { return 2 * n, nil }, e, nil)
	require.NoError(t, err)
	ids, err := p.SubmitAll(t.Context(), []int{1, 2, 3})
	require.NoError(t, err)
	require.NoError(t, p.Wait(t.Context()))
	var got []uint64
	for rec, err := range e.All(t.Context()) {
		require.NoError(t, err)
		got = append(got, rec.ID)
	}
	var want []uint64
	for _, id := range ids {
		want = append(want, uint64(id))
	}
	assert.ElementsMatch(t, want, got)
	results, err := p.Results(t.Context())
	require.NoError(t, err)
	assert.Len(t, results, 3)
	require.NoError(t, p.Stop(t.Context()))
}

// TestOnlyResultsOfNoTask has more of them than a page.
func TestOnlyResultsOfNoTask(t *testing.T) {
	s := start(t, fast)
	name := newName()
	e := open(t, s.URL(), name, nil)
	_, js := client(t, s.URL())
	var futures []natsjs.PubAckFuture
	for i := range 700 {
		f, err := js.PublishAsync(fmt.Sprintf("resultpool.%s.result.x%d", name, i), nil)
		require.NoError(t, err)
		futures = append(futures, f)
	}
	for _, f := range futures {
		<-f.Ok()
	}
	require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: 7}}))
	n := 0
	for rec, err := range e.All(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, uint64(7), rec.ID)
		n++
	}
	assert.Equal(t, 1, n)
}

// TestDamagedResults has a bit of the files of a server elsewhere changed, which package
// embedded would not start. What cannot be read is an error
// about this result only, of All and of Load; all others are there.
func TestDamagedResults(t *testing.T) {
	const n = 600 // more than a page
	text := func(id uint64) string { return fmt.Sprintf("the result of %04d.", id) }
	const subject = "resultpool.x.result.5"
	for what, damaged := range map[string]struct {
		at     string
		offset int
		lost   func(id uint64) bool
	}{
		"a result": {text(5), 3, func(id uint64) bool { return id == 5 }},
		"its ID":   {subject, len(subject) - 1, func(id uint64) bool { return id == 5 }},
		"a length": {subject, -19, func(id uint64) bool { return id >= 5 }}, // those behind it cannot be found
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			life := func(f func(e *jetstream.Engine)) {
				url, stop := startServer(t, dir)
				defer stop()
				e, err := jetstream.Open(t.Context(), url, "x", nil)
				require.NoError(t, err)
				defer func() { require.NoError(t, e.Close()) }()
				f(e)
			}
			life(func(e *jetstream.Engine) {
				var recs []engine.Record
				for id := uint64(1); id <= n; id++ {
					recs = append(recs, engine.Record{ID: id, Data: []byte(text(id))})
				}
				require.NoError(t, e.Save(t.Context(), recs))
			})
			flip(t, dir, text(5), damaged.at, damaged.offset)
			life(func(e *jetstream.Engine) {
				for range 2 {
					seen := make(map[uint64]bool)
					for rec, err := range e.All(t.Context()) {
						require.False(t, seen[rec.ID], "twice: %d", rec.ID)
						seen[rec.ID] = true
						if damaged.lost(rec.ID) {
							require.ErrorContains(t, err, fmt.Sprintf("result of task %d and cannot read it", rec.ID))
							continue
						}
						require.NoError(t, err)
						require.Equal(t, text(rec.ID), string(rec.Data))
					}
					require.Len(t, seen, n)
				}
				const id = 5
				_, err := e.Load(t.Context(), id)
				require.ErrorContains(t, err, "damaged")
				assert.NotErrorIs(t, err, engine.ErrNotFound)
				assert.False(t, e.Retryable(err))
				_, err = e.Wait(t.Context(), id)
				require.ErrorContains(t, err, "damaged")
				data, err := e.Load(t.Context(), 4)
				require.NoError(t, err)
				assert.Equal(t, text(4), string(data))

				// Its task, if it is run again, has a result.
				require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: id, Data: []byte("anew")}}))
				data, err = e.Load(t.Context(), id)
				require.NoError(t, err)
				assert.Equal(t, "anew", string(data))
			})
		})
	}
}

// startServer starts a server on a folder in this process, as its own program does.
func startServer(t *testing.T, dir string) (url string, stop func()) {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true})
	require.NoError(t, err)
	srv.Start()
	require.True(t, srv.ReadyForConnections(20*time.Second))
	return srv.ClientURL(), func() { srv.Shutdown(); srv.WaitForShutdown() }
}

// flip changes a bit of a message in the server's file: so far behind the last at before the
// end of a text.
func flip(t *testing.T, dir, text, at string, offset int) {
	t.Helper()
	flipped := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".blk") || !strings.Contains(path, "resultpool_") {
			return err
		}
		data, err := os.ReadFile(path)
		if found := bytes.Index(data, []byte(text)); err == nil && found >= 0 {
			data[bytes.LastIndex(data[:found+len(text)], []byte(at))+offset] ^= 0x10
			flipped++
			err = os.WriteFile(path, data, 0o600)
		}
		return err
	}))
	require.Equal(t, 1, flipped)
}
