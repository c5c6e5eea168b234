package embedded_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
)

// restart starts the server with another configuration of JetStream.
func (s *standalone) restart(t *testing.T, jetstream string, more ...string) {
	t.Helper()
	s.kill()
	s.configure(t, append([]string{
		"listen: " + strconv.Quote(s.url[len("nats://"):]),
		"jetstream { store_dir: " + strconv.Quote(filepath.ToSlash(filepath.Dir(s.config))) + ", " + jetstream + " }",
	}, more...)...)
	s.start(t)
}

// TestWaitsOfManyAtOnce has a thousand wait for a server that lets 50 requests wait and
// drops them all if there are more, without a word. All get their results: those that were
// there, and those that come.
func TestWaitsOfManyAtOnce(t *testing.T) {
	const n = 1000
	s := startStandalone(t)
	s.restart(t, "request_queue_limit: 50")
	name := newName()
	e, other := open(t, s.url, name, nil), open(t, s.url, name, nil)
	ids := push(t, e, "a", n)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var begun, wg sync.WaitGroup
	wait := func(id uint64) {
		begun.Add(1)
		wg.Go(func() {
			begun.Done()
			data, err := e.Wait(ctx, id)
			if assert.NoError(t, err) {
				assert.Equal(t, strconv.FormatUint(id, 10), string(data))
			}
		})
	}
	save := func(ids []uint64) {
		recs := make([]engine.Record, len(ids))
		for i, id := range ids {
			recs[i] = engine.Record{ID: id, Data: strconv.AppendUint(nil, id, 10)}
		}
		require.NoError(t, other.Save(t.Context(), recs))
	}
	for _, id := range ids {
		wait(id)
	}
	begun.Wait()
	save(ids[:n/2])
	for _, id := range ids[:n/2] {
		wait(id)
	}
	begun.Wait()
	save(ids[n/2:])
	wg.Wait()
}

// TestWaitListensWhileItLooks has a server that answers to no look. What is saved is heard.
func TestWaitListensWhileItLooks(t *testing.T) {
	t.Parallel()
	name := newName()
	s := startStandalone(t, `mappings {
		"$JS.API.STREAM.MSG.GET.resultpool_`+name+`_tasks": nobody
		"$JS.API.DIRECT.GET.resultpool_`+name+`_results.resultpool.`+name+`.result.*": nobody
	}`)
	nc, _ := client(t, s.url)
	looks, err := nc.SubscribeSync("nobody") // and does not answer
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	e := open(t, s.url, name, nil)
	id := push(t, e, "a", 1)[0]

	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	_, err = e.Wait(ctx, id)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, nats.ErrTimeout, "what the server has not done is not said")

	waited := make(chan string, 1)
	looked, _, err := looks.Pending()
	require.NoError(t, err)
	go func() {
		data, err := e.Wait(t.Context(), id)
		assert.NoError(t, err)
		waited <- string(data)
	}()
	eventually(t, func() error {
		if now, _, err := looks.Pending(); err != nil || now == looked {
			return fmt.Errorf("it does not look: %v", err)
		}
		return nil
	})
	require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: id, Data: []byte("r")}}))
	select {
	case data := <-waited:
		assert.Equal(t, "r", data)
	case <-time.After(20 * time.Second):
		t.Fatal("Wait did not listen")
	}
}

// TestEveryRequestHasALimit asks a server that answers nothing, with contexts that end in an
// hour.
func TestEveryRequestHasALimit(t *testing.T) {
	t.Parallel()
	name := newName()
	s := startStandalone(t)
	e := open(t, s.url, name, nil)
	ids := push(t, e, "a", 1)
	require.NoError(t, e.Close())
	s.restart(t, "sync_interval: always", `mappings {
		"$JS.API.STREAM.MSG.GET.resultpool_`+name+`_results": nobody
		"$JS.API.STREAM.MSG.GET.resultpool_`+name+`_tasks": nobody
		"$JS.API.DIRECT.GET.resultpool_`+name+`_results": nobody
		"$JS.API.DIRECT.GET.resultpool_`+name+`_results.resultpool.`+name+`.result.*": nobody
		"$JS.API.CONSUMER.MSG.NEXT.resultpool_`+name+`_tasks.workers": nobody
		"$JS.API.STREAM.PURGE.resultpool_`+name+`_results": nobody
		"resultpool.`+name+`.task": nobody
		"resultpool.`+name+`.result.*": nobody
		"resultpool.`+name+`.start.*": nobody
	}`)
	nc, _ := client(t, s.url)
	_, err := nc.SubscribeSync("nobody")
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	e = open(t, s.url, name, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	ended := make(chan string, 7)
	for method, call := range map[string]func() error{
		"Push":   func() error { _, err := e.Push(ctx, "b", tasks(3)); return err },
		"Pull":   func() error { _, err := e.Pull(ctx, 1); return err },
		"Save":   func() error { return e.Save(ctx, []engine.Record{{ID: ids[0]}}) },
		"Load":   func() error { _, err := e.Load(ctx, ids[0]); return err },
		"Delete": func() error { return e.Delete(ctx, ids) },
		"All": func() error {
			for _, err := range e.All(ctx) {
				return err
			}
			return nil
		},
		"MarkStart": func() error { _, err := e.MarkStart(ctx, ids[0], 1); return err },
	} {
		go func() {
			err := call()
			assert.True(t, err == nil && method == "All" || err != nil && e.Retryable(err), "%s: %v", method, err)
			assert.NotErrorIs(t, err, engine.ErrRefused, "%s: nobody knows", method)
			ended <- method
		}()
	}
	timer := time.NewTimer(30 * time.Second)
	defer timer.Stop()
	missing := map[string]bool{"Push": true, "Pull": true, "Save": true, "Load": true, "Delete": true, "All": true, "MarkStart": true}
	for len(missing) > 0 {
		select {
		case method := <-ended:
			delete(missing, method)
		case <-timer.C:
			t.Fatalf("these hang: %v", missing)
		}
	}
}
