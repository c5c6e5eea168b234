package embedded

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// A dirLock is held by the process that uses a directory. The system gives it back when
// the process ends, in whatever way.
type dirLock struct{ file *os.File }

func lockDir(path string) (*dirLock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = windows.LockFileEx(windows.Handle(file.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
	if err != nil {
		_ = file.Close()
		if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
			return nil, ErrInUse
		}
		return nil, &os.PathError{Op: "LockFileEx", Path: path, Err: err}
	}
	return &dirLock{file}, nil
}

func (l *dirLock) unlock() { _ = l.file.Close() }
