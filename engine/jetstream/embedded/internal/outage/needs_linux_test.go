package outage

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// skip skips a test, loudly: .ci/cluster repeats the line.
func skip(t *testing.T, why string) {
	t.Helper()
	t.Skipf("SKIPPED: cluster: %s: %s", t.Name(), why)
}

// need skips a test if this is not root, or if there is not one of some programs.
func need(t *testing.T, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "it needs root")
	}
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			skip(t, "there is no "+program)
		}
	}
}

// needs skips a test if a program does not succeed, and else undoes what it has done.
func needs(t *testing.T, try, undo []string) {
	t.Helper()
	if out, err := exec.Command(try[0], try[1:]...).CombinedOutput(); err != nil {
		skip(t, fmt.Sprintf("%q: %v: %s", try, err, bytes.TrimSpace(out)))
	}
	command(t, undo...)
}

// command runs a program, which has to succeed.
func command(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	require.NoError(t, err, "%q: %s", args, out)
}
