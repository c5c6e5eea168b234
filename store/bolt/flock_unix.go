//go:build (darwin || dragonfly || freebsd || linux || netbsd || openbsd) && !android

package bolt

import (
	"os"
	"syscall"
)

// restart makes a file that was begun an empty one, which bbolt begins again. It holds
// the lock that bbolt takes, so that no other process is making the file at that moment.
// If one is, nothing is done: open waits for it.
func restart(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = abandon(file) }() // gives the lock back
	if !holdsBegun(file) {
		return nil
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil
	}
	if !holdsBegun(file) { // any more
		return nil
	}
	return file.Truncate(0)
}

// holdsBegun reports whether the file is one that was begun. If it cannot be read, opening
// it will say so.
func holdsBegun(file *os.File) bool {
	pageSize := os.Getpagesize()
	info, err := file.Stat()
	if err != nil || info.Size() > int64(4*pageSize) {
		return false
	}
	data := make([]byte, info.Size())
	if _, err := file.ReadAt(data, 0); err != nil {
		return false
	}
	return begun(data, pageSize)
}

// abandon gives back the lock of a file and closes it, as for a file that bbolt has panicked on: its
// own Close would wait for locks. Closing alone may leave it locked: as long as the file is mapped,
// and until a process that was just forked, which has it open, too, has become another program.
func abandon(file *os.File) error {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	return file.Close()
}
