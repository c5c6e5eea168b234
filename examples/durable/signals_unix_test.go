//go:build unix

package main

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/examples/internal/jobs"
	"github.com/resultpool/resultpool/examples/internal/process"
)

// A signal ends the program at once, without a goroutine left. What it interrupts is run by the next one.
func TestSignal(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		dir := t.TempDir()
		p := jobs.Start(t, "-dir", dir)
		ok := p.Post(t, "ok.test")
		p.AwaitGet(t, ok, found)
		var slow []string
		for range 20 { // 16 of them run
			slow = append(slow, p.Post(t, "slow.test"))
		}
		p.Await(t, process.Opening+`"slow"`)
		require.NoError(t, p.Process.Process.Signal(signal))
		assert.Zero(t, p.AwaitEnd(), p.Said)

		p = jobs.Start(t, "-dir", dir)
		assert.Equal(t, found, p.Get(t, ok))
		for _, job := range slow {
			assert.Equal(t, pending, p.Get(t, job))
		}
		let(t, p)
		for _, job := range slow {
			p.AwaitGet(t, job, found)
		}
	}
}
