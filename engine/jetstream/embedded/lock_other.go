//go:build !((darwin || dragonfly || freebsd || linux || netbsd || openbsd) && !android) && !windows

package embedded

import "os"

// lockFile does nothing: this system has no lock that ends with its process. Two servers on one
// directory destroy it.
func lockFile(*os.File) error { return nil }
func unlockFile(*os.File)     {}
