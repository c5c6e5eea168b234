//go:build !linux

package bolt

// unmap does nothing: the system takes the pages when it needs them.
func unmap(uintptr, int64) {}
