//go:build !plan9

package codec

import (
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// errnoPrefix begins the code of a syscall.Errno. The numbers are those of one operating system: on
// another one the code is not known. What all of them have in common are the sentinels that an
// Errno matches, as fs.ErrNotExist.
func errnoPrefix() string {
	system := runtime.GOOS
	if strings.HasPrefix(runtime.GOARCH, "mips") { // whose Linux counts otherwise
		system += "-mips"
	}
	return "syscall.errno." + system + "."
}

// errnoCode returns the code of err if it is an Errno itself, or "".
func errnoCode(err error) string {
	n, ok := err.(syscall.Errno) //nolint:errorlint // itself, and not what it wraps
	if !ok {
		return ""
	}
	return errnoPrefix() + strconv.FormatUint(uint64(n), 10)
}

// errnoOf returns the Errno of a code that errnoCode has returned on this system, or nil.
func errnoOf(code string) error {
	digits, ok := strings.CutPrefix(code, errnoPrefix())
	n, err := strconv.ParseUint(digits, 10, strconv.IntSize)
	if !ok || err != nil || strconv.FormatUint(n, 10) != digits {
		return nil
	}
	return syscall.Errno(n)
}
