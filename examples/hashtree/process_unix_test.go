//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// child returns a command that runs hashtree as a process of its own.
func child(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), childVar+"=1")
	// If this process was started with SIGINT ignored, as background jobs are,
	// the child would be too. A signal that is caught here is not ignored there.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, os.Interrupt)
	t.Cleanup(func() { signal.Stop(caught) })
	return cmd
}

// awaitLine reads lines up to one that begins with prefix, and returns all.
func awaitLine(t *testing.T, r *bufio.Reader, prefix string) string {
	t.Helper()
	var lines strings.Builder
	for {
		line, err := r.ReadString('\n')
		lines.WriteString(line)
		require.NoError(t, err, "waiting for %q after %q", prefix, lines.String())
		if strings.HasPrefix(line, prefix) {
			return lines.String()
		}
	}
}

// makeSparse makes files of a terabyte that take no room.
func makeSparse(t *testing.T, names ...string) {
	t.Helper()
	makeTree(t, names...)
	for _, name := range names {
		if err := os.Truncate(name, 1<<40); err != nil {
			t.Skip("SKIPPED: no sparse files here:", err)
		}
	}
}

// TestSignals would run into child's timeout if reading were not interrupted.
func TestSignals(t *testing.T) {
	makeSparse(t, "a", "b", "c")
	cmd := child(t, "-workers", "1", ".")
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	pipe, err := cmd.StderrPipe()
	require.NoError(t, err)
	stderr := bufio.NewReader(pipe)
	require.NoError(t, cmd.Start())

	awaitLine(t, stderr, announced)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	awaitLine(t, stderr, "hashtree: interrupted: finishing 1 file;")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	rest, err := io.ReadAll(stderr)
	require.NoError(t, err)

	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	assert.Equal(t, exitInterrupted, exit.ExitCode())
	assert.Empty(t, stdout.String())
	assert.True(t, strings.HasPrefix(string(rest), "hashtree: ./a: interrupted\n"), "%q", rest)
	assertCounts(t, string(rest), 0, 1, 2)
}

// While the sums are printed, say into a pager, Ctrl-C kills as usual.
func TestSignalWhilePrinting(t *testing.T) {
	var names []string
	for i := range 500 { // more output than a pipe holds
		names = append(names, fmt.Sprintf("%0200d", i))
	}
	makeTree(t, names...)
	cmd := child(t, ".")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.ReadFull(stdout, make([]byte, 1))
	require.NoError(t, err)

	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	status, ok := exit.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	assert.True(t, status.Signaled() && status.Signal() == syscall.SIGINT, "it ended with %v", exit)
}

// A reader that goes away, as head does, is an error of writing.
func TestClosedPipe(t *testing.T) {
	makeTree(t, "a", "b")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	defer w.Close()

	cmd := child(t, ".")
	cmd.Stdout = w
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Run(), &exit)
	assert.Equal(t, exitFailed, exit.ExitCode())
	assert.Contains(t, stderr.String(), "hashtree: standard output: broken pipe\n")
}

func TestFullDevice(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("SKIPPED: no /dev/full here")
	}
	require.NoError(t, err)
	defer full.Close()

	makeTree(t, "a", "b")
	r := newRun()
	r.stdout = full
	assert.Equal(t, exitFailed, r.run([]string{"."}))
	assert.Contains(t, r.err.String(), "hashtree: standard output: no space left on device\n")
	assertCounts(t, r.err.String(), 2, 0, 0)
}

// TestThirdInterruptKills checks that after the second signal nobody listens.
func TestThirdInterruptKills(t *testing.T) {
	signals, others := make(chan os.Signal, 3), make(chan os.Signal, 3)
	signal.Notify(signals, syscall.SIGUSR1)
	signal.Notify(others, syscall.SIGUSR1) // or the signal would kill this process
	defer signal.Stop(others)
	_, cancelled, release := interrupts(signals)
	defer release()

	signals <- os.Interrupt
	signals <- os.Interrupt
	<-cancelled.Done()
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGUSR1))
	<-others
	signal.Stop(others) // waits until the signal has gone to all
	assert.Empty(t, signals)
}

func TestSpecialFilesAreSkipped(t *testing.T) {
	makeTree(t, "a")
	require.NoError(t, syscall.Mkfifo("fifo", 0o666))
	socket, err := net.Listen("unix", "socket")
	require.NoError(t, err)
	defer socket.Close()

	stdout, stderr, status := execute(t, ".")
	assert.Equal(t, sums("./a", "a"), stdout)
	assertCounts(t, stderr, 1, 0, 0)
	assert.Equal(t, exitOK, status)
}
