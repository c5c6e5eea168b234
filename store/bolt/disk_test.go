package bolt

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Tests that take seconds, a disk, and mostly root: .ci/disk runs them.
var (
	diskDir      = flag.String("disk.dir", "", "folder for files whose disk matters (\"\": a temporary one)")
	diskSeed     = flag.Uint64("disk.seed", 0, "seed of when the power is cut (0: a random one)")
	diskPowerCut = flag.Bool("disk.powercut", false, "run the tests that cut the power: needs root and loop devices")
	diskFull     = flag.Bool("disk.full", false, "run the tests that fill a disk: needs root, or user namespaces")
	diskRates    = flag.Bool("disk.rates", false, "run the test that compares rates")
)

// skipDisk skips a test, loudly: .ci/disk repeats the line.
func skipDisk(t *testing.T, why string) {
	t.Helper()
	t.Skipf("SKIPPED: disk: %s: %s", t.Name(), why)
}

// tempDir returns a new folder on the disk that was asked for.
func tempDir(tb testing.TB) string {
	tb.Helper()
	if *diskDir == "" {
		return tb.TempDir()
	}
	dir, err := os.MkdirTemp(*diskDir, "resultpool-")
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, os.RemoveAll(dir)) })
	return dir
}
