package embedded_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
)

// TestCloseInCallback closes the engine where the client says that the connection is lost.
func TestCloseInCallback(t *testing.T) {
	t.Parallel()
	s := start(t, fast)
	closed := make(chan error, 1)
	var e *jetstream.Engine
	opened := make(chan struct{})
	e, err := jetstream.Open(t.Context(), s.URL(), "x", as(s.URL(), &jetstream.Options{NATS: []nats.Option{
		nats.DisconnectErrHandler(func(*nats.Conn, error) {
			<-opened
			closed <- e.Close()
		}),
	}}))
	require.NoError(t, err)
	close(opened)
	s.Close()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("Close hangs")
	}
	_, err = e.Size(t.Context())
	require.ErrorIs(t, err, engine.ErrClosed)
}

func TestOldDisconnectCallback(t *testing.T) {
	s := start(t, fast)
	said := make(chan struct{}, 1)
	open(t, s.URL(), "x", &jetstream.Options{NATS: []nats.Option{
		func(o *nats.Options) error {
			o.DisconnectedCB = func(*nats.Conn) { said <- struct{}{} }
			return nil
		},
	}})
	s.Close()
	select {
	case <-said:
	case <-time.After(10 * time.Second):
		t.Fatal("not called")
	}
}
