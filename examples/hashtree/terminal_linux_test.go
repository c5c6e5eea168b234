package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/resultpool/resultpool/examples/internal/process"
)

// On a terminal hashtree shows how far it is, unless that is a dumb one.
func TestTerminal(t *testing.T) {
	for term, want := range map[string]string{"xterm": "\r1 of 2 files, 0 MB", "dumb": process.Opening + `"b"`} {
		t.Run(term, func(t *testing.T) {
			makeTree(t, "a", "b")
			terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
			require.NoError(t, err)
			defer terminal.Close()
			fd := int(terminal.Fd())
			require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
			n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
			require.NoError(t, err)
			p := process.New(t, "b", "-workers", "1", ".")
			p.Env = append(p.Env, "TERM="+term)
			stderr, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
			require.NoError(t, err)
			p.Stderr = stderr
			gate, err := p.StdinPipe()
			require.NoError(t, err)
			require.NoError(t, p.Start())
			require.NoError(t, stderr.Close())

			shown := ""
			buf := make([]byte, 1000)
			for err == nil {
				n, err = terminal.Read(buf) // an error after the end of the process
				shown += string(buf[:n])
				if gate != nil && strings.Contains(shown, want) {
					if term == "dumb" {
						time.Sleep(300 * time.Millisecond) // in which it would have shown something
					}
					require.NoError(t, gate.Close())
					gate = nil
				}
			}
			require.NoError(t, p.Wait())
			assert.Regexp(t, `hashtree: 2 files, .* 2 done, 0 failed, 0 not run\r\n$`, shown)
			assert.NotContains(t, shown, "\x1b")
			assert.Equal(t, term != "dumb", strings.Contains(shown, "of 2 files"))
		})
	}
}
