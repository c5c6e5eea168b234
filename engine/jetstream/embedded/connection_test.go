package embedded_test

import (
	"context"
	"errors"
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
)

// Connections that break, servers that do not answer, and what a client may do.

// TestSilentLink has a link become silent, as when it is cut so that neither side is told: a Pull that
// waits notices.
func TestSilentLink(t *testing.T) {
	t.Parallel()
	s := start(t, fast)
	p := newPool(t, s.url, nil)
	link := &link{}
	e := p.other(withNATS(nats.SetCustomDialer(link)))
	pulled := beginPull(t, e, 5)
	began := time.Now()
	link.gate.Lock()
	err := (<-pulled).err
	require.Error(t, err)
	t.Logf("%v after the cut: %v", time.Since(began), err)
	assert.Less(t, time.Since(began), 10*time.Second)
	assert.True(t, e.Retryable(err))
	link.gate.Unlock()
	push(t, p, "a", 1)
	eventually(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		_, err := e.Pull(ctx, 1)
		return err
	})
}

// TestEveryRequestHasALimit asks a server that answers nothing, with contexts that end later than the
// calls should.
func TestEveryRequestHasALimit(t *testing.T) {
	t.Parallel()
	s := startStandalone(t)
	name := newName()
	first := open(t, s.url, name, nil)
	id := push(t, first, "a", 1)[0]
	require.NoError(t, first.Save(t.Context(), record(id|1023)))
	require.NoError(t, first.Close())
	tasks, results, subject := "resultpool_"+name+"_tasks", "resultpool_"+name+"_results", "resultpool."+name
	s.restart(t, toNobody(
		"$JS.API.STREAM.MSG.GET."+results,
		"$JS.API.STREAM.MSG.GET."+tasks,
		"$JS.API.DIRECT.GET."+results,
		"$JS.API.DIRECT.GET."+results+"."+subject+".result.*",
		"$JS.API.CONSUMER.MSG.NEXT."+tasks+".workers",
		"$JS.API.STREAM.PURGE."+results,
		subject+".task", subject+".result.*", subject+".start.*",
	))
	beNobody(t, s.url)
	e := open(t, s.url, name, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	methods := calls(ctx, e, id)
	delete(methods, "Size") // asks what is answered
	delete(methods, "Wait") // repeats its requests until the context ends
	var wg sync.WaitGroup
	for method, call := range methods {
		wg.Go(func() {
			err := call()
			assert.True(t, err == nil && method == "All" || err != nil && e.Retryable(err), "%s: %v", method, err)
			assert.NotErrorIs(t, err, engine.ErrRefused, "%s: nobody knows", method)
			assert.NotErrorIs(t, err, context.DeadlineExceeded, "%s: it hangs", method)
			if method == "Load" {
				assert.ErrorIs(t, err, nats.ErrTimeout)
			}
		})
	}
	wg.Wait()
}

// TestDescribeAsksAgain loses a request of Describe, as a cluster does with one of several at once.
func TestDescribeAsksAgain(t *testing.T) {
	t.Parallel()
	name := newName()
	s := startStandalone(t, toNobody("$JS.API.STREAM.INFO.resultpool_"+name+"_kind"))
	requests := beNobody(t, s.url)
	e := open(t, s.url, name, nil)
	described := begin(func() (string, error) { return e.Describe(t.Context(), "numbers") })
	_, err := requests.NextMsg(time.Minute)
	require.NoError(t, err)
	again, err := requests.NextMsg(4 * time.Second) // before the client's own limit
	require.NoError(t, err)
	require.NoError(t, again.Respond([]byte(`{"error": {"code": 404, "err_code": 10059, "description": "stream not found"}}`)))
	kind := <-described
	require.NoError(t, kind.err)
	assert.Equal(t, "numbers", kind.value)
}

// TestClientIsClosed closes the engine's client without the engine.
func TestClientIsClosed(t *testing.T) {
	s := startStandalone(t)
	connected := make(chan *nats.Conn, 1)
	e := open(t, s.url, newName(), withNATS(nats.ConnectHandler(func(nc *nats.Conn) { connected <- nc })))
	pulled := beginPull(t, e, 1)
	(<-connected).Close()
	_, err := e.Push(t.Context(), "a", tasks(1))
	assert.ErrorIs(t, err, engine.ErrRefused)
	pull := (<-pulled).err
	if errors.Is(pull, nats.ErrDisconnected) { // before it was closed
		_, pull = e.Pull(t.Context(), 1)
	}
	for _, err := range []error{err, pull, e.Save(t.Context(), record(1))} {
		assert.ErrorIs(t, err, engine.ErrClosed)
		assert.ErrorIs(t, err, nats.ErrConnectionClosed)
		assert.False(t, e.Retryable(err))
	}
	require.NoError(t, e.Close())
}

// TestCloseInCallback closes the engine where the client reports that the connection is lost.
func TestCloseInCallback(t *testing.T) {
	for name, hook := range map[string]func(f func()) nats.Option{
		"new": func(f func()) nats.Option { return nats.DisconnectErrHandler(func(*nats.Conn, error) { f() }) },
		"deprecated": func(f func()) nats.Option {
			return func(o *nats.Options) error {
				o.DisconnectedCB = func(*nats.Conn) { f() }
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, fast)
			var e *jetstream.Engine
			opened := make(chan struct{})
			closed := make(chan error, 1)
			e = open(t, s.url, "x", withNATS(hook(func() {
				<-opened
				closed <- e.Close()
			})))
			close(opened)
			s.Close()
			select {
			case err := <-closed:
				require.NoError(t, err)
			case <-time.After(10 * time.Second):
				t.Fatal("Close hangs")
			}
			_, err := e.Size(t.Context())
			require.ErrorIs(t, err, engine.ErrClosed)
		})
	}
}

// TestPasswordIsRefusedForAWhile has the server refuse a password for some seconds, as while
// it is rotated. Calls that wait return, calls say so meanwhile, and go on when it is right again.
func TestPasswordIsRefusedForAWhile(t *testing.T) {
	t.Parallel()
	password := func(word string) string { return "authorization { user: me, password: " + word + " }" }
	s := startStandalone(t, password("p"))
	e := open(t, s.as("me"), newName(), nil)
	id := push(t, e, "held", 1)[0]
	pull(t, e, 1)
	pulled, waited := beginPull(t, e, 1), begin(func() ([]byte, error) { return e.Wait(t.Context(), id) })
	s.restart(t, password("other"))
	for _, err := range []error{(<-pulled).err, (<-waited).err} {
		require.ErrorIs(t, err, nats.ErrDisconnected)
		require.True(t, e.Retryable(err))
	}
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
	s.restart(t, password("p"))
	eventuallyPush(t, e, "b")
	pull(t, e, 1)
}

// TestWrongPassword has a server with a password, which may have any characters. It is not written down:
// those who join have to be given it.
func TestWrongPassword(t *testing.T) {
	for _, word := range []string{"secret", "ü:@/ %\"\\'{}\t\n#?&,", "$2a", "$JS", "null", "0"} {
		dir := newDir(t)
		startOn(t, dir, fast).Close()
		s := startOn(t, dir, serverOptions{Addr: "localhost:0", User: word, Password: word})
		assert.True(t, strings.HasPrefix(s.URL(), "nats://localhost:"), s.URL())
		assert.Equal(t, map[string]string{"url": s.URL()}, notes(t, dir))
		_, opened := jetstream.Open(t.Context(), s.URL(), "x", nil)
		_, joined := jetstream.OpenFolder(t.Context(), dir, "x", nil)
		for _, err := range []error{opened, joined} {
			assert.ErrorIs(t, err, nats.ErrAuthorization)
			assert.ErrorContains(t, err, "give them in Options.NATS")
		}
		_, err := jetstream.Open(t.Context(), s.URL(), "x", withNATS(nats.UserInfo(word, "wrong")))
		assert.ErrorIs(t, err, nats.ErrAuthorization)
		open(t, s.URL(), "x", withNATS(nats.UserInfo(word, word)))
		open(t, s.URL(), "x", withNATS(s.ClientOptions()...))
		openFolder(t, dir, "x", nats.UserInfo(word, word))
	}
}

// TestNotPermitted has clients that may not do everything. Each call that is not permitted says
// so at once, each time, and says that it is useless to try again.
func TestNotPermitted(t *testing.T) {
	t.Run("writing", func(t *testing.T) {
		all, reader := withUser(t, `publish: ["$JS.API.STREAM.INFO.>", "$JS.API.CONSUMER.INFO.>", "$JS.API.DIRECT.GET.>", "$JS.API.STREAM.MSG.GET.>"], `+
			`subscribe: ["_INBOX.>"]`)
		began := time.Now()
		ids := push(t, all, "a", 2)
		require.NoError(t, all.Save(t.Context(), record(ids[0])))
		require.NoError(t, all.Save(t.Context(), record(ids[1]|1023)))
		assert.Equal(t, "r", load(t, reader, ids[0]))
		methods := calls(t.Context(), reader, ids[1])
		for _, reads := range []string{"Size", "Load", "All"} {
			delete(methods, reads)
		}
		for range 5 {
			for method, call := range methods {
				err := call()
				require.ErrorIs(t, err, nats.ErrPermissionViolation, method)
				require.False(t, reader.Retryable(err), method)
			}
		}
		assert.Less(t, time.Since(began), 5*time.Second)
		all.deleteStreams("tasks", "results", "starts")
		_, err := jetstream.Open(t.Context(), strings.Replace(all.url, "all:", "other:", 1), all.name, nil)
		assert.ErrorIs(t, err, nats.ErrPermissionViolation, "it cannot make the streams")
	})
	// Nobody waits for an acknowledgement: a later one says that those before were refused.
	t.Run("acknowledging", func(t *testing.T) {
		all, taker := withUser(t, `publish: { deny: "$JS.ACK.>" }`)
		push(t, all, "a", 1)
		ds := pull(t, taker, 1)
		eventually(t, func() error {
			err := taker.Ack(t.Context(), ds)
			if err == nil {
				return errors.New("Ack returned nil")
			}
			assert.ErrorIs(t, err, nats.ErrPermissionViolation)
			assert.False(t, taker.Retryable(err))
			return nil
		})
	})
}

// TestNoMoreSubscriptions has a server that lets a client have two subscriptions. It tells that
// to the client, and not to the call that needs a third one: the error of that call says why
// it has no answer.
func TestNoMoreSubscriptions(t *testing.T) {
	t.Parallel()
	s := startStandalone(t)
	name := newName()
	push(t, open(t, s.url, name, nil), "a", 1)
	s.restart(t, "max_subscriptions: 2")
	e := open(t, s.url, name, &jetstream.Options{Run: 1})
	push(t, e, "b", 1) // it has a subscription for its answers, and one for those of all such calls
	size(t, e)
	_, err := e.Pull(t.Context(), 1)
	require.ErrorIs(t, err, natsjs.ErrNoHeartbeat)
	require.ErrorIs(t, err, nats.ErrMaxSubscriptionsExceeded)
	assert.True(t, e.Retryable(err))
}
