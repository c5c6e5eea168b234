package embedded_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

func TestOpenAgain(t *testing.T) {
	dir := newDir(t)
	e, err := embedded.Open(t.Context(), dir, "x", &embedded.Options{Lease: time.Second})
	require.NoError(t, err)
	ids := push(t, e, "a", 2)
	d := pull(t, e, 1)[0]
	require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: d.ID, Data: []byte("r")}}))
	require.NoError(t, e.Ack(t.Context(), []engine.Delivery{d}))
	require.NoError(t, e.Close())
	require.NoError(t, e.Close())
	_, err = e.Size(t.Context())
	require.ErrorIs(t, err, engine.ErrClosed)

	e, err = embedded.Open(t.Context(), dir, "x", nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	data, err := e.Load(t.Context(), d.ID)
	require.NoError(t, err)
	assert.Equal(t, "r", string(data))
	assert.Equal(t, ids[1], pull(t, e, 1)[0].ID)
	assert.Greater(t, push(t, e, "b", 1)[0], ids[1])
}

func TestOthersJoin(t *testing.T) {
	dir := newDir(t)
	e, err := embedded.Open(t.Context(), dir, "x", nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	other := openFolder(t, dir, "x")
	ids := push(t, other, "a", 1)
	assert.Equal(t, ids[0], pull(t, e, 1)[0].ID)
}

func TestDontListen(t *testing.T) {
	e, err := embedded.Open(t.Context(), newDir(t), "x", &embedded.Options{ServerOptions: embedded.ServerOptions{DontListen: true}})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	assert.Empty(t, e.URL())
	push(t, e, "a", 1)
}

func TestOneServerForADirectory(t *testing.T) {
	dir := newDir(t)
	s, err := embedded.Start(t.Context(), dir, nil)
	require.NoError(t, err)
	_, err = embedded.Start(t.Context(), dir, nil)
	assert.ErrorContains(t, err, "another server uses it")
	assert.ErrorContains(t, err, dir)
	assert.ErrorContains(t, err, "at "+s.URL()+" with jetstream.OpenFolder(ctx, \""+dir+"\", name, nil)")
	s.Close()
	s.Close()
	s, err = embedded.Start(t.Context(), dir, nil)
	require.NoError(t, err)
	s.Close()
}

// hold is the program of TestKilledProcessLeavesNoLock: it uses dir until it is killed.
func hold(dir string) {
	_, err := embedded.Start(context.Background(), dir, nil)
	fmt.Println("started", err)
	select {}
}

func TestKilledProcessLeavesNoLock(t *testing.T) {
	dir := newDir(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "EMBEDDED_TEST_HOLD="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "started <nil>\n", said)
	_, err = embedded.Start(t.Context(), dir, nil)
	assert.ErrorContains(t, err, "another server uses it")
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	s, err := embedded.Start(t.Context(), dir, nil)
	require.NoError(t, err)
	s.Close()
}

func TestAddresses(t *testing.T) {
	for addr, want := range map[string]string{
		"0.0.0.0:0":       "there are no credentials",
		":0":              "there are no credentials",
		"[::]:0":          "there are no credentials",
		"192.0.2.1:4222":  "there are no credentials",
		"example.com:1":   "there are no credentials",
		"127.0.0.1":       "want host:port",
		"127.0.0.1:x":     "want a port",
		"127.0.0.1:70000": "want a port",
		"127.0.0.1:-1":    "want a port",
	} {
		_, err := embedded.Start(t.Context(), newDir(t), &embedded.ServerOptions{Addr: addr})
		assert.ErrorContains(t, err, want, addr)
	}
	_, err := embedded.Start(t.Context(), newDir(t), &embedded.ServerOptions{Addr: ":0", User: "me"})
	assert.ErrorContains(t, err, "want both or neither")
	_, err = embedded.Start(t.Context(), "", nil)
	assert.ErrorContains(t, err, "dir is empty")

	s := start(t, &embedded.ServerOptions{Addr: "localhost:0"})
	assert.True(t, strings.HasPrefix(s.URL(), "nats://localhost:"), s.URL())
	open(t, s.URL(), "x", nil)
}

func TestPortInUse(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	dir := newDir(t)
	_, err = embedded.Start(t.Context(), dir, &embedded.ServerOptions{Addr: listener.Addr().String()})
	require.ErrorContains(t, err, "address already in use")
	s, err := embedded.Start(t.Context(), dir, nil)
	require.NoError(t, err, "the directory is free")
	s.Close()
}

func TestDirectoryIsAFile(t *testing.T) {
	file := t.TempDir() + "/file"
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := embedded.Start(t.Context(), file, nil)
	assert.ErrorContains(t, err, file)
}

// TestNothingIsLeft looks for goroutines after Close, with a server that goes on and with
// one that is closed, too.
func TestNothingIsLeft(t *testing.T) {
	s := start(t, fast)
	joined := func() {
		e := open(t, s.URL(), "joined", nil)
		ids := push(t, e, rand.Text(), 2)
		go func() { _, _ = e.Wait(t.Context(), ids[0]) }()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, _ = e.Wait(ctx, ids[1])
		require.NoError(t, e.Ack(t.Context(), pull(t, e, 2)))
		go func() { _, _ = e.Pull(t.Context(), 5) }()
		require.NoError(t, e.Close())
	}
	own := func() {
		e, err := embedded.Open(t.Context(), newDir(t), "x", nil)
		require.NoError(t, err)
		push(t, e, "a", 2)
		require.NoError(t, e.Close())
	}
	for _, f := range []func(){joined, own} {
		f() // with what is started once
		before := runtime.NumGoroutine()
		for range 4 {
			f()
		}
		eventually(t, func() error {
			if now := runtime.NumGoroutine(); now > before {
				stacks := make([]byte, 1<<20)
				return fmt.Errorf("%d goroutines before and %d after:\n%s", before, now, stacks[:runtime.Stack(stacks, true)])
			}
			return nil
		})
	}
}
