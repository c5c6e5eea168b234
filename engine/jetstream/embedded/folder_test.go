package embedded_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
)

// How the processes of one user meet in the folder of a server, and how others are kept out.

// notes is what the server has written down in its folder.
func notes(t *testing.T, dir string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "server.json"))
	require.NoError(t, err)
	var noted map[string]string
	require.NoError(t, json.Unmarshal(text, &noted))
	return noted
}

func writeNotes(t *testing.T, dir, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "server.json"), []byte(text), 0o600))
}

// noSecrets fails if an error shows what gives access to the server.
func noSecrets(t *testing.T, dir string, err error) {
	t.Helper()
	require.Error(t, err)
	for _, secret := range []string{"user", "password", "key"} {
		assert.NotContains(t, err.Error(), notes(t, dir)[secret])
	}
}

// TestNobodyIsLetInByTheAddress knows only what any user of the machine can see: where the
// server listens.
func TestNobodyIsLetInByTheAddress(t *testing.T) {
	dir := newDir(t)
	e := openOn(t, dir, serverOptions{})
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
	_, err := jetstream.Open(t.Context(), e.URL(), "x", nil)
	assert.ErrorIs(t, err, nats.ErrAuthorization)
	_, err = jetstream.OpenFolder(t.Context(), dir, "x", withNATS(nats.UserInfo("me", "wrong")))
	noSecrets(t, dir, err)
	assert.NotContains(t, err.Error(), "wrong\"")
}

// join is a second process, which knows only the folder's name.
func join(dir string) {
	ctx := context.Background()
	e := get(jetstream.OpenFolder(ctx, dir, "x", nil))
	d := get(e.Pull(ctx, 1))[0]
	must(e.Save(ctx, []engine.Record{{ID: d.ID, Data: append(d.Task, " is done"...)}}))
}

func TestSecondProcessJoins(t *testing.T) {
	dir := newDir(t)
	e := openOn(t, dir, serverOptions{})
	ids := push(t, e, "a", 1)
	out, err := child(t, "EMBEDDED_TEST_JOIN", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "task 0 is done", load(t, e, ids[0]))
}

// TestWorkingDirectoryChanges starts a server on a relative folder, in a process that changes
// its working directory.
func TestWorkingDirectoryChanges(t *testing.T) {
	here, elsewhere := t.TempDir(), t.TempDir()
	t.Chdir(here)
	e := openOn(t, "folder", serverOptions{})
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
	e = openOn(t, "folder", serverOptions{})
	assert.Equal(t, ids[0], pull(t, e, 6)[0].ID)
	pull(t, openFolder(t, "folder", "y"), 3)
}

// TestStartedAgain has an engine that has joined go on when the server is back, on the same
// address, which a program can pass on, and with the same credentials.
func TestStartedAgain(t *testing.T) {
	dir := newDir(t)
	s := startOn(t, dir, fast)
	url, before := s.URL(), notes(t, dir)
	joined := openFolder(t, dir, "x")
	s.Close()
	s = startOn(t, dir, fast)
	assert.Equal(t, url, s.URL())
	assert.Equal(t, before, notes(t, dir))
	eventuallyPush(t, joined, "a")

	// What others could have read, or what is damaged, is made anew, and the engine follows.
	s.Close()
	writeNotes(t, dir, `{"url": "nats`)
	startOn(t, dir, fast)
	assert.NotEqual(t, before["password"], notes(t, dir)["password"])
	eventuallyPush(t, joined, "b")
}

// TestDamagedNotes changes a bit of what a server has written down. The next server writes it
// anew, or the bit does not matter: others can join.
func TestDamagedNotes(t *testing.T) {
	dir := newDir(t)
	life := func() {
		s := startOn(t, dir, fast)
		defer s.Close()
		require.NoError(t, openFolder(t, dir, "x").Close())
	}
	life()
	whole, err := os.ReadFile(filepath.Join(dir, "server.json"))
	require.NoError(t, err)
	for range 20 {
		writeNotes(t, dir, string(whole))
		d := damage{"server.json", flipBit, rand.Int64N(8 * int64(len(whole)))}
		t.Log(d)
		d.apply(t, dir)
		life()
	}
}

// TestAnotherListens has a program of another user listen where the server did. It is shown
// nothing, and an engine that has joined finds the server on another port.
func TestAnotherListens(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := startOn(t, dir, fast)
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

	s = startOn(t, dir, fast)
	assert.NotEqual(t, url, s.URL())
	eventuallyPush(t, joined, "a")
	require.NoError(t, listener.Close())
	for len(heard) > 0 {
		assert.Empty(t, <-heard)
	}
}

// TestFoldersThatCannotBeJoined checks that each error says what is wrong and what to do.
func TestFoldersThatCannotBeJoined(t *testing.T) {
	dir := newDir(t)
	fails := func(want ...string) {
		t.Helper()
		_, err := jetstream.OpenFolder(t.Context(), dir, "x", nil)
		require.Error(t, err)
		for _, want := range append(want, dir) {
			assert.ErrorContains(t, err, want)
		}
		assert.NotContains(t, err.Error(), "secret")
	}
	fails("no server has run on folder", "embedded.Open")
	require.NoError(t, os.Mkdir(dir, 0o700))
	fails("no server has run on folder")
	startOn(t, dir, fast).Close()
	fails("no server runs on folder", "start one with embedded.Open")
	e := openOn(t, dir, serverOptions{DontListen: true})
	assert.Empty(t, e.URL())
	push(t, e, "a", 1)
	fails("its server does not listen", "DontListen")
	require.NoError(t, e.Close())
	for _, text := range []string{`{"url": 7, "password": "secret"}`, `{"password": "secret", "url": "nats`} {
		writeNotes(t, dir, text)
		fails("server.json is damaged")
	}
}
