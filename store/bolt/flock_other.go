//go:build !((darwin || dragonfly || freebsd || linux || netbsd || openbsd) && !android)

package bolt

import "os"

// restart does nothing: this system has no lock that could be held beside bbolt's. Open
// says that the file is no database, and it can be removed.
func restart(string) error { return nil }

// abandon closes a file that bbolt has panicked on: its own Close would wait for locks.
// Windows unlocks a file with its last handle, also if it stays mapped.
func abandon(file *os.File) error { return file.Close() }
