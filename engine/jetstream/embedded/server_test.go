package embedded_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

type serverOptions = embedded.ServerOptions

// TestOpenAgain opens a pool on a server with the least MaxPayload, and again without it.
func TestOpenAgain(t *testing.T) {
	dir := newDir(t)
	e := openOn(t, dir, serverOptions{MaxPayload: 4 << 10})
	describe(t, e, "kind")
	id := push(t, e, "a", 1)[0]
	result := make([]byte, 3<<10)
	require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: id, Data: result}}))
	require.NoError(t, e.Close())
	require.NoError(t, e.Close())
	_, err := e.Size(t.Context())
	require.ErrorIs(t, err, engine.ErrClosed)
	assert.Equal(t, string(result), load(t, openOn(t, dir, serverOptions{}), id))
}

// TestBadServerOptions gives options, and directories, that are refused. The directory is free
// after that.
func TestBadServerOptions(t *testing.T) {
	cert, _ := certificate(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	verify := &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert}
	const hash = "$2a$11$Mkd/ZFp4vFxbvhXgvrVOQuXoXnLKD4UjhmzrMeNhHLHCRc5YYmyFa"
	for want, opts := range map[string][]serverOptions{
		"there are no credentials": {{Addr: "0.0.0.0:0"}, {Addr: ":0"}, {Addr: "[::]:0"}, {Addr: "192.0.2.1:4222"}, {Addr: "example.com:1"}},
		"want host:port":           {{Addr: "127.0.0.1"}},
		"want a port":              {{Addr: "127.0.0.1:x"}, {Addr: "127.0.0.1:70000"}, {Addr: "127.0.0.1:-1"}},
		"want both or neither":     {{Addr: ":0", User: "me"}},
		"bcrypt":                   {{User: "me", Password: hash}},
		"ClientCAs":                {{Addr: "0.0.0.0:0", TLS: verify}},
		"MaxPayload is":            {{MaxPayload: 1}, {MaxPayload: 100}, {MaxPayload: 1000}},
		"want none with":           {{DontListen: true, Addr: "127.0.0.1:0"}},
		"address already in use":   {{Addr: listener.Addr().String()}},
	} {
		for _, opts := range opts {
			dir := newDir(t)
			_, err := embedded.Start(t.Context(), dir, &opts)
			if assert.ErrorContains(t, err, want, "%+v", opts) {
				assert.NotContains(t, err.Error(), "Mkd", "the error shows the password")
			}
			startOn(t, dir, fast).Close()
		}
	}

	dir := newDir(t)
	require.NoError(t, os.Mkdir(dir, 0o700))
	file := filepath.Join(dir, "jetstream")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for dir, want := range map[string]string{"": "dir is empty", file: file, dir: "directory " + dir + ": the server says: Can't start JetStream: storage directory is not a directory"} {
		_, err = embedded.Start(t.Context(), dir, nil)
		assert.ErrorContains(t, err, want)
	}
}

// ---- one server at a time -----------------------------------------------------

func TestOneServerForADirectory(t *testing.T) {
	dir := newDir(t)
	s := startOn(t, dir, serverOptions{})
	_, err := embedded.Start(t.Context(), dir, nil)
	assert.ErrorIs(t, err, embedded.ErrInUse)
	assert.ErrorContains(t, err, "another server uses it")
	assert.ErrorContains(t, err, dir)
	noSecrets(t, dir, err)
	assert.ErrorContains(t, err, "at "+s.URL()+" with jetstream.OpenFolder(ctx, \""+dir+"\", name, nil)")
	s.Close()
	s.Close()
	startOn(t, dir, serverOptions{})
}

// TestNothingIsLeft looks for goroutines after Close of engines with a server of their own. The
// contract has the same for engines on a server that goes on.
func TestNothingIsLeft(t *testing.T) {
	life := func() {
		e := openOn(t, newDir(t), serverOptions{})
		ids := push(t, e, "a", 2)
		beginPull(t, e, 5)
		begin(func() ([]byte, error) { return e.Wait(t.Context(), ids[0]) })
		require.NoError(t, e.Close())
	}
	life() // starts what is started once
	before := runtime.NumGoroutine()
	for range 4 {
		life()
	}
	eventually(t, func() error {
		if now := runtime.NumGoroutine(); now > before {
			stacks := make([]byte, 1<<20)
			return fmt.Errorf("%d goroutines before and %d after:\n%s", before, now, stacks[:runtime.Stack(stacks, true)])
		}
		return nil
	})
}

// ---- certificates -------------------------------------------------------------

// certificate returns one for 127.0.0.1, and what trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf}, roots
}

// onPort is the address of a server that listens to the network, on the loopback interface.
func onPort(t *testing.T, scheme, url string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "tls://"))
	require.NoError(t, err)
	return scheme + "://127.0.0.1:" + port
}

// TestTLS joins from the network, with a certificate that is verified and a password.
func TestTLS(t *testing.T) {
	cert, roots := certificate(t)
	e := openOn(t, newDir(t), serverOptions{
		Addr: "0.0.0.0:0", User: "me", Password: "secret", TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
	})
	url := onPort(t, "tls", e.URL())
	password, secure := nats.UserInfo("me", "secret"), nats.Secure(&tls.Config{RootCAs: roots})

	_, err := jetstream.Open(t.Context(), url, "x", withNATS(password))
	assert.ErrorContains(t, err, "certificate")
	_, err = jetstream.Open(t.Context(), onPort(t, "nats", e.URL()), "x", withNATS(secure))
	assert.ErrorIs(t, err, nats.ErrAuthorization)

	ids := push(t, open(t, url, "x", withNATS(password, secure)), "a", 1)
	assert.Equal(t, ids[0], pull(t, e, 1)[0].ID)
}

// TestClientCertificates listens to the network without a password: clients have certificates.
func TestClientCertificates(t *testing.T) {
	cert, roots := certificate(t)
	conf := &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots}
	e := openOn(t, newDir(t), serverOptions{Addr: "0.0.0.0:0", TLS: conf})
	url := onPort(t, "tls", e.URL())
	_, err := jetstream.Open(t.Context(), url, "x", withNATS(nats.Secure(&tls.Config{RootCAs: roots})))
	require.Error(t, err)
	open(t, url, "x", withNATS(nats.Secure(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}})))
}

// TestGivenCertificate has a server with a certificate and no User. It lets nobody in without
// the folder either.
func TestGivenCertificate(t *testing.T) {
	cert, roots := certificate(t)
	dir := newDir(t)
	s := startOn(t, dir, serverOptions{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	secure := nats.Secure(&tls.Config{RootCAs: roots})
	_, err := nats.Connect(s.URL(), secure)
	assert.ErrorIs(t, err, nats.ErrAuthorization)
	openFolder(t, dir, "x", secure)
	open(t, "nats://in-process", "x", withNATS(s.ClientOptions()...))
}
