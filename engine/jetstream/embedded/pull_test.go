package embedded_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
)

// TestPullBesideLargerRequests pulls when others have asked for more tasks than there are and
// have not got them yet: the server refuses to look for any then, and Pull waits for its
// turn all the same. That the others do not get them is because the consumer pauses.
func TestPullBesideLargerRequests(t *testing.T) {
	s := start(t, fast)
	name := newName()
	e := open(t, s.URL(), name, nil)
	nc, js := client(t, s.URL())
	inbox := nc.NewInbox()
	_, err := nc.SubscribeSync(inbox)
	require.NoError(t, err)
	stream, next := "resultpool_"+name+"_tasks", "$JS.API.CONSUMER.MSG.NEXT.resultpool_"+name+"_tasks.workers"
	_, err = js.PauseConsumer(t.Context(), stream, "workers", time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.NoError(t, nc.PublishRequest(next, inbox, []byte(`{"batch":10,"expires":60000000000}`)))
	require.NoError(t, nc.Flush())
	push(t, e, "a", 1)
	consumer := func(ok func(*natsjs.ConsumerInfo) bool) {
		eventually(t, func() error {
			st, err := js.Stream(t.Context(), stream)
			if err != nil {
				return err
			}
			c, err := st.Consumer(t.Context(), "workers")
			if err == nil && !ok(c.CachedInfo()) {
				return assert.AnError
			}
			return err
		})
	}
	consumer(func(has *natsjs.ConsumerInfo) bool { return has.NumWaiting == 1 && has.NumPending == 1 })

	pulled := make(chan []engine.Delivery, 1)
	go func() {
		ds, err := e.Pull(t.Context(), 5)
		assert.NoError(t, err)
		pulled <- ds
	}()
	consumer(func(has *natsjs.ConsumerInfo) bool { return has.NumWaiting == 2 }) // Pull's request is there, too
	_, err = js.ResumeConsumer(t.Context(), stream, "workers")
	require.NoError(t, err)
	push(t, e, "b", 20)
	assert.Len(t, <-pulled, 1)
}

// TestStatusOfTask has a task with a header that looks like an answer of the server.
func TestStatusOfTask(t *testing.T) {
	s := start(t, fast)
	name := newName()
	e := open(t, s.URL(), name, nil)
	_, js := client(t, s.URL())
	for _, status := range []string{"404", "503", "100"} {
		_, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "resultpool." + name + ".task", Data: []byte("t"), Header: nats.Header{"Status": {status}}})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		ds, err := e.Pull(ctx, 1)
		cancel()
		require.NoError(t, err)
		assert.Equal(t, "t", string(ds[0].Task))
	}
}
