//go:build unix

package main

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/examples/internal/process"
)

// Ctrl-C ends the requests that are under way, and the program, with what is done printed.
func TestInterrupt(t *testing.T) {
	s := newSite(t, map[string]string{"/": `<a href="hang"> <a href="waits"> <a href="too">`, "/hang": "hang", "/waits": "", "/too": ""})
	p := process.New(t, "", "-per-host", "1", s.URL+"/").Begin(t)
	for hangs := false; !hangs; time.Sleep(time.Millisecond) {
		visits, _ := s.counts()
		hangs = visits["/hang"] > 0
	}
	require.NoError(t, p.Process.Signal(os.Interrupt))
	assert.Equal(t, 1, p.AwaitEnd())
	assert.Equal(t, s.URL+"/: 3 links\n", p.Out.String())
	assert.Contains(t, p.Said, "interrupt")
	visits, _ := s.counts()
	assert.Len(t, visits, 2)
}
