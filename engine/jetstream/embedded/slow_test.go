package embedded_test

import (
	"context"
	"net"
	"strings"
	"sync"
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
	link := newSlowLink(t, strings.TrimPrefix(s.URL(), "nats://"))
	name := newName()
	other := open(t, s.URL(), name, nil)
	e := open(t, "nats://"+link.addr, name, nil)
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
	link := newSlowLink(t, strings.TrimPrefix(s.URL(), "nats://"))
	e := open(t, "nats://"+link.addr, newName(), nil)
	link.gate.Lock()
	_, err := e.Load(t.Context(), 7)
	link.gate.Unlock()
	assert.ErrorIs(t, err, nats.ErrTimeout)
	assert.NotErrorIs(t, err, context.DeadlineExceeded)
}

// A slowLink passes on what comes from the server while nobody holds the gate.
type slowLink struct {
	addr string
	gate sync.Mutex
}

func newSlowLink(t *testing.T, to string) *slowLink {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &slowLink{addr: listener.Addr().String()}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	pass := func(from, to net.Conn, gate sync.Locker) {
		defer func() { _ = to.Close() }()
		buf := make([]byte, 256<<10)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			gate.Lock()
			_, err = to.Write(buf[:n])
			gate.Unlock()
			if err != nil {
				return
			}
		}
	}
	wg.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			mu.Lock()
			conns = append(conns, in, out)
			mu.Unlock()
			wg.Go(func() { pass(in, out, &sync.Mutex{}) })
			wg.Go(func() { pass(out, in, &l.gate) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l
}
