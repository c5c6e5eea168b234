package embedded_test

import (
	"errors"
	"fmt"
	"slices"
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

// Streams and consumers that somebody deletes while they are used.

// TestStreamsAreDeleted deletes streams. What was in them is lost, and every method that
// needs them returns an error that says so, even one that waits.
func TestStreamsAreDeleted(t *testing.T) {
	ofTasks := []string{"Push", "Pull", "Size", "Wait"}
	ofResults := []string{"Save", "Load", "Delete", "All", "Wait"}
	s := startStandalone(t)
	for _, test := range []struct {
		deleted  []string
		gone     []string // methods
		mentions string
	}{
		{[]string{"tasks", "results", "starts"}, slices.Concat(ofResults, ofTasks), "resultpool_"},
		{[]string{"tasks"}, ofTasks, "_tasks is gone"},
		{[]string{"results"}, ofResults, "_results is gone"},
	} {
		t.Run(fmt.Sprint(test.deleted), func(t *testing.T) {
			t.Parallel()
			p := newPool(t, s.url, nil)
			id := push(t, p, "a", 1)[0]
			pull(t, p, 1)
			gone := func(method string, err error) {
				assert.ErrorIs(t, err, engine.ErrGone, method)
				assert.ErrorContains(t, err, test.mentions, method)
				assert.NotErrorIs(t, err, engine.ErrNotFound, method)
				assert.False(t, p.Retryable(err), method)
				assert.Equal(t, method == "Push", errors.Is(err, engine.ErrRefused), method)
			}
			pulled := beginPull(t, p, 1)
			p.consumer(pullWaits)
			p.deleteStreams(test.deleted...)
			var wg sync.WaitGroup
			for _, method := range test.gone {
				wg.Go(func() { gone(method, calls(t.Context(), p.Engine, id)[method]()) })
			}
			wg.Wait()
			if test.deleted[0] == "tasks" {
				gone("Pull", (<-pulled).err)
			}
		})
	}
}

// TestConsumerIsDeleted deletes the consumer while a task is held and while a Pull waits. It is
// made anew, and nothing is lost.
func TestConsumerIsDeleted(t *testing.T) {
	p := newPool(t, start(t, fast).url, &jetstream.Options{Lease: 7 * time.Second})
	push(t, p, "a", 3)
	done := pull(t, p, 2)
	require.NoError(t, p.Ack(t.Context(), done[:1]))
	held := pull(t, p, 1)
	awaitSize(t, p, 2)
	p.deleteConsumer()
	assert.ElementsMatch(t, []uint64{done[1].ID, held[0].ID}, idsOf(pullRemade(t, p, 2)))
	conf := p.consumer(func(*natsjs.ConsumerInfo) bool { return true }).Config
	assert.Equal(t, 7*time.Second, conf.AckWait)
	assert.Equal(t, -1, conf.MaxDeliver)

	pulled := beginPull(t, p, 1)
	p.consumer(pullWaits)
	p.deleteConsumer()
	got := <-pulled
	if got.err != nil {
		isRemaking(t, p, got.err)
		got.value = pullRemade(t, p, 1)
	}
	assert.Len(t, got.value, 1, "what is held is delivered again, since the server has forgotten that it is")
}

// isRemaking wants err to be that of a server which fails to make a consumer, since it is still deleting the files of
// the one before. A pool tries again.
func isRemaking(t *testing.T, p *testPool, err error) {
	t.Helper()
	require.ErrorContains(t, err, "no such file or directory")
	require.True(t, p.Retryable(err))
}

// pullRemade is pull from a consumer that was deleted.
func pullRemade(t *testing.T, p *testPool, n int) (all []engine.Delivery) {
	t.Helper()
	for len(all) < n {
		ds, err := p.Pull(t.Context(), n-len(all))
		if err != nil {
			isRemaking(t, p, err)
		}
		all = append(all, ds...)
	}
	return all
}

// TestConsumerIsNotRemade deletes the consumer of a client that may not make it anew.
func TestConsumerIsNotRemade(t *testing.T) {
	all, worker := withUser(t, `publish: { deny: "$JS.API.CONSUMER.CREATE.>" }`)
	push(t, all, "a", 1)
	all.deleteConsumer()
	for range 2 {
		_, err := worker.Pull(t.Context(), 1)
		require.ErrorIs(t, err, nats.ErrPermissionViolation)
		require.ErrorContains(t, err, "the consumer workers of stream "+all.stream("tasks")+" does not answer, and is not made anew")
		require.False(t, worker.Retryable(err))
		require.NotErrorIs(t, err, engine.ErrGone)
	}
	pull(t, all, 1)
	push(t, worker, "b", 1)
	pull(t, worker, 1)
}

// TestStartsAreDeleted deletes the counts of starts, and the description. They are made anew.
func TestStartsAreDeleted(t *testing.T) {
	p := newPool(t, start(t, fast).url, nil)
	markStart := func(n, want int) {
		t.Helper()
		n, err := p.MarkStart(t.Context(), 5, n)
		require.NoError(t, err)
		assert.Equal(t, want, n)
	}
	assert.Equal(t, "kind", describe(t, p, "kind"))
	markStart(3, 3)
	p.deleteStreams("starts", "kind")
	markStart(1, 1)
	markStart(1, 2)
	assert.Equal(t, "other", describe(t, p, "other"))
}

// TestGoneIsForThoseWhoMayAsk has a client that may not ask about streams. It does not know
// whether they are gone, and its error may pass.
func TestGoneIsForThoseWhoMayAsk(t *testing.T) {
	s := startStandalone(t, "authorization { user: me, password: p }")
	p := newPool(t, s.as("me"), nil)
	p.deleteStreams("tasks")
	s.restart(t, `authorization { users: [ { user: me, password: p, permissions: { publish: { deny: "$JS.API.STREAM.INFO.>" } } } ] }`)
	var err error
	eventually(t, func() error {
		if _, err = p.Push(t.Context(), "a", tasks(1)); errors.Is(err, nats.ErrDisconnected) {
			return err
		}
		return nil
	})
	require.ErrorIs(t, err, natsjs.ErrNoStreamResponse)
	assert.ErrorIs(t, err, engine.ErrRefused)
	assert.NotErrorIs(t, err, engine.ErrGone)
	assert.True(t, p.Retryable(err))
}
