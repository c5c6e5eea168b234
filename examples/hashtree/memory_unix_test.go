//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store/bolt"
)

// A notingChild is a process that runs hashtree with -store bolt:FILE, and notes what
// it reads.
type notingChild struct {
	*exec.Cmd
	stdout bytes.Buffer
	stderr *bufio.Reader
}

func startNoting(t *testing.T, args ...string) *notingChild {
	t.Helper()
	c := &notingChild{Cmd: child(t, append([]string{"-store", "bolt:../kept.db"}, args...)...)}
	c.Env = append(c.Env, childVar+"=noting")
	c.Stdout = &c.stdout
	pipe, err := c.StderrPipe()
	require.NoError(t, err)
	c.stderr = bufio.NewReader(pipe)
	require.NoError(t, c.Start())
	return c
}

// finish waits for the end, and returns what it read and the rest of what it said.
func (c *notingChild) finish(t *testing.T) (read []string, said string) {
	t.Helper()
	for {
		line, err := c.stderr.ReadString('\n')
		if path, ok := strings.CutPrefix(line, "test: reading "); ok {
			read = append(read, strings.TrimSuffix(path, "\n"))
		} else {
			said += line
		}
		if err == io.EOF {
			_ = c.Wait() // an ExitError, of which ProcessState tells as well
			return read, said
		}
		require.NoError(t, err)
	}
}

// awaitSaved waits until FILE, which another process is writing to, has that many
// results. It looks at copies.
func awaitSaved(t *testing.T, n int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "copy.db")
	saved := func() (int, error) {
		data, err := os.ReadFile("../kept.db")
		if err != nil {
			return 0, err
		}
		if err := os.WriteFile(file, data, 0o666); err != nil {
			return 0, err
		}
		st, err := bolt.Open[record](file, nil)
		if err != nil {
			return 0, err
		}
		defer st.Close()
		found := 0
		for _, err := range st.All(t.Context()) {
			if err != nil {
				return 0, err
			}
			found++
		}
		return found, nil
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		found, err := saved() // an error says that the copy was made in a write
		if err == nil && found >= n {
			return
		}
		require.False(t, time.Now().After(deadline), "only %d of %d results are saved (%v)", found, n, err)
	}
}

// A run that is ended in the middle of a file, in whatever way, is gone on with: only
// that file is read.
func TestEndedRunGoesOn(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, c *notingChild)
	}{
		{"SIGKILL", func(t *testing.T, c *notingChild) {
			require.NoError(t, c.Process.Kill())
			read, said := c.finish(t)
			assert.Empty(t, read)
			assert.Empty(t, said)
			assert.Empty(t, c.stdout.String())
		}},
		{"two SIGINT", func(t *testing.T, c *notingChild) {
			require.NoError(t, c.Process.Signal(os.Interrupt))
			awaitLine(t, c.stderr, "hashtree: interrupted: finishing ")
			require.NoError(t, c.Process.Signal(os.Interrupt))
			_, said := c.finish(t)
			assert.Equal(t, exitInterrupted, c.ProcessState.ExitCode())
			assertKept(t, said, 0, 50, 1, 0)
			assert.Equal(t, 50, strings.Count(c.stdout.String(), "\n"))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var names, want []string
			for i := range 50 {
				names = append(names, fmt.Sprintf("f%02d", i))
				want = append(want, "./"+names[i], "tree/"+names[i])
			}
			makeOldTree(t, append(names, "z")...)
			if err := os.Truncate("z", 1<<40); err != nil {
				t.Skip("SKIPPED: no sparse files here:", err)
			}
			c := startNoting(t, "-workers", "1", ".")
			awaitLine(t, c.stderr, noted("./z"))
			awaitSaved(t, 50)
			tt.end(t, c)

			write(t, "z", "short")
			again := startNoting(t, ".")
			read, said := again.finish(t)
			assert.Equal(t, []string{"./z"}, read)
			assertKept(t, said, 50, 1, 0, 0)
			assert.Equal(t, sums(append(want, "./z", "short")...), again.stdout.String())
			assert.Equal(t, exitOK, again.ProcessState.ExitCode())
		})
	}
}

// A run that is killed over and over gets there, and loses nothing on the way.
func TestKilledOverAndOver(t *testing.T) {
	var names, pathsAndContents []string
	for i := range 200 {
		names = append(names, fmt.Sprintf("f%03d", i))
		pathsAndContents = append(pathsAndContents, "./"+names[i], "tree/"+names[i])
	}
	makeOldTree(t, names...)
	want := sums(pathsAndContents...)

	kept := 0
	for round := range 5 {
		c := startNoting(t, ".")
		for range 10 * round {
			line, err := c.stderr.ReadString('\n')
			require.NoError(t, err)
			if !strings.HasPrefix(line, "test: ") {
				break // there was less to be read
			}
		}
		require.NoError(t, c.Process.Signal(syscall.SIGKILL))
		c.finish(t)
		now := len(inFile(t))
		assert.GreaterOrEqual(t, now, kept)
		kept = now
	}
	last := startNoting(t, ".")
	read, said := last.finish(t)
	assert.Len(t, read, 200-kept)
	assertKept(t, said, kept, 200-kept, 0, 0)
	assert.Equal(t, want, last.stdout.String())
}

func TestFileInUseByAnotherProcess(t *testing.T) {
	makeOldTree(t, "z")
	if err := os.Truncate("z", 1<<40); err != nil {
		t.Skip("SKIPPED: no sparse files here:", err)
	}
	c := startNoting(t, ".")
	awaitLine(t, c.stderr, noted("./z"))
	_, stderr, status := execute(t, "-store", "bolt:../kept.db", ".")
	assert.Equal(t, exitUsage, status)
	assert.Contains(t, stderr, "kept.db is in use by another process")
	require.NoError(t, c.Process.Kill())
	c.finish(t)
}
