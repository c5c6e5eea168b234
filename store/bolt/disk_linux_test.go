package bolt_test

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// fileSystem says what a folder is on.
func fileSystem(dir string) string {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return err.Error()
	}
	names := map[uint32]string{
		0xef53: "ext4", 0x01021994: "tmpfs, which is no disk", 0x58465342: "xfs", 0x9123683e: "btrfs",
		0x794c7630: "overlay", 0x2fc12fc1: "zfs", 0xf2f52010: "f2fs",
	}
	if name, ok := names[uint32(fs.Type)]; ok {
		return name
	}
	return fmt.Sprintf("of type %#x", uint32(fs.Type))
}

// bytesWritten is how many bytes this process has caused to be written to disks, if the kernel
// says so.
func bytesWritten() (n int64, ok bool) {
	data, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, false
	}
	_, data, ok = bytes.Cut(data, []byte("\nwrite_bytes: "))
	if !ok {
		return 0, false
	}
	_, err = fmt.Sscan(string(data), &n)
	return n, err == nil
}
