//go:build unix

package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

func checkDir(path string, info fs.FileInfo) error {
	if err := checkOwner(path, info); err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("others may write to %s (%v): run chmod go-w on it, "+
			"or give a folder that is not there yet, which is made for you alone", path, info.Mode())
	}
	return nil
}

func checkSecret(path string, info fs.FileInfo) error {
	if err := checkOwner(path, info); err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("others may read %s (%v), which has a password: start the server again, which makes another", path, info.Mode())
	}
	return nil
}

func checkOwner(path string, info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to the user with ID %d, and this process is %d's: want a folder of its own user", path, stat.Uid, os.Geteuid())
	}
	return nil
}

// Hide takes a directory away from others, if it is there.
func Hide(dir string) error {
	if err := os.Chmod(dir, 0o700); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
