package embedded_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/pool"
)

// TestResultsOfNoTask has another client store several pages where results are, on subjects
// that do not end with an ID. All passes over them, and so do a pool's Results.
func TestResultsOfNoTask(t *testing.T) {
	e := newPool(t, start(t, fast).url, nil)
	ends := []string{"abc", "0", "007", "-1", "18446744073709551616", "1e3", "+5", "%20"}
	for i := range 700 {
		ends = append(ends, "x"+strconv.Itoa(i))
	}
	var stored []natsjs.PubAckFuture
	for _, end := range ends {
		f, err := e.js.PublishAsync("resultpool."+e.name+".result."+end, []byte("{}"))
		require.NoError(t, err)
		stored = append(stored, f)
	}
	for _, f := range stored {
		<-f.Ok()
	}
	p, err := pool.Join(t.Context(), func(_ context.Context, n int) (int, error) { return 2 * n, nil }, e.Engine, nil)
	require.NoError(t, err)
	ids, err := p.SubmitAll(t.Context(), []int{1, 2, 3})
	require.NoError(t, err)
	require.NoError(t, p.Wait(t.Context()))
	got := all(t, e)
	assert.Len(t, got, 3)
	for _, id := range ids {
		assert.Contains(t, got, uint64(id))
	}
	results, err := p.Results(t.Context())
	require.NoError(t, err)
	assert.Len(t, results, 3)
	require.NoError(t, p.Stop(t.Context()))
}

// TestDamagedResults changes a bit in the files of a server elsewhere, which package embedded
// would not start. All, Load and Wait return an error about the result that cannot be read;
// all others are there.
func TestDamagedResults(t *testing.T) {
	const n = 600       // more than a page
	const one = 1 << 10 // the first ID of a message
	text := func(id uint64) string { return fmt.Sprintf("the result of %04d.", id/one) }
	const subject = "resultpool.x.result.5"
	for what, damaged := range map[string]struct {
		at     string
		offset int
		lost   func(id uint64) bool
	}{
		"a result": {text(5 * one), 3, func(id uint64) bool { return id == 5*one }},
		"its ID":   {subject, len(subject) - 1, func(id uint64) bool { return id == 5*one }},
		"a length": {subject, -19, func(id uint64) bool { return id >= 5*one }}, // those behind it cannot be found
	} {
		t.Run(what, func(t *testing.T) {
			s := newStandalone(t, "")
			s.during(t, nil, func(e *jetstream.Engine) {
				var recs []engine.Record
				for id := uint64(1); id <= n; id++ {
					recs = append(recs, engine.Record{ID: id * one, Data: []byte(text(id * one))})
				}
				require.NoError(t, e.Save(t.Context(), recs))
			})
			flip(t, s.dir, text(5*one), damaged.at, damaged.offset)
			s.during(t, nil, func(e *jetstream.Engine) {
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
				const id = 5 * one
				_, err := e.Load(t.Context(), id)
				require.ErrorContains(t, err, "damaged")
				assert.NotErrorIs(t, err, engine.ErrNotFound)
				assert.False(t, e.Retryable(err))
				_, err = e.Wait(t.Context(), id)
				require.ErrorContains(t, err, "damaged")
				assert.Equal(t, text(4*one), load(t, e, 4*one))

				// When its task is run again, it has a result.
				require.NoError(t, e.Save(t.Context(), record(id)))
				assert.Equal(t, "r", load(t, e, id))
			})
		})
	}
}

// flip changes a bit of a message in the server's file: at an offset from the last at before
// the end of text.
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

// TestWaitsOfManyAtOnce has a thousand callers wait for a server that lets 50 requests wait and
// drops all of them if there are more, without a word. All callers get their results: those
// that were there, and those that come.
func TestWaitsOfManyAtOnce(t *testing.T) {
	const n = 1000
	s := newStandalone(t, "request_queue_limit: 50")
	s.restart(t)
	p := newPool(t, s.url, nil)
	other := p.other(nil)
	ids := push(t, p, "a", n)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	wait := func(ids []uint64) {
		for _, id := range ids {
			wg.Go(func() {
				data, err := p.Wait(ctx, id)
				if assert.NoError(t, err) {
					assert.Equal(t, strconv.FormatUint(id, 10), string(data))
				}
			})
		}
	}
	save := func(ids []uint64) {
		recs := make([]engine.Record, len(ids))
		for i, id := range ids {
			recs[i] = engine.Record{ID: id, Data: strconv.AppendUint(nil, id, 10)}
		}
		require.NoError(t, other.Save(t.Context(), recs))
	}
	wait(ids)
	save(ids[:n/2])
	wait(ids[:n/2])
	save(ids[n/2:])
	wg.Wait()
}

// TestWaitListensWhileItLooks has a server that answers no look. What is saved is heard.
func TestWaitListensWhileItLooks(t *testing.T) {
	t.Parallel()
	name := newName()
	s := startStandalone(t, toNobody(
		"$JS.API.STREAM.MSG.GET.resultpool_"+name+"_tasks",
		"$JS.API.DIRECT.GET.resultpool_"+name+"_results.resultpool."+name+".result.*",
	))
	looks := beNobody(t, s.url)
	e := open(t, s.url, name, nil)
	id := push(t, e, "a", 1)[0]

	ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
	defer cancel()
	_, err := e.Wait(ctx, id)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, nats.ErrTimeout, "the error does not say what the server has not answered")

	looked, _, err := looks.Pending()
	require.NoError(t, err)
	waited := begin(func() ([]byte, error) { return e.Wait(t.Context(), id) })
	eventually(t, func() error {
		if now, _, err := looks.Pending(); err != nil || now == looked {
			return fmt.Errorf("it does not look: %v", err)
		}
		return nil
	})
	require.NoError(t, e.Save(t.Context(), record(id)))
	select {
	case got := <-waited:
		require.NoError(t, got.err)
		assert.Equal(t, "r", string(got.value))
	case <-time.After(20 * time.Second):
		t.Fatal("Wait did not listen")
	}
}
