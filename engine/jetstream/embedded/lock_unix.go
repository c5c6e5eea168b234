//go:build (darwin || dragonfly || freebsd || linux || netbsd || openbsd) && !android

package embedded

import (
	"errors"
	"os"
	"syscall"
)

func lockFile(file *os.File) error {
	switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return ErrInUse
	case err != nil:
		return &os.PathError{Op: "flock", Path: file.Name(), Err: err}
	}
	return nil
}

// unlockFile unlocks a file that is about to be closed. Until a process that was just forked has
// become another program, it has the file open, too, and would keep the lock.
func unlockFile(file *os.File) { _ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }
