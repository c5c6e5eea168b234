package embedded_test

import (
	"context"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
)

// TestPullLargeOverSlowLink pulls more bytes at once than a server holds for a client that
// does not read: 64 MiB, then it closes the connection, and all of it comes again.
func TestPullLargeOverSlowLink(t *testing.T) {
	s := start(t, fast)
	link := newLink(t, strings.TrimPrefix(s.URL(), "nats://"))
	name := newName()
	other := open(t, s.URL(), name, nil)
	e := open(t, link.url, name, nil)
	const n = 90
	large := make([][]byte, n)
	for i := range large {
		large[i] = make([]byte, 1000<<10)
	}
	_, err := other.Push(t.Context(), "a", large)
	require.NoError(t, err)

	link.gate.Lock()
	pulled := make(chan []engine.Delivery, 1)
	go func() {
		ds, err := e.Pull(t.Context(), n)
		assert.NoError(t, err)
		pulled <- ds
	}()
	_, js := client(t, s.URL())
	eventually(t, func() error { // until the server has said all that it says to this request
		c, err := js.Consumer(t.Context(), "resultpool_"+name+"_tasks", "workers")
		if err == nil && (c.CachedInfo().NumAckPending == 0 || c.CachedInfo().NumWaiting > 0) {
			return assert.AnError
		}
		return err
	})
	link.gate.Unlock()
	ds := <-pulled
	assert.NotEmpty(t, ds)
	require.NoError(t, e.Ack(t.Context(), ds))
	pull(t, e, n-len(ds))
}

// TestNoAnswer asks a server that has gone silent, with a context that has no end.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	s := start(t, fast)
	link := newLink(t, strings.TrimPrefix(s.URL(), "nats://"))
	e := open(t, link.url, newName(), nil)
	link.gate.Lock()
	_, err := e.Load(t.Context(), 7)
	link.gate.Unlock()
	assert.ErrorIs(t, err, nats.ErrTimeout)
	assert.NotErrorIs(t, err, context.DeadlineExceeded)
}
