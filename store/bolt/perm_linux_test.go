package bolt_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store/bolt"
)

// asOrdinary calls do as somebody whom the permissions of files bind: root is somebody
// else for so long, on this thread only.
func asOrdinary(t *testing.T, do func()) {
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

// publicDir returns a folder that everybody may enter.
func publicDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "bolt")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

func denied(t *testing.T, path string) {
	t.Helper()
	asOrdinary(t, func() {
		_, err := bolt.Open[int](path, nil)
		assert.ErrorIs(t, err, fs.ErrPermission)
		assert.ErrorContains(t, err, path)
	})
}

func TestOpenInReadOnlyFolder(t *testing.T) {
	dir := publicDir(t)
	require.NoError(t, os.Chmod(dir, 0o555))
	t.Cleanup(func() { assert.NoError(t, os.Chmod(dir, 0o755)) })
	denied(t, filepath.Join(dir, "results.db"))
	_, err := os.Stat(filepath.Join(dir, "results.db"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestOpenWithoutPermission(t *testing.T) {
	for _, mode := range []fs.FileMode{0, 0o444} {
		path := filepath.Join(publicDir(t), "results.db")
		require.NoError(t, os.WriteFile(path, someStore(t), mode))
		denied(t, path)
	}
}

// TestOpenPipe opens what would block whoever reads it.
func TestOpenPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := bolt.Open[int](path, nil)
	assert.ErrorContains(t, err, "no regular file")
}
