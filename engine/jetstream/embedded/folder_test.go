package embedded_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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

// notes is what the server has written down in its folder.
func notes(t *testing.T, dir string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "server.json"))
	require.NoError(t, err)
	var noted map[string]string
	require.NoError(t, json.Unmarshal(text, &noted))
	return noted
}

// TestNobodyIsLetInByTheAddress has no more than what any user of the machine can see: where
// the server listens.
func TestNobodyIsLetInByTheAddress(t *testing.T) {
	dir := newDir(t)
	e, err := embedded.Open(t.Context(), dir, "x", nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	assert.NotContains(t, e.URL(), "@")
	for _, opts := range [][]nats.Option{
		nil,
		{nats.UserInfo("resultpool", "")},
		{nats.UserInfo("resultpool", "guess")},
		{nats.Secure(&tls.Config{InsecureSkipVerify: true})},
	} {
		_, err := nats.Connect(e.URL(), opts...)
		assert.ErrorIs(t, err, nats.ErrAuthorization)
	}
	_, err = jetstream.Open(t.Context(), e.URL(), "x", nil)
	assert.ErrorIs(t, err, nats.ErrAuthorization)
}

// join is a second process: it has the folder's name and nothing else.
func join(dir string) {
	fmt.Println(func() error {
		e, err := jetstream.OpenFolder(context.Background(), dir, "x", nil)
		if err != nil {
			return err
		}
		ds, err := e.Pull(context.Background(), 1)
		if err != nil {
			return err
		}
		return e.Save(context.Background(), []engine.Record{{ID: ds[0].ID, Data: append(ds[0].Task, " is done"...)}})
	}())
}

func TestSecondProcessJoins(t *testing.T) {
	dir := newDir(t)
	e, err := embedded.Open(t.Context(), dir, "x", nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	ids := push(t, e, "a", 1)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "EMBEDDED_TEST_JOIN="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err)
	require.Equal(t, "<nil>\n", string(out))
	data, err := e.Load(t.Context(), ids[0])
	require.NoError(t, err)
	assert.Equal(t, "task 0 is done", string(data))
}

// TestWorkingDirectoryChanges starts a server on a relative folder, in a process that goes
// elsewhere.
func TestWorkingDirectoryChanges(t *testing.T) {
	here, elsewhere := t.TempDir(), t.TempDir()
	t.Chdir(here)
	e, err := embedded.Open(t.Context(), "folder", "x", nil)
	require.NoError(t, err)
	joined := openFolder(t, "folder", "x")
	t.Chdir(elsewhere)
	open := openFolder(t, filepath.Join(here, "folder"), "y") // makes streams
	ids := push(t, e, "a", 3)
	push(t, joined, "b", 3)
	push(t, open, "c", 3)
	require.NoError(t, e.Close())
	left, err := os.ReadDir(elsewhere)
	require.NoError(t, err)
	assert.Empty(t, left)

	t.Chdir(here)
	e, err = embedded.Open(t.Context(), "folder", "x", nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	assert.Equal(t, ids[0], pull(t, e, 6)[0].ID)
	pull(t, openFolder(t, "folder", "y"), 3)
}

// TestStartedAgain has those who have joined go on when the server is back: on the same
// address, which a program can pass on, and with the same credentials.
func TestStartedAgain(t *testing.T) {
	dir := newDir(t)
	s, err := embedded.Start(t.Context(), dir, fast)
	require.NoError(t, err)
	url, before := s.URL(), notes(t, dir)
	joined := openFolder(t, dir, "x")
	s.Close()
	s, err = embedded.Start(t.Context(), dir, fast)
	require.NoError(t, err)
	defer func() { s.Close() }()
	assert.Equal(t, url, s.URL())
	assert.Equal(t, before, notes(t, dir))
	eventually(t, func() error {
		_, err := joined.Push(t.Context(), "a", tasks(1))
		return err
	})

	// What others could have read, or what is damaged, is made anew, and is followed.
	s.Close()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "server.json"), []byte(`{"url": "nats`), 0o600))
	_, err = jetstream.OpenFolder(t.Context(), dir, "x", nil)
	assert.ErrorContains(t, err, "server.json is damaged")
	s, err = embedded.Start(t.Context(), dir, fast)
	require.NoError(t, err)
	assert.NotEqual(t, before["password"], notes(t, dir)["password"])
	eventually(t, func() error {
		_, err := joined.Push(t.Context(), "b", tasks(1))
		return err
	})
}

// TestAnotherListens has a program of another user listen where the server did. It is shown
// nothing, and those who have joined find the server on another port.
func TestAnotherListens(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s, err := embedded.Start(t.Context(), dir, fast)
	require.NoError(t, err)
	url := s.URL()
	joined := openFolder(t, dir, "x")
	s.Close()
	listener, err := net.Listen("tcp", strings.TrimPrefix(url, "nats://"))
	require.NoError(t, err)
	heard := make(chan string, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte(`INFO {"server_id":"X","version":"2.15.2","proto":1,"headers":true,"auth_required":true,"max_payload":1048576}` + "\r\n"))
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			said := make([]byte, 1000)
			n, _ := conn.Read(said)
			_ = conn.Close()
			heard <- string(said[:n])
		}
	}()
	assert.Empty(t, <-heard)
	_, err = jetstream.OpenFolder(t.Context(), dir, "x", nil)
	assert.ErrorIs(t, err, nats.ErrSecureConnWanted)

	s, err = embedded.Start(t.Context(), dir, fast)
	require.NoError(t, err)
	defer s.Close()
	assert.NotEqual(t, url, s.URL())
	eventually(t, func() error {
		_, err := joined.Push(t.Context(), "a", tasks(1))
		return err
	})
	require.NoError(t, listener.Close())
	for len(heard) > 0 {
		assert.Empty(t, <-heard)
	}
}

// TestFoldersThatCannotBeJoined: each says what is wrong and what to do.
func TestFoldersThatCannotBeJoined(t *testing.T) {
	dir := newDir(t)
	fails := func(want ...string) {
		t.Helper()
		_, err := jetstream.OpenFolder(t.Context(), dir, "x", nil)
		require.Error(t, err)
		for _, want := range append(want, dir) {
			assert.ErrorContains(t, err, want)
		}
	}
	fails("no server has run on folder", "embedded.Open")
	require.NoError(t, os.Mkdir(dir, 0o700))
	fails("no server has run on folder")

	s, err := embedded.Start(t.Context(), dir, fast)
	require.NoError(t, err)
	s.Close()
	fails("no server runs on folder", "start one with embedded.Open")

	s, err = embedded.Start(t.Context(), dir, &embedded.ServerOptions{LosesOnPowerCut: true, DontListen: true})
	require.NoError(t, err)
	fails("its server does not listen", "DontListen")
	s.Close()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "server.json"), []byte(`{"url": 7, "password": "secret"}`), 0o600))
	fails("server.json is damaged")
	_, err = jetstream.OpenFolder(t.Context(), dir, "x", nil)
	assert.NotContains(t, err.Error(), "secret")
}

// TestGivenCredentials are not written down: those who join have to be given them, too.
func TestGivenCredentials(t *testing.T) {
	dir := newDir(t)
	s, err := embedded.Start(t.Context(), dir, fast)
	require.NoError(t, err)
	s.Close()
	s, err = embedded.Start(t.Context(), dir, &embedded.ServerOptions{LosesOnPowerCut: true, User: "me", Password: "secret"})
	require.NoError(t, err)
	defer s.Close()
	assert.Equal(t, map[string]string{"url": s.URL()}, notes(t, dir))
	_, err = jetstream.OpenFolder(t.Context(), dir, "x", nil)
	assert.ErrorIs(t, err, nats.ErrAuthorization)
	assert.ErrorContains(t, err, "give them in Options.NATS")
	e, err := jetstream.OpenFolder(t.Context(), dir, "x", &jetstream.Options{NATS: []nats.Option{nats.UserInfo("me", "secret")}})
	require.NoError(t, err)
	require.NoError(t, e.Close())
}

// TestGivenCertificate has a server with a certificate, and with no User: that lets nobody in
// without the folder, either.
func TestGivenCertificate(t *testing.T) {
	cert, roots := certificate(t)
	dir := newDir(t)
	s, err := embedded.Start(t.Context(), dir, &embedded.ServerOptions{LosesOnPowerCut: true, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	require.NoError(t, err)
	defer s.Close()
	secure := nats.Secure(&tls.Config{RootCAs: roots})
	_, err = nats.Connect(s.URL(), secure)
	assert.ErrorIs(t, err, nats.ErrAuthorization)
	e, err := jetstream.OpenFolder(t.Context(), dir, "x", &jetstream.Options{NATS: []nats.Option{secure}})
	require.NoError(t, err)
	require.NoError(t, e.Close())
	e, err = jetstream.Open(t.Context(), "nats://in-process", "x", &jetstream.Options{NATS: s.ClientOptions()})
	require.NoError(t, err)
	require.NoError(t, e.Close())
}

// TestNoPasswordInErrors of those who start a second server, or come with a wrong one.
func TestNoPasswordInErrors(t *testing.T) {
	dir := newDir(t)
	s, err := embedded.Start(t.Context(), dir, fast)
	require.NoError(t, err)
	defer s.Close()
	_, second := embedded.Start(t.Context(), dir, nil)
	_, wrong := jetstream.OpenFolder(t.Context(), dir, "x", &jetstream.Options{NATS: []nats.Option{nats.UserInfo("me", "wrong")}})
	for _, err := range []error{second, wrong} {
		require.Error(t, err)
		for _, secret := range []string{"user", "password", "key"} {
			assert.NotContains(t, err.Error(), notes(t, dir)[secret])
		}
		assert.NotContains(t, err.Error(), "wrong\"")
	}
}

// TestDamagedNotes changes a bit of what a server has written down. The next one writes it
// anew, or it does not matter: those who join come in.
func TestDamagedNotes(t *testing.T) {
	dir := newDir(t)
	life := func() {
		s, err := embedded.Start(t.Context(), dir, fast)
		require.NoError(t, err)
		defer s.Close()
		e, err := jetstream.OpenFolder(t.Context(), dir, "x", nil)
		require.NoError(t, err)
		require.NoError(t, e.Close())
	}
	life()
	file := filepath.Join(dir, "server.json")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	for range 20 {
		text := bytes.Clone(whole)
		at, bit := rand.IntN(len(text)), rand.IntN(8)
		text[at] ^= 1 << bit
		require.NoError(t, os.WriteFile(file, text, 0o600))
		t.Logf("bit %d of byte %d", bit, at)
		life()
	}
}
