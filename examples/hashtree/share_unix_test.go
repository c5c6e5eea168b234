//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

// A steppingChild is a process that runs hashtree with -engine, and waits before it reads
// a file until it is let.
type steppingChild struct {
	notingChild
	gate io.WriteCloser
}

// startStepping starts one. A short lease is for tests that wait for its end; while two of
// them live, a machine that is busy may be late for it.
func startStepping(t *testing.T, where string, lease time.Duration) *steppingChild {
	t.Helper()
	c := &steppingChild{notingChild: notingChild{Cmd: child(t, "-engine", where, "-workers", "1", ".")}}
	c.Env = append(c.Env, childVar+"=stepping", leaseVar+"="+lease.String())
	c.Stdout = &c.stdout
	pipe, err := c.StderrPipe()
	require.NoError(t, err)
	c.stderr = bufio.NewReader(pipe)
	c.gate, err = c.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	return c
}

// awaitFile waits until c is to read a file, and returns which.
func (c *steppingChild) awaitFile(t *testing.T) string {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(awaitLine(t, c.stderr, "test: reading "), "\n"), "\n")
	return strings.TrimPrefix(lines[len(lines)-1], "test: reading ")
}

// letAll lets c read all that it wants.
func (c *steppingChild) letAll(t *testing.T) {
	t.Helper()
	require.NoError(t, c.gate.Close())
}

// finishAll lets c read, and returns what it read beside first, and what it said.
func (c *steppingChild) finishAll(t *testing.T, first ...string) (read []string, said string) {
	t.Helper()
	_ = c.gate.Close() // which may have happened
	read, said = c.finish(t)
	return append(first, read...), said
}

// asMe is for servers that any hashtree may be told of.
var asMe = &embedded.ServerOptions{User: "me", Password: "secret"}

// withMe is the address of one, with the password.
func withMe(s *embedded.Server) string {
	return "nats://me:secret@" + strings.TrimPrefix(s.URL(), "nats://")
}

// where are the values of -engine that the tests with processes are over.
var where = []struct {
	name string
	open func(t *testing.T) string
}{
	{"folder", func(*testing.T) string { return "../work" }},
	{"servers", func(t *testing.T) string {
		s, err := embedded.Start(t.Context(), filepath.Join(t.TempDir(), "server"), asMe)
		require.NoError(t, err)
		t.Cleanup(s.Close)
		return withMe(s)
	}},
}

// makeMany makes files, and returns their real paths, and what hashtree prints.
func makeMany(t *testing.T, n int) (paths []string, want string) {
	t.Helper()
	var names, pathsAndContents []string
	for i := range n {
		names = append(names, fmt.Sprintf("f%03d", i))
		pathsAndContents = append(pathsAndContents, "./"+names[i], "tree/"+names[i])
	}
	makeOldTree(t, names...)
	dir, err := realPath(".")
	require.NoError(t, err)
	for _, name := range names {
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths, sums(pathsAndContents...)
}

const manyFiles = 100

// Two that are started with the same command line split the work, and both print all.
func TestTwoProcessesSplitTheWork(t *testing.T) {
	for _, w := range where {
		t.Run(w.name, func(t *testing.T) {
			paths, want := makeMany(t, manyFiles)
			engine := w.open(t)
			a := startStepping(t, engine, defaultLease)
			firstOfA := a.awaitFile(t)
			b := startStepping(t, engine, defaultLease)
			firstOfB := b.awaitFile(t)

			b.letAll(t) // or a waits for the file that b has
			readByA, saidByA := a.finishAll(t, firstOfA)
			readByB, saidByB := b.finishAll(t, firstOfB)
			assert.ElementsMatch(t, paths, slices.Concat(readByA, readByB), "each file is read once")
			for _, c := range []*steppingChild{a, b} {
				assert.Equal(t, exitOK, c.ProcessState.ExitCode(), "the first said: %s\nthe second said: %s", saidByA, saidByB)
				assert.Equal(t, want, c.stdout.String())
			}
			assertKept(t, saidByA, 0, manyFiles, 0, 0)
			assertKept(t, saidByB, manyFiles, 0, 0, 0)
			assert.Contains(t, saidByA, fmt.Sprintf("hashtree: %d files, %d read here, ", manyFiles, len(readByA)))
			assert.Contains(t, saidByB, fmt.Sprintf("hashtree: %d files, %d read here, ", manyFiles, len(readByB)))
		})
	}
}

// Whichever is killed, the one that has the turn, and the server in a folder, or the
// other one: the one that is left finishes.
func TestOneOfTwoProcessesIsKilled(t *testing.T) {
	for _, w := range where {
		for _, victim := range []string{"first", "second"} {
			t.Run(w.name+"/"+victim, func(t *testing.T) {
				paths, want := makeMany(t, manyFiles)
				engine := w.open(t)
				dies := startStepping(t, engine, time.Second)
				lost := dies.awaitFile(t)
				stays := startStepping(t, engine, time.Second)
				held := stays.awaitFile(t)
				if victim == "second" {
					dies, stays, lost, held = stays, dies, held, lost
				}
				require.NoError(t, dies.Process.Kill())
				_, said := dies.finish(t)
				assert.NotContains(t, said, "files, ")
				assert.Empty(t, dies.stdout.String())

				read, said := stays.finishAll(t, held)
				assert.Equal(t, exitOK, stays.ProcessState.ExitCode(), said)
				assert.Equal(t, want, stays.stdout.String())
				assert.Subset(t, read, paths)
				assert.Contains(t, read, lost)
				assert.LessOrEqual(t, len(read), manyFiles+1, "what runs twice is what a kill has interrupted")
			})
		}
	}
}

// awaitShared waits until the engine, which other processes are using for ".", has that
// many results.
func awaitShared(t *testing.T, where string, n int) {
	t.Helper()
	dir, err := realPath(".")
	require.NoError(t, err)
	s, err := openSite(t.Context(), siteOptions{
		where: where, name: siteName([]root{{".", dir}}), settling: defaultSettling, say: t.Logf})
	require.NoError(t, err)
	defer s.close()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		found := 0
		for _, err := range s.files.All(t.Context()) {
			require.NoError(t, err)
			found++
		}
		if found >= n {
			return
		}
		require.False(t, time.Now().After(deadline), "only %d of %d results are saved", found, n)
	}
}

// When all are killed, the next run goes on.
func TestAllProcessesAreKilled(t *testing.T) {
	for _, w := range where {
		t.Run(w.name, func(t *testing.T) {
			paths, want := makeMany(t, manyFiles)
			engine := w.open(t)
			a := startStepping(t, engine, time.Second)
			a.awaitFile(t)
			_, err := a.gate.Write([]byte("go")) // two of them
			require.NoError(t, err)
			a.awaitFile(t)
			lost := a.awaitFile(t)
			awaitShared(t, engine, 2)
			require.NoError(t, a.Process.Kill())
			a.finish(t)

			b := startStepping(t, engine, time.Second)
			read, said := b.finishAll(t)
			assert.Equal(t, exitOK, b.ProcessState.ExitCode(), said)
			assert.Equal(t, want, b.stdout.String())
			assert.Subset(t, paths, read)
			assert.Contains(t, read, lost)
			assert.Len(t, read, manyFiles-2, "what was read is not read again")
		})
	}
}

// Ctrl-C gives back what was not begun, and the other one reads it at once.
func TestOneOfTwoProcessesIsInterrupted(t *testing.T) {
	for _, w := range where {
		t.Run(w.name, func(t *testing.T) {
			paths, want := makeMany(t, manyFiles)
			engine := w.open(t)
			a := startStepping(t, engine, 2*time.Second)
			firstOfA := a.awaitFile(t)
			b := startStepping(t, engine, 2*time.Second)
			firstOfB := b.awaitFile(t)
			require.NoError(t, a.Process.Signal(os.Interrupt))
			awaitLine(t, a.stderr, "hashtree: interrupted: finishing 1 file;")

			readByA, said := a.finishAll(t, firstOfA)
			assert.Equal(t, []string{firstOfA}, readByA)
			assert.Equal(t, exitInterrupted, a.ProcessState.ExitCode())
			assert.Contains(t, said, fmt.Sprintf("hashtree: left: %d files, for those who share %s, or for the next run\n", manyFiles-1, shown(engine)))
			assertKept(t, said, 0, 1, 0, manyFiles-1)
			assert.Equal(t, 1, strings.Count(a.stdout.String(), "\n"))

			readByB, said := b.finishAll(t, firstOfB)
			assert.Equal(t, exitOK, b.ProcessState.ExitCode(), said)
			assert.Equal(t, want, b.stdout.String())
			assert.ElementsMatch(t, paths, slices.Concat(readByA, readByB), "each file is read once")
		})
	}
}

// When the servers are down, hashtree says so, waits, and goes on by itself.
func TestServersComeBack(t *testing.T) {
	paths, want := makeMany(t, manyFiles)
	dir := filepath.Join(t.TempDir(), "server")
	s, err := embedded.Start(t.Context(), dir, asMe)
	require.NoError(t, err)
	defer func() { s.Close() }()
	c := startStepping(t, withMe(s), defaultLease)
	held := c.awaitFile(t)

	s.Close()
	awaitLine(t, c.stderr, "hashtree: the servers do not answer: ")
	s, err = embedded.Start(t.Context(), dir, asMe)
	require.NoError(t, err)
	awaitLine(t, c.stderr, "hashtree: the servers answer again")
	read, said := c.finishAll(t, held)
	assert.Equal(t, exitOK, c.ProcessState.ExitCode(), said)
	assert.Equal(t, want, c.stdout.String())
	assert.ElementsMatch(t, paths, read)
}

// Nobody but the owner of the folder can use the server in it.
func TestFolderHasAPassword(t *testing.T) {
	makeMany(t, 1)
	c := startStepping(t, "../work", defaultLease)
	c.awaitFile(t)
	file, err := os.Stat("../work/server.json")
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), file.Mode())
	text, err := os.ReadFile("../work/server.json")
	require.NoError(t, err)
	var at struct{ URL, User, Password string }
	require.NoError(t, json.Unmarshal(text, &at))

	_, err = nats.Connect(at.URL)
	assert.ErrorIs(t, err, nats.ErrAuthorization)
	nc, err := nats.Connect(at.URL, nats.UserInfo(at.User, at.Password))
	require.NoError(t, err)
	nc.Close()
	c.finishAll(t)
}

// A folder below a DIR is not hashed.
func TestFolderBelowDir(t *testing.T) {
	_, want := makeMany(t, 3)
	for range 2 { // it is not there yet, and then it is
		c := startStepping(t, "work", defaultLease)
		_, said := c.finishAll(t)
		assert.Equal(t, exitOK, c.ProcessState.ExitCode(), said)
		assert.Equal(t, want, c.stdout.String())
	}
}

// A folder that another program uses, for itself alone, is no reason to wait for ever.
func TestFolderOfAnother(t *testing.T) {
	makeMany(t, 1)
	s, err := embedded.Start(t.Context(), "../work", &embedded.ServerOptions{DontListen: true})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	r := newRun()
	r.openSite = func(ctx context.Context, opts siteOptions) (*site, error) {
		opts.settling = lookAgain
		return openSite(ctx, opts)
	}
	assert.Equal(t, exitUsage, r.run([]string{"-engine", "../work", "."}))
	assert.Regexp(t, `^hashtree: -engine \.\./work: embedded: directory \S*/work: another server uses it: .*\nhashtree: see hashtree -h\n$`, r.err.String())
}
