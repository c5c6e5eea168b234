//go:build linux

package bolt

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// needLoop skips a test where no file can be made a disk and mounted.
func needLoop(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		skipDisk(t, "mounting a disk needs root")
	}
	needMount(t)
	for _, program := range []string{"mkfs.ext4", "mount", "umount", "losetup"} {
		if _, err := exec.LookPath(program); err != nil {
			skipDisk(t, "there is no "+program)
		}
	}
	if out, err := exec.Command("losetup", "--find").CombinedOutput(); err != nil {
		skipDisk(t, fmt.Sprintf("there is no loop device: %s", bytes.TrimSpace(out)))
	}
}

// needMount skips a test that root may not mount anything for, as in most containers.
func needMount(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "tmpfs", dir).CombinedOutput(); err != nil {
		skipDisk(t, fmt.Sprintf("nothing can be mounted: %v: %s", err, bytes.TrimSpace(out)))
	}
	command(t, "umount", dir)
}

// command runs a program, which has to succeed.
func command(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %q: %s", name, args, out)
}

// makeDisk makes a file that is a disk with an empty ext4 on it.
func makeDisk(t *testing.T, image string, megabytes int64, mkfs ...string) {
	t.Helper()
	file, err := os.Create(image)
	require.NoError(t, err)
	require.NoError(t, file.Truncate(megabytes<<20))
	require.NoError(t, file.Close())
	command(t, "mkfs.ext4", append(append([]string{"-q", "-F"}, mkfs...), image)...)
}

// mountDisk mounts an image until the test ends, or unmount is called. The loop device
// goes with it. What the file system sends to its disk is in the file then, for all to
// see.
func mountDisk(t *testing.T, image, options string) (dir string, unmount func()) {
	t.Helper()
	return mount(t, "-o", "loop,"+options, image)
}

// mountCached is mountDisk of a disk that has a cache, and loses it with the power, as real
// ones do: what the file system sends to its disk is in the image only once the disk was
// asked to flush its cache. (The cache is the page cache of a loop device that is the file
// of another one.)
func mountCached(t *testing.T, image, options string) (dir string, unmount func()) {
	t.Helper()
	device, detach := attach(t, image)
	defer detach()
	cached, detachCached := attach(t, device)
	defer detachCached()
	return mount(t, "-o", options, cached)
}

// attach makes a file, or a device, the content of a loop device, until it is detached and
// nobody uses it any more.
func attach(t *testing.T, file string) (device string, detach func()) {
	t.Helper()
	out, err := exec.Command("losetup", "--find", "--show", file).CombinedOutput()
	require.NoError(t, err, "losetup: %s", out)
	device = strings.TrimSpace(string(out))
	return device, func() { command(t, "losetup", "--detach", device) }
}

// mount mounts something on a new folder, until the test ends or unmount is called.
func mount(t *testing.T, args ...string) (dir string, unmount func()) {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "mnt-")
	require.NoError(t, err)
	command(t, "mount", append(args, dir)...)
	mounted := true
	unmount = func() {
		if !mounted {
			return
		}
		mounted = false
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount %s: %v: %s", dir, err, out)
			_ = syscall.Unmount(dir, syscall.MNT_DETACH) // it goes when nobody uses it any more
		}
	}
	t.Cleanup(unmount)
	return dir, unmount
}

// FIFREEZE and FITHAW of linux/fs.h, where ioctls are numbered as on x86 and arm.
const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

// freeze stops all writing to the file system that dir is on, at one moment: from then
// on writers wait in the kernel. What was written before is there to be read.
func freeze(t *testing.T, dir string) (thaw func()) {
	t.Helper()
	f, err := os.Open(dir)
	require.NoError(t, err)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), fiFreeze, 0)
	require.Zero(t, errno, "freezing %s", dir)
	frozen := true
	thaw = func() {
		if !frozen {
			return
		}
		frozen = false
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), fiThaw, 0); errno != 0 {
			t.Errorf("thawing %s: %v", dir, errno)
		}
		_ = f.Close()
	}
	t.Cleanup(thaw)
	return thaw
}
