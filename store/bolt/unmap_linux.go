package bolt

import "syscall"

// unmap takes the first pages of the map of the file out of this process's memory. They stay
// in the page cache, and come back when they are read.
//
// A commit copies what else is on the pages that it changes, and reads it through the map:
// with values of 256 kB that is a sixth of what it writes, and all of it would count as this
// process's memory until bbolt maps a larger file.
func unmap(data uintptr, size int64) {
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, data, uintptr(size), syscall.MADV_DONTNEED) // else nothing is lost but room
}
