//go:build (darwin || dragonfly || freebsd || linux || netbsd || openbsd) && !android

package embedded

import (
	"errors"
	"os"
	"syscall"
)

// A dirLock is held by the process that uses a directory. The system gives it back when
// the process ends, in whatever way.
type dirLock struct{ file *os.File }

func lockDir(path string) (*dirLock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrInUse
		}
		return nil, &os.PathError{Op: "flock", Path: path, Err: err}
	}
	return &dirLock{file}, nil
}

func (l *dirLock) unlock() { _ = l.file.Close() }
