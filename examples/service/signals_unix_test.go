//go:build unix

package main

import (
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/examples/internal/jobs"
	"github.com/resultpool/resultpool/examples/internal/process"
)

// awaitClosed posts jobs until the pool takes no more.
func awaitClosed(t *testing.T, p *jobs.Program) {
	t.Helper()
	for {
		status, _, text := p.Do(t, http.MethodPost, p.URL+"/jobs", "host=late.test")
		if status == http.StatusServiceUnavailable {
			assert.Equal(t, "pool: closed\n", text)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// After a signal the pool ends first: it takes nothing more, runs what it has, and meanwhile the service shows how far
// that is. Then the service ends, and leaves no goroutine.
func TestSignal(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		p := start(t, "-workers", "1", "-grace", "1h")
		running := p.Post(t, "slow.test")
		p.Await(t, process.Opening+`"slow"`)
		waiting := p.Post(t, "ok.test")
		require.NoError(t, p.Process.Process.Signal(signal))
		awaitClosed(t, p)
		assert.Equal(t, pending, p.Get(t, running))
		assert.Equal(t, pending, p.Get(t, waiting))
		require.NoError(t, p.Gate.Close())
		p.Await(t, process.Opening+`"ok"`)
		assert.Zero(t, p.AwaitEnd(), p.Said)
		assert.Contains(t, p.Said, "http: Server closed\n")
	}
}

// Who has had his time is cancelled.
func TestGraceIsOver(t *testing.T) {
	p := start(t, "-workers", "1", "-grace", "10ms")
	p.Post(t, "slow.test")
	p.Await(t, process.Opening+`"slow"`)
	require.NoError(t, p.Process.Process.Signal(syscall.SIGTERM))
	assert.Equal(t, 1, p.AwaitEnd())
	assert.Contains(t, p.Said, "while shutting down: context canceled\n")
}

// The second signal kills.
func TestSecondSignal(t *testing.T) {
	p := start(t, "-grace", "1h")
	p.Post(t, "slow.test")
	p.Await(t, process.Opening+`"slow"`)
	require.NoError(t, p.Process.Process.Signal(os.Interrupt))
	awaitClosed(t, p)
	require.NoError(t, p.Process.Process.Signal(os.Interrupt))
	assert.Equal(t, -1, p.AwaitEnd())
}
