package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
)

// TestPasswordIsRefusedForAWhile has the server refuse a password for some seconds, as while
// it is rotated. Calls say so meanwhile, and go on when it is right again.
func TestPasswordIsRefusedForAWhile(t *testing.T) {
	t.Parallel()
	password := func(word string) string { return "authorization { user: me, password: " + word + " }" }
	s := startStandalone(t, password("right"))
	e := open(t, s.url, newName(), &jetstream.Options{NATS: []nats.Option{nats.UserInfo("me", "right")}})
	s.restart(t, "sync_interval: always", password("other"))
	refused := 0
	for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(20 * time.Millisecond) {
		_, err := e.Pull(t.Context(), 1)
		require.Error(t, err)
		require.True(t, e.Retryable(err), err)
		require.NotErrorIs(t, err, engine.ErrClosed)
		if errors.Is(err, nats.ErrAuthorization) {
			refused++
		}
		_, err = e.Push(t.Context(), "a", tasks(1))
		require.ErrorIs(t, err, engine.ErrRefused, "nothing was sent")
	}
	assert.NotZero(t, refused, "no error says that the server refuses the password")
	s.restart(t, "sync_interval: always", password("right"))
	eventually(t, func() error {
		_, err := e.Push(t.Context(), "b", tasks(1))
		return err
	})
	pull(t, e, 1)
}

// TestPullNotPermitted pulls again and again: each time the error is final.
func TestPullNotPermitted(t *testing.T) {
	s := startStandalone(t, `authorization { users: [
		{ user: all, password: p },
		{ user: submitter, password: p, permissions: { publish: { deny: "$JS.API.CONSUMER.MSG.NEXT.>" } } },
	] }`)
	name := newName()
	as := func(user string) *jetstream.Options {
		return &jetstream.Options{NATS: []nats.Option{nats.UserInfo(user, "p")}}
	}
	push(t, open(t, s.url, name, as("all")), "a", 1)
	submitter := open(t, s.url, name, as("submitter"))
	began := time.Now()
	for range 5 {
		_, err := submitter.Pull(t.Context(), 1)
		require.ErrorIs(t, err, nats.ErrPermissionViolation)
		require.False(t, submitter.Retryable(err))
	}
	assert.Less(t, time.Since(began), 4*time.Second)
	push(t, submitter, "b", 1)
}

// TestClientIsClosed closes the engine's client behind its back.
func TestClientIsClosed(t *testing.T) {
	s := startStandalone(t)
	connected := make(chan *nats.Conn, 1)
	e := open(t, s.url, newName(), &jetstream.Options{NATS: []nats.Option{
		nats.ConnectHandler(func(nc *nats.Conn) { connected <- nc }),
	}})
	pulled := make(chan error, 1)
	go func() {
		_, err := e.Pull(t.Context(), 1)
		pulled <- err
	}()
	(<-connected).Close()
	_, err := e.Push(t.Context(), "a", tasks(1))
	assert.ErrorIs(t, err, engine.ErrRefused)
	for _, err := range []error{err, <-pulled, e.Save(t.Context(), []engine.Record{{ID: 1}})} {
		assert.ErrorIs(t, err, engine.ErrClosed)
		assert.ErrorIs(t, err, nats.ErrConnectionClosed)
		assert.False(t, e.Retryable(err))
	}
	require.NoError(t, e.Close())
}

// deleteStreams deletes streams of a pool as somebody with the command nats does.
func deleteStreams(t *testing.T, js natsjs.JetStream, name string, streams ...string) {
	t.Helper()
	for _, stream := range streams {
		require.NoError(t, js.DeleteStream(t.Context(), "resultpool_"+name+"_"+stream))
	}
}

// calls are all methods that ask the servers, about a task with this ID that is not done.
func calls(t *testing.T, e *jetstream.Engine, id uint64) map[string]func() error {
	return map[string]func() error{
		"Push":   func() error { _, err := e.Push(t.Context(), "k", tasks(2)); return err },
		"Pull":   func() error { _, err := e.Pull(t.Context(), 1); return err },
		"Size":   func() error { _, err := e.Size(t.Context()); return err },
		"Wait":   func() error { _, err := e.Wait(t.Context(), id); return err },
		"Save":   func() error { return e.Save(t.Context(), []engine.Record{{ID: id}}) },
		"Load":   func() error { _, err := e.Load(t.Context(), id); return err },
		"Delete": func() error { return e.Delete(t.Context(), []uint64{id}) },
		"All": func() error {
			for _, err := range e.All(t.Context()) {
				return err
			}
			return nil
		},
	}
}

// TestStreamsAreDeleted deletes streams while they are used. What was in them is lost: that
// is an error that says so, from every method that needs them, and from those that wait.
func TestStreamsAreDeleted(t *testing.T) {
	ofTasks := []string{"Push", "Pull", "Size", "Wait"}
	ofResults := []string{"Save", "Load", "Delete", "All", "Wait"}
	s := startStandalone(t)
	for _, test := range []struct {
		deleted  []string
		gone     []string // methods
		mentions string
	}{
		{[]string{"tasks", "results", "starts"}, append(ofResults, ofTasks...), "resultpool_"},
		{[]string{"tasks"}, ofTasks, "_tasks is gone"},
		{[]string{"results"}, ofResults, "_results is gone"},
	} {
		t.Run(fmt.Sprint(test.deleted), func(t *testing.T) {
			t.Parallel()
			_, js := client(t, s.url)
			name := newName()
			e := open(t, s.url, name, nil)
			id := push(t, e, "a", 1)[0]
			pull(t, e, 1)
			gone := func(method string, err error) {
				assert.ErrorIs(t, err, engine.ErrGone, method)
				assert.ErrorContains(t, err, test.mentions, method)
				assert.NotErrorIs(t, err, engine.ErrNotFound, method)
				assert.False(t, e.Retryable(err), method)
				assert.Equal(t, method == "Push", errors.Is(err, engine.ErrRefused), method)
			}
			pulled := make(chan error, 1)
			go func() {
				_, err := e.Pull(t.Context(), 1)
				pulled <- err
			}()
			eventually(t, func() error { // until it waits
				c, err := js.Consumer(t.Context(), "resultpool_"+name+"_tasks", "workers")
				if err == nil && c.CachedInfo().NumWaiting == 0 {
					err = errors.New("Pull does not wait")
				}
				return err
			})
			deleteStreams(t, js, name, test.deleted...)
			var wg sync.WaitGroup
			for _, method := range test.gone {
				wg.Go(func() { gone(method, calls(t, e, id)[method]()) })
			}
			wg.Wait()
			if test.deleted[0] == "tasks" {
				gone("Pull", <-pulled)
			}
		})
	}
}

// TestConsumerIsDeleted deletes the consumer while a Pull waits and while a task is held: it
// is made anew, and nothing is lost.
func TestConsumerIsDeleted(t *testing.T) {
	s := start(t, fast)
	_, js := client(t, s.URL())
	name := newName()
	e := open(t, s.URL(), name, &jetstream.Options{Lease: 7 * time.Second})
	stream := "resultpool_" + name + "_tasks"
	ids := push(t, e, "a", 3)
	done := pull(t, e, 2)
	require.NoError(t, e.Ack(t.Context(), done[:1]))
	held := pull(t, e, 1)
	eventually(t, func() error {
		if size, err := e.Size(t.Context()); err != nil || size != 2 {
			return fmt.Errorf("%d tasks, %v", size, err)
		}
		return nil
	})
	require.NoError(t, js.DeleteConsumer(t.Context(), stream, "workers"))
	var again []uint64
	for _, d := range pull(t, e, 2) {
		again = append(again, d.ID)
	}
	assert.ElementsMatch(t, []uint64{done[1].ID, held[0].ID}, again)
	require.Len(t, ids, 3)
	c, err := js.Consumer(t.Context(), stream, "workers")
	require.NoError(t, err)
	assert.Equal(t, 7*time.Second, c.CachedInfo().Config.AckWait)
	assert.Equal(t, -1, c.CachedInfo().Config.MaxDeliver)

	pulled := make(chan []engine.Delivery, 1)
	go func() {
		ds, err := e.Pull(t.Context(), 1)
		assert.NoError(t, err)
		pulled <- ds
	}()
	eventually(t, func() error {
		c, err := js.Consumer(t.Context(), stream, "workers")
		if err == nil && c.CachedInfo().NumWaiting == 0 {
			err = errors.New("Pull does not wait")
		}
		return err
	})
	require.NoError(t, js.DeleteConsumer(t.Context(), stream, "workers"))
	assert.Len(t, <-pulled, 1, "what is held is delivered again, since the server has forgotten that it is")
}

// TestStartsAreDeleted deletes the counts of starts, and the description: they are made anew.
func TestStartsAreDeleted(t *testing.T) {
	s := start(t, fast)
	_, js := client(t, s.URL())
	name := newName()
	e := open(t, s.URL(), name, nil)
	_, err := e.Describe(t.Context(), "kind")
	require.NoError(t, err)
	n, err := e.MarkStart(t.Context(), 5, 3)
	require.NoError(t, err)
	assert.Equal(t, 3, n)
	deleteStreams(t, js, name, "starts", "kind")
	for want := range 2 {
		n, err = e.MarkStart(t.Context(), 5, 1)
		require.NoError(t, err)
		assert.Equal(t, want+1, n)
	}
	kind, err := e.Describe(t.Context(), "other")
	require.NoError(t, err)
	assert.Equal(t, "other", kind)
}

// TestGoneIsForThoseWhoMayAsk has a client that may not ask about streams. It does not know
// whether they are gone, and its error may pass.
func TestGoneIsForThoseWhoMayAsk(t *testing.T) {
	s := startStandalone(t, "authorization { user: me, password: p }")
	name := newName()
	as := &jetstream.Options{NATS: []nats.Option{nats.UserInfo("me", "p")}}
	e := open(t, s.url, name, as)
	_, js := client(t, s.url, nats.UserInfo("me", "p"))
	deleteStreams(t, js, name, "tasks")
	s.restart(t, "sync_interval: always", `authorization { users: [ { user: me, password: p, permissions: { publish: { deny: "$JS.API.STREAM.INFO.>" } } } ] }`)
	var err error
	eventually(t, func() error {
		if _, err = e.Push(t.Context(), "a", tasks(1)); errors.Is(err, nats.ErrDisconnected) {
			return err
		}
		return nil
	})
	require.ErrorIs(t, err, natsjs.ErrNoStreamResponse)
	assert.ErrorIs(t, err, engine.ErrRefused)
	assert.NotErrorIs(t, err, engine.ErrGone)
	assert.True(t, e.Retryable(err))
}

// TestServerWithoutRoom pushes and saves until the server's limit is reached. The error has
// the server's own words: it is not the queue that is full, and it may pass.
func TestServerWithoutRoom(t *testing.T) {
	s := startStandalone(t)
	s.restart(t, "max_file_store: 3MiB")
	e := open(t, s.url, newName(), nil)
	var ids []uint64
	var err error
	for i := 0; err == nil && i < 100; i++ {
		ids, err = e.Push(t.Context(), "a"+strconv.Itoa(i), [][]byte{make([]byte, 300_000), make([]byte, 300_000)})
	}
	require.ErrorIs(t, err, engine.ErrRefused)
	require.ErrorContains(t, err, "insufficient resources")
	assert.NotErrorIs(t, err, engine.ErrFull)
	assert.True(t, e.Retryable(err))
	assert.Contains(t, ids, uint64(0))
	err = e.Save(t.Context(), []engine.Record{{ID: 1, Data: make([]byte, 300_000)}})
	require.ErrorContains(t, err, "insufficient resources")
	assert.True(t, e.Retryable(err))

	// What is not there is put there when there is room.
	known, err := e.Push(t.Context(), "b", tasks(1))
	require.ErrorIs(t, err, engine.ErrRefused)
	assert.Equal(t, []uint64{0}, known)
	require.NoError(t, e.Ack(t.Context(), pull(t, e, 4)))
	eventually(t, func() error {
		_, err := e.Push(t.Context(), "b", tasks(1))
		return err
	})
}

// TestNothingWasSent pushes without a connection, with a context that is done, and with one
// that ends while the server owes an answer: only there the task may be in the queue.
func TestNothingWasSent(t *testing.T) {
	t.Parallel()
	name := newName()
	s := startStandalone(t, `mappings { "resultpool.`+name+`.task": nobody }`)
	nc, _ := client(t, s.url)
	_, err := nc.SubscribeSync("nobody")
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	e := open(t, s.url, name, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = e.Push(ctx, "a", tasks(2))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NotErrorIs(t, err, engine.ErrRefused)
	_, err = e.Push(ctx, "a", tasks(2))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorIs(t, err, engine.ErrRefused)
	s.kill()
	eventually(t, func() error {
		_, err := e.Push(t.Context(), "a", tasks(2))
		if !errors.Is(err, engine.ErrRefused) {
			return fmt.Errorf("Push: %v", err)
		}
		assert.ErrorIs(t, err, nats.ErrDisconnected)
		assert.NotContains(t, err.Error(), engine.ErrRefused.Error(), "the reason alone")
		return nil
	})
}
