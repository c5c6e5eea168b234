package embedded_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

// TestServerRestarts kills the server and starts it again: calls fail while it is away,
// those that wait return, and then the same engine works on.
func TestServerRestarts(t *testing.T) {
	s := startStandalone(t)
	e := open(t, s.url, newName(), &jetstream.Options{Lease: time.Second})
	ids := push(t, e, "a", 3)
	held := pull(t, e, 1)
	require.NoError(t, e.Ack(t.Context(), pull(t, e, 2)))
	require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: ids[1], Data: []byte("r")}}))

	pulled, waited := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := e.Pull(t.Context(), 5)
		pulled <- err
	}()
	go func() {
		_, err := e.Wait(t.Context(), ids[0])
		waited <- err
	}()
	s.kill()
	for _, ended := range []chan error{pulled, waited} {
		err := <-ended
		require.ErrorIs(t, err, nats.ErrDisconnected)
		assert.True(t, e.Retryable(err))
	}
	_, err := e.Push(t.Context(), "b", tasks(1))
	require.ErrorIs(t, err, nats.ErrDisconnected)
	assert.True(t, e.Retryable(err))

	began := time.Now()
	s.start(t)
	eventually(t, func() error {
		_, err := e.Push(t.Context(), "b", tasks(1))
		return err
	})
	t.Logf("works again %v after the server was started", time.Since(began))
	data, err := e.Load(t.Context(), ids[1])
	require.NoError(t, err)
	assert.Equal(t, "r", string(data))
	// What was held is delivered again, and perhaps what was acknowledged just before. A
	// server that was killed may have forgotten that it has delivered it, and say 1.
	for pull(t, e, 1)[0].ID != held[0].ID {
	}
}

// TestSilentLink cuts the link so that neither side notices: a Pull that waits notices.
func TestSilentLink(t *testing.T) {
	t.Parallel()
	s := start(t, fast)
	link := newLink(t, strings.TrimPrefix(s.URL(), "nats://"))
	name := newName()
	e := open(t, link.url, name, nil)
	other := open(t, s.URL(), name, nil)
	pulled := make(chan error, 1)
	go func() {
		_, err := e.Pull(t.Context(), 5)
		pulled <- err
	}()
	began := time.Now()
	link.cut()
	err := <-pulled
	require.Error(t, err)
	t.Logf("%v after the cut: %v", time.Since(began), err)
	assert.Less(t, time.Since(began), 10*time.Second)
	assert.True(t, e.Retryable(err))
	link.mend()
	push(t, other, "a", 1)
	eventually(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		_, err := e.Pull(ctx, 1)
		return err
	})
}

// A link passes bytes on until it is cut: then it keeps the connections and passes nothing.
// While somebody holds the gate, what comes from the server waits.
type link struct {
	url    string
	broken atomic.Bool
	gate   sync.Mutex
}

func newLink(t *testing.T, to string) *link {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &link{url: "nats://" + listener.Addr().String()}
	if known, ok := admitted.Load("nats://" + to); ok {
		admitted.Store(l.url, known)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	pass := func(from, to net.Conn, gate sync.Locker) {
		buf := make([]byte, 32<<10)
		dead := false
		for {
			n, err := from.Read(buf)
			dead = dead || l.broken.Load()
			if err != nil {
				_ = to.Close()
				return
			}
			if !dead {
				gate.Lock()
				_, _ = to.Write(buf[:n])
				gate.Unlock()
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
			if err != nil || l.broken.Load() {
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

func (l *link) cut()  { l.broken.Store(true) }
func (l *link) mend() { l.broken.Store(false) }

func TestWrongPassword(t *testing.T) {
	s := start(t, &embedded.ServerOptions{LosesOnPowerCut: true, User: "me", Password: "right"})
	_, err := jetstream.Open(t.Context(), s.URL(), "x", nil)
	assert.ErrorContains(t, err, "give them in Options.NATS")
	_, err = jetstream.Open(t.Context(), s.URL(), "x", &jetstream.Options{NATS: []nats.Option{nats.UserInfo("me", "wrong")}})
	assert.ErrorIs(t, err, nats.ErrAuthorization)
	open(t, s.URL(), "x", &jetstream.Options{NATS: []nats.Option{nats.UserInfo("me", "right")}})
	open(t, s.URL(), "x", &jetstream.Options{NATS: s.ClientOptions()})
}

// TestNotPermitted has a client that may read and not write: its calls say so, at once,
// and that it is no use to try again.
func TestNotPermitted(t *testing.T) {
	s := startStandalone(t, `authorization { users: [
		{ user: all, password: p },
		{ user: reader, password: p, permissions: { publish: ["$JS.API.STREAM.INFO.>", "$JS.API.CONSUMER.INFO.>", "$JS.API.DIRECT.GET.>", "$JS.API.STREAM.MSG.GET.>"], subscribe: ["_INBOX.>"] } },
	] }`)
	as := func(user string) *jetstream.Options {
		return &jetstream.Options{NATS: []nats.Option{nats.UserInfo(user, "p")}}
	}
	name := newName()
	began := time.Now()
	_, err := jetstream.Open(t.Context(), s.url, name, as("reader"))
	assert.ErrorIs(t, err, nats.ErrPermissionViolation, "it cannot make the streams")
	all := open(t, s.url, name, as("all"))
	reader := open(t, s.url, name, as("reader"))
	ids := push(t, all, "a", 1)
	require.NoError(t, all.Save(t.Context(), []engine.Record{{ID: ids[0], Data: []byte("r")}}))
	data, err := reader.Load(t.Context(), ids[0])
	require.NoError(t, err)
	assert.Equal(t, "r", string(data))

	_, err = reader.Push(t.Context(), "b", tasks(3))
	denied := []error{err, reader.Save(t.Context(), []engine.Record{{ID: 1}})}
	_, err = reader.Pull(t.Context(), 1)
	denied = append(denied, err)
	more := push(t, all, "c", 1)
	_, err = reader.Wait(t.Context(), more[0])
	denied = append(denied, err)
	_, err = reader.MarkStart(t.Context(), 1, 1)
	denied = append(denied, err, reader.Delete(t.Context(), []uint64{1}))
	for _, err := range denied {
		assert.ErrorIs(t, err, nats.ErrPermissionViolation)
		assert.False(t, reader.Retryable(err), err)
	}
	assert.Less(t, time.Since(began), 5*time.Second)
}

// TestAcksNotPermitted has a client that may take tasks and not acknowledge them. Nobody
// waits for an acknowledgement: a later one says that those before were refused.
func TestAcksNotPermitted(t *testing.T) {
	s := startStandalone(t, `authorization { users: [
		{ user: all, password: p },
		{ user: taker, password: p, permissions: { publish: { deny: "$JS.ACK.>" } } },
	] }`)
	name := newName()
	as := func(user string) *jetstream.Options {
		return &jetstream.Options{NATS: []nats.Option{nats.UserInfo(user, "p")}}
	}
	push(t, open(t, s.url, name, as("all")), "a", 1)
	taker := open(t, s.url, name, as("taker"))
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
}

// certificate returns one for 127.0.0.1, and what trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots
}

// TestTLS joins from the network, with a certificate that is verified and a password.
func TestTLS(t *testing.T) {
	cert, roots := certificate(t)
	e, err := embedded.Open(t.Context(), newDir(t), "x", &embedded.Options{ServerOptions: embedded.ServerOptions{
		Addr: "0.0.0.0:0", User: "me", Password: "secret", TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
	}})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(e.URL(), "tls://"))
	require.NoError(t, err)
	url := "tls://127.0.0.1:" + port
	password := nats.UserInfo("me", "secret")

	_, err = jetstream.Open(t.Context(), url, "x", &jetstream.Options{NATS: []nats.Option{password}})
	assert.ErrorContains(t, err, "certificate")
	_, err = jetstream.Open(t.Context(), "nats://127.0.0.1:"+port, "x", &jetstream.Options{NATS: []nats.Option{nats.Secure(&tls.Config{RootCAs: roots})}})
	assert.ErrorIs(t, err, nats.ErrAuthorization)

	joined := open(t, url, "x", &jetstream.Options{NATS: []nats.Option{password, nats.Secure(&tls.Config{RootCAs: roots})}})
	ids := push(t, joined, "a", 1)
	assert.Equal(t, ids[0], pull(t, e, 1)[0].ID)
}

// TestClientCertificates listens to the network with no password: clients have certificates.
func TestClientCertificates(t *testing.T) {
	cert, roots := certificate(t)
	conf := &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots}
	e, err := embedded.Open(t.Context(), newDir(t), "x", &embedded.Options{ServerOptions: embedded.ServerOptions{Addr: "0.0.0.0:0", TLS: conf}})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(e.URL(), "tls://"))
	require.NoError(t, err)
	secure := func(c *tls.Config) *jetstream.Options {
		return &jetstream.Options{NATS: []nats.Option{nats.Secure(c)}}
	}
	_, err = jetstream.Open(t.Context(), "tls://127.0.0.1:"+port, "x", secure(&tls.Config{RootCAs: roots}))
	require.Error(t, err)
	open(t, "tls://127.0.0.1:"+port, "x", secure(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}}))
}
