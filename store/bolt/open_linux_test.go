package bolt

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asOrdinary calls do as somebody whom the permissions of files bind: root is somebody
// else for so long, on this thread only.
func asOrdinary(do func()) {
	if os.Geteuid() != 0 {
		do()
		return
	}
	const nobody = 65534
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	setfsuid := func(uid uintptr) { _, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, uid, 0, 0) }
	setfsuid(nobody)
	defer setfsuid(0)
	do()
}

// TestOpenWithoutPermission opens a file that may not be made, read or written.
func TestOpenWithoutPermission(t *testing.T) {
	s := newSound(t, true)
	for name, modes := range map[string]struct{ dir, file fs.FileMode }{
		"to make it": {0o555, 0}, "to read it": {0o755, 0o200}, "to write it": {0o755, 0o444},
		"to sync the folder": {0o333, 0o666},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "bolt") // t.TempDir is not for everybody
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
			path := filepath.Join(dir, "results.db")
			if modes.file != 0 {
				require.NoError(t, os.WriteFile(path, s.data, modes.file))
				require.NoError(t, os.Chmod(path, modes.file)) // whatever the umask
			}
			require.NoError(t, os.Chmod(dir, modes.dir))
			t.Cleanup(func() { assert.NoError(t, os.Chmod(dir, 0o755)) })

			asOrdinary(func() {
				_, err := Open[string](path, nil)
				assert.ErrorIs(t, err, fs.ErrPermission)
				assert.ErrorContains(t, err, path)
			})
			if modes.file == 0 {
				assert.NoFileExists(t, path)
			}
		})
	}
}

// TestOpenPipe opens what would block whoever reads it.
func TestOpenPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := Open[int](path, nil)
	assert.ErrorContains(t, err, "no regular file")
}
