package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
)

// TestManyLarge pushes and saves at once more bytes than a server takes in before it stores them, in the
// largest tasks and results that there can be. The contract has those that are a byte larger.
func TestManyLarge(t *testing.T) {
	e := newPool(t, start(t, fast).url, nil)
	tasks := large(200)
	ids, err := e.Push(t.Context(), "a", tasks)
	require.NoError(t, err)
	recs := make([]engine.Record, len(ids))
	for i := range recs {
		recs[i] = engine.Record{ID: ids[i], Data: tasks[i]}
	}
	require.NoError(t, e.Save(t.Context(), recs))
	assert.Equal(t, tasks[0], pull(t, e, 1)[0].Task)
	data, err := e.Wait(t.Context(), ids[0])
	require.NoError(t, err)
	assert.Equal(t, tasks[0], data)
	got := all(t, e)
	assert.Len(t, got, len(ids))
	assert.Len(t, got[ids[0]], len(tasks[0]))
}

// TestPullLargeOverSlowLink pulls more bytes at once than a server holds for a client that
// does not read: 64 MiB. Then the server closes the connection, and delivers all of it again.
func TestPullLargeOverSlowLink(t *testing.T) {
	s := start(t, fast)
	p := newPool(t, s.url, nil)
	link := &link{}
	e := p.other(withNATS(nats.SetCustomDialer(link)))
	const n = 90
	_, err := p.Push(t.Context(), "a", large(n))
	require.NoError(t, err)

	link.gate.Lock()
	pulled := beginPull(t, e, n)
	p.consumer(func(has *natsjs.ConsumerInfo) bool { // until the server has answered the request
		return has.NumAckPending > 0 && has.NumWaiting == 0
	})
	link.gate.Unlock()
	got := <-pulled
	require.NoError(t, got.err)
	assert.NotEmpty(t, got.value)
	require.NoError(t, e.Ack(t.Context(), got.value))
	pull(t, e, n-len(got.value))
}

// TestPullBesideLargerRequests pulls while others have asked for more tasks than there are and
// have not got them: the server refuses to look for any then, and Pull waits for its turn all
// the same. The others do not get the tasks because the consumer pauses.
func TestPullBesideLargerRequests(t *testing.T) {
	p := newPool(t, start(t, fast).url, nil)
	inbox := p.nc.NewInbox()
	_, err := p.nc.SubscribeSync(inbox)
	require.NoError(t, err)
	_, err = p.js.PauseConsumer(t.Context(), p.stream("tasks"), "workers", time.Now().Add(time.Hour))
	require.NoError(t, err)
	next := "$JS.API.CONSUMER.MSG.NEXT." + p.stream("tasks") + ".workers"
	require.NoError(t, p.nc.PublishRequest(next, inbox, []byte(`{"batch":10,"expires":60000000000}`)))
	push(t, p, "a", 1)
	p.consumer(func(has *natsjs.ConsumerInfo) bool { return has.NumWaiting == 1 && has.NumPending == 1 })

	pulled := beginPull(t, p, 5)
	p.consumer(func(has *natsjs.ConsumerInfo) bool { return has.NumWaiting == 2 })
	_, err = p.js.ResumeConsumer(t.Context(), p.stream("tasks"), "workers")
	require.NoError(t, err)
	push(t, p, "b", 20)
	got := <-pulled
	require.NoError(t, got.err)
	assert.Len(t, got.value, 1)
}

// TestStatusOfTask has a task with a header that looks like an answer of the server.
func TestStatusOfTask(t *testing.T) {
	p := newPool(t, start(t, fast).url, nil)
	publish := func(data, status string) {
		_, err := p.js.PublishMsg(t.Context(), &nats.Msg{
			Subject: "resultpool." + p.name + ".task", Data: []byte(data), Header: nats.Header{"Status": {status}},
		})
		require.NoError(t, err)
	}
	for _, status := range []string{"404", "503", "100"} {
		publish("t", status) // which no engine has written: it is removed
		publish("\x01\x00\x00\x00\x00\x01t", status)
		ds := pull(t, p, 1)
		assert.Equal(t, "t", string(ds[0].Task))
		require.NoError(t, p.Ack(t.Context(), ds))
		awaitSize(t, p, 0)
	}
}

// TestServerWithoutRoom pushes and saves until the server's limit is reached. The error has the
// server's own words: it is not the queue that is full, and the error may pass.
func TestServerWithoutRoom(t *testing.T) {
	s := newStandalone(t, "max_file_store: 3MiB")
	s.restart(t)
	e := newPool(t, s.url, nil)
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

	// What was refused is stored when there is room.
	known, err := e.Push(t.Context(), "b", tasks(1))
	require.ErrorIs(t, err, engine.ErrRefused)
	assert.Equal(t, []uint64{0}, known)
	require.NoError(t, e.Ack(t.Context(), pull(t, e, 4)))
	eventuallyPush(t, e, "b")
}

// TestNothingWasSent pushes with a context that ends while the server owes an answer, with one
// that is done, and without a connection. Only in the first case the tasks may be in the queue.
func TestNothingWasSent(t *testing.T) {
	t.Parallel()
	name := newName()
	s := startStandalone(t, toNobody("resultpool."+name+".task"))
	beNobody(t, s.url)
	e := open(t, s.url, name, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := e.Push(ctx, "a", tasks(2))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NotErrorIs(t, err, engine.ErrRefused)
	_, err = e.Push(ctx, "a", tasks(2))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorIs(t, err, engine.ErrRefused)
	s.stop()
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

// TestAcknowledgedTasksAreBack has a server that died when it had written that some
// acknowledgements came, and not that the tasks are gone. They are in the queue again, and it
// delivers them to nobody. An idle Pull removes them.
func TestAcknowledgedTasksAreBack(t *testing.T) {
	t.Parallel()
	const n = 3
	s, backup := newStandalone(t, ""), t.TempDir()
	opts := &jetstream.Options{QueueBound: n}
	s.during(t, opts, func(e *jetstream.Engine) { push(t, e, "a", n) })
	queue := filepath.Join(streamDir(s.dir, "tasks"), "msgs")
	require.NoError(t, os.CopyFS(backup, os.DirFS(queue)))
	s.during(t, opts, func(e *jetstream.Engine) {
		ds := pull(t, e, n)
		for _, d := range ds {
			require.NoError(t, e.Save(t.Context(), record(d.ID)))
		}
		require.NoError(t, e.Ack(t.Context(), ds))
		awaitSize(t, e, 0)
	})
	require.NoError(t, os.RemoveAll(queue))
	require.NoError(t, os.CopyFS(queue, os.DirFS(backup)))
	s.during(t, opts, func(e *jetstream.Engine) {
		require.NotZero(t, size(t, e), "the tasks are not there: nothing is tested")
		_, err := e.Push(t.Context(), "b", tasks(1))
		require.ErrorIs(t, err, engine.ErrFull)

		pulled := beginPull(t, e, n)
		awaitSize(t, e, 0)
		ids := push(t, e, "b", 1)
		got := <-pulled
		require.NoError(t, got.err)
		assert.Equal(t, ids, idsOf(got.value))
	})
}

// TestDamagedTask changes a bit of a task in the file of a server elsewhere, which package
// embedded would not start. The server delivers the task to nobody. Callers that wait for it
// are told so, and callers that wait for an empty queue, even when the other tasks are done
// and the idle Pull has tidied up.
func TestDamagedTask(t *testing.T) {
	t.Parallel()
	s := newStandalone(t, "")
	var ids []uint64
	s.during(t, nil, func(e *jetstream.Engine) { ids = push(t, e, "a", 9) })
	flip(t, s.dir, "task 4", "task 4", 5)
	damaged := ids[4]
	s.during(t, nil, func(e *jetstream.Engine) {
		assert.Equal(t, 9, size(t, e))
		_, err := e.Wait(t.Context(), damaged)
		require.ErrorContains(t, err, "damaged")
		ds := pull(t, e, 8)
		for _, d := range ds {
			require.NotEqual(t, damaged, d.ID)
			require.NoError(t, e.Save(t.Context(), record(d.ID)))
		}
		require.NoError(t, e.Ack(t.Context(), ds))
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		_, err = e.Pull(ctx, 1) // idle for so long that it tidies up
		require.ErrorIs(t, err, context.DeadlineExceeded)
		eventually(t, func() error { // as a pool does that waits for an empty queue
			var n uint64
			if n, err = e.Size(t.Context()); err == nil {
				assert.EqualValues(t, 1, n)
				return errors.New("Size has no error")
			}
			return nil
		})
		_, waited := e.Wait(t.Context(), damaged)
		for _, err := range []error{err, waited} {
			require.ErrorContains(t, err, "damaged")
			assert.NotErrorIs(t, err, engine.ErrNotFound)
			assert.False(t, e.Retryable(err))
		}
		_, err = e.Wait(t.Context(), ids[8]+1)
		require.ErrorIs(t, err, engine.ErrNotFound)
	})
}
