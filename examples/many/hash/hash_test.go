//go:build unix

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
	"github.com/resultpool/resultpool/examples/internal/process"
)

// The mode of a process is its lease. Before it reads a file it waits until it is let.
func TestMain(m *testing.M) {
	mode, isProcess := process.Mode()
	if !isProcess {
		goleak.VerifyTestMain(m)
		return
	}
	var mu sync.Mutex
	s := &share{reading: func(name string) {
		process.Note(name)
		mu.Lock()
		defer mu.Unlock()
		process.Hold()
	}}
	log.SetFlags(0)
	if err := s.run(os.Args[1], os.Args[2], must(time.ParseDuration(mode))); err != nil {
		log.Fatal(err)
	}
	os.Exit(0)
}

// start starts a process with one worker, and waits until that has a file.
func start(t *testing.T, where string, lease time.Duration) *process.Process {
	t.Helper()
	p := process.New(t, lease.String(), where, ".")
	p.Env = append(p.Env, "GOMAXPROCS=1")
	p.Begin(t).Await(t, process.Opening)
	return p
}

// finish lets a process read all that it wants, and waits for its end.
func finish(t *testing.T, p *process.Process, status int) {
	t.Helper()
	_ = p.Gate.Close() // which may have happened
	assert.Equal(t, status, p.AwaitEnd(), p.Said)
}

const lease = 10 * time.Second

// asMe is for servers that any process may be told of.
var asMe = &embedded.ServerOptions{User: "me", Password: "secret"}

// withMe is the address of one, with the password.
func withMe(s *embedded.Server) string {
	return "nats://me:secret@" + strings.TrimPrefix(s.URL(), "nats://")
}

// everywhere runs a test with each kind of WHERE, in a folder with n files.
func everywhere(t *testing.T, n int, test func(t *testing.T, where string, files []string, want string)) {
	for _, kind := range []string{"folder", "servers"} {
		t.Run(kind, func(t *testing.T) {
			files, want := makeFiles(t, n)
			where := "work" // below DIR, and not hashed
			if kind == "servers" {
				s, err := embedded.Start(t.Context(), filepath.Join(t.TempDir(), "server"), asMe)
				require.NoError(t, err)
				t.Cleanup(s.Close)
				where = withMe(s)
			}
			test(t, where, files, want)
		})
	}
}

// makeFiles makes n files that are an hour old, and returns their names, and what hash prints.
func makeFiles(t *testing.T, n int) (names []string, want string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for i := range n {
		names = append(names, fmt.Sprintf("f%03d", i))
		write(t, names[i], names[i])
		want += line(names[i], names[i])
	}
	return names, want
}

func line(name, content string) string {
	return fmt.Sprintf("%x  ./%s\n", sha256.Sum256([]byte(content)), name)
}

func write(t *testing.T, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(content), 0o666))
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(name, old, old))
}

// Two that are started with the same arguments split the work, and both print all.
func TestTwoProcessesSplitTheWork(t *testing.T) {
	everywhere(t, 100, func(t *testing.T, where string, files []string, want string) {
		a := start(t, where, lease)
		b := start(t, where, lease)
		require.NoError(t, b.Gate.Close()) // or a waits for the file that b has
		finish(t, a, 0)
		finish(t, b, 0)
		assert.ElementsMatch(t, files, slices.Concat(a.Opened, b.Opened), "each file is read once")
		assert.Equal(t, want, a.Out.String())
		assert.Equal(t, want, b.Out.String())
		assert.Contains(t, a.Said, fmt.Sprintf("100 files, 0 of them read before, %d read here\n", len(a.Opened)))
		assert.Contains(t, b.Said, fmt.Sprintf("100 files, 100 of them read before, %d read here\n", len(b.Opened)))

		// The next ones read what has changed, and what could not be read.
		require.NoError(t, os.Remove("f000"))
		write(t, "f001", "changed")
		_, rest, _ := strings.Cut(want, line("f001", "f001"))
		c := start(t, where, lease)
		require.NoError(t, os.Rename("f001", "f001-changed"))
		require.NoError(t, os.Symlink("/dev/zero", "f001"))
		finish(t, c, 1)
		assert.Equal(t, []string{"f001"}, c.Opened)
		assert.Equal(t, rest, c.Out.String())
		assert.Contains(t, c.Said, `./"f001": openat f001: path escapes from parent`)

		require.NoError(t, os.Rename("f001-changed", "f001"))
		d := start(t, where, lease)
		finish(t, d, 0)
		assert.Equal(t, []string{"f001"}, d.Opened)
		assert.Equal(t, line("f001", "changed")+rest, d.Out.String())
	})
}

// Whichever is killed, the one that has the turn, and the server in a folder, or the other one:
// the one that is left finishes.
func TestOneOfTwoProcessesIsKilled(t *testing.T) {
	for _, victim := range []string{"first", "second"} {
		t.Run(victim, func(t *testing.T) {
			everywhere(t, 100, func(t *testing.T, where string, files []string, want string) {
				dies := start(t, where, time.Second)
				stays := start(t, where, time.Second)
				if victim == "second" {
					dies, stays = stays, dies
				}
				require.NoError(t, dies.Process.Kill())
				finish(t, dies, -1)
				assert.Empty(t, dies.Out.String())
				finish(t, stays, 0)
				assert.Equal(t, want, stays.Out.String())
				assert.Subset(t, stays.Opened, dies.Opened)
				assert.LessOrEqual(t, len(stays.Opened), 101, "what runs twice is what a kill has interrupted")
			})
		})
	}
}

// When all are killed, the next run goes on.
func TestAllProcessesAreKilled(t *testing.T) {
	everywhere(t, 100, func(t *testing.T, where string, _ []string, want string) {
		a := start(t, where, time.Second)
		for range 2 {
			_, err := a.Gate.Write([]byte{1})
			require.NoError(t, err)
			a.Await(t, process.Opening)
		}
		awaitSaved(t, where, 2)
		require.NoError(t, a.Process.Kill())
		finish(t, a, -1)

		b := start(t, where, time.Second)
		finish(t, b, 0)
		assert.Equal(t, want, b.Out.String())
		assert.Len(t, b.Opened, 98, "what was read is not read again")
		assert.Contains(t, b.Opened, a.Opened[2])
	})
}

// awaitSaved waits until the engine that other processes are using has n results.
func awaitSaved(t *testing.T, where string, n int) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(must(os.Getwd()))
	require.NoError(t, err)
	eng, err := open(t.Context(), where, fmt.Sprintf("hash-%.8x", sha256.Sum256([]byte(dir))), nil)
	require.NoError(t, err)
	defer eng.Close()
	for found := 0; found < n; time.Sleep(10 * time.Millisecond) {
		found = 0
		for _, err := range eng.All(t.Context()) {
			require.NoError(t, err)
			found++
		}
	}
}

// Ctrl-C gives back what was not begun, and the other one reads it at once.
func TestOneOfTwoProcessesIsInterrupted(t *testing.T) {
	everywhere(t, 100, func(t *testing.T, where string, files []string, want string) {
		a := start(t, where, 2*time.Second)
		b := start(t, where, 2*time.Second)
		require.NoError(t, a.Process.Signal(os.Interrupt))
		a.Await(t, "interrupted")
		finish(t, a, 1)
		assert.Len(t, a.Opened, 1)
		assert.Equal(t, line(a.Opened[0], a.Opened[0]), a.Out.String(), "what is done is printed")

		finish(t, b, 0)
		assert.Equal(t, want, b.Out.String())
		assert.ElementsMatch(t, files, slices.Concat(a.Opened, b.Opened), "each file is read once")
	})
}

// When the servers are down, hash says so, waits, and goes on by itself. The second Ctrl-C
// ends it.
func TestServersComeBack(t *testing.T) {
	files, want := makeFiles(t, 10)
	dir := filepath.Join(t.TempDir(), "server")
	s, err := embedded.Start(t.Context(), dir, asMe)
	require.NoError(t, err)
	defer func() { s.Close() }()
	p := start(t, withMe(s), lease)
	s.Close()
	p.Await(t, "the server does not answer")
	s, err = embedded.Start(t.Context(), dir, asMe)
	require.NoError(t, err)
	p.Await(t, "the server answers again")
	finish(t, p, 0)
	assert.Equal(t, want, p.Out.String())
	assert.ElementsMatch(t, files, p.Opened)

	write(t, files[0], "changed")
	p = start(t, withMe(s), lease)
	require.NoError(t, p.Process.Signal(os.Interrupt))
	p.Await(t, "interrupted")
	require.NoError(t, p.Process.Signal(os.Interrupt))
	assert.Equal(t, -1, p.AwaitEnd(), p.Said)
}

func newTurns() *enginetest.Memory {
	return enginetest.NewMemory(&enginetest.MemoryOptions{QueueBound: 1, Lease: lease})
}

func TestOneHasTheTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		var has, most, had atomic.Int64
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				assert.NoError(t, inTurn(t.Context(), turns.Open(), func(context.Context) error {
					most.Store(max(most.Load(), has.Add(1)))
					time.Sleep(10 * lease) // for which it is extended
					had.Add(1)
					has.Add(-1)
					return nil
				}))
			})
		}
		wg.Wait()
		assert.Equal(t, int64(1), most.Load())
		assert.Equal(t, int64(5), had.Load(), "each has it once")
	})
}

// The turn of a process that dies ends with its lease. It is given back by one that is
// interrupted, and given up by one that fails.
func TestTurnOfTheDead(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, turns *enginetest.Memory)
		wait time.Duration
	}{
		{"dead", func(t *testing.T, turns *enginetest.Memory) {
			_, err := turns.Push(t.Context(), "dead", [][]byte{[]byte(`"turn"`)})
			require.NoError(t, err)
			held, err := turns.Pull(t.Context(), 1)
			require.NoError(t, err)
			assert.Len(t, held, 1)
		}, lease},
		{"interrupted while it waits", func(t *testing.T, turns *enginetest.Memory) {
			held := make(chan bool)
			go func() {
				assert.NoError(t, inTurn(t.Context(), turns.Open(), func(context.Context) error { <-held; return nil }))
			}()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			assert.ErrorIs(t, inTurn(ctx, turns.Open(), func(context.Context) error { panic("two have the turn") }), context.DeadlineExceeded)
			close(held)
			synctest.Wait()
		}, time.Second}, // somebody may look for room a second later
		{"failed", func(t *testing.T, turns *enginetest.Memory) {
			bad := errors.New("bad")
			assert.ErrorIs(t, inTurn(t.Context(), turns.Open(), func(context.Context) error { return bad }), bad)
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				turns := newTurns()
				tt.end(t, turns)
				began := time.Now()
				assert.NoError(t, inTurn(t.Context(), turns.Open(), func(context.Context) error { return nil }))
				assert.LessOrEqual(t, time.Since(began), tt.wait+50*time.Millisecond)
			})
		})
	}
}
