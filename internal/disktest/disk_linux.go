// Package disktest has disks for tests: small ones, and one whose power can be cut. They are files
// that are mounted as loop devices, which needs root. Where that is not possible, the test is
// skipped, loudly: the scripts in .ci repeat what Skip says.
package disktest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Skip skips a test of a step of the scripts in .ci.
func Skip(t *testing.T, step, why string) {
	t.Helper()
	t.Skipf("SKIPPED: %s: %s: %s", step, t.Name(), why)
}

// Need skips a test unless it runs as root and has all these programs.
func Need(t *testing.T, step string, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		Skip(t, step, "it needs root")
	}
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			Skip(t, step, "there is no "+program)
		}
	}
}

// NeedSuccess skips a test unless a command succeeds.
func NeedSuccess(t *testing.T, step string, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		Skip(t, step, fmt.Sprintf("%q: %v: %s", args, err, bytes.TrimSpace(out)))
	}
}

// NeedMount skips a test that may not mount anything, as root may not in most containers.
func NeedMount(t *testing.T, step string) {
	t.Helper()
	Need(t, step, "mount", "umount")
	dir := t.TempDir()
	NeedSuccess(t, step, "mount", "-t", "tmpfs", "tmpfs", dir)
	Command(t, "umount", dir)
}

// NeedLoop skips a test where no file can be made a disk and mounted.
func NeedLoop(t *testing.T, step string) {
	t.Helper()
	NeedMount(t, step)
	Need(t, step, "mkfs.ext4", "losetup", "cp")
	NeedSuccess(t, step, "losetup", "--find")
}

// Command runs a program that has to succeed, and returns what it prints.
func Command(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	check(t, err, "%q: %s", args, out)
	return strings.TrimSpace(string(out))
}

func check(t *testing.T, err error, format string, args ...any) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v: %s", err, fmt.Sprintf(format, args...))
	}
}

// Make makes a file that is a disk with an empty ext4 on it.
func Make(t *testing.T, image string, megabytes int64, mkfs ...string) {
	t.Helper()
	check(t, os.WriteFile(image, nil, 0o600), "making a disk")
	check(t, os.Truncate(image, megabytes<<20), "making a disk")
	Command(t, append(append([]string{"mkfs.ext4", "-q", "-F"}, mkfs...), image)...)
}

// Mount mounts something on a new folder, until the test ends or unmount is called.
func Mount(t *testing.T, args ...string) (dir string, unmount func()) {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "mnt-")
	check(t, err, "mounting")
	Command(t, append(append([]string{"mount"}, args...), dir)...)
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

// ---- power cuts ---------------------------------------------------------------

// A Disk is one whose power can be cut. Its content is in a file, disk.img, on another file
// system, the cabinet, with a cache in between:
//
//	room: ext4 → loop device, the disk's cache → loop device → disk.img → cabinet: ext4
//
// What is in disk.img survives. Everything else is lost with the power: the page cache of the room,
// and what the disk was sent and not asked to flush.
type Disk struct {
	t       *testing.T
	dir     string // for the cabinet and for copies
	cabinet string
	cuts    int
}

// NewDisk makes a disk with an empty file system, as a file in dir.
func NewDisk(t *testing.T, dir string) *Disk {
	t.Helper()
	d := &Disk{t: t, dir: dir}
	image := filepath.Join(dir, "cabinet.img")
	Make(t, image, 2048, "-O", "^has_journal")
	d.cabinet, _ = Mount(t, "-o", "loop,noatime", image)
	Make(t, d.image(), 512)
	return d
}

// image is the file that is the disk now.
func (d *Disk) image() string { return filepath.Join(d.cabinet, fmt.Sprintf("disk%d.img", d.cuts)) }

// Mount mounts the disk without its cache: what is written is in disk.img.
func (d *Disk) Mount() (room string, unmount func()) {
	d.t.Helper()
	return Mount(d.t, "-o", "loop,noatime", d.image())
}

// MountCached mounts the disk with its cache, which is the page cache of a loop device whose file
// is another loop device. The file system writes nothing of its own accord for minutes.
func (d *Disk) MountCached(options string) (room string, unmount func()) {
	d.t.Helper()
	device := Command(d.t, "losetup", "--find", "--show", d.image())
	defer Command(d.t, "losetup", "--detach", device) // which takes effect when nobody uses it
	cached := Command(d.t, "losetup", "--find", "--show", device)
	defer Command(d.t, "losetup", "--detach", cached)
	return Mount(d.t, "-o", "commit=300,noatime"+options, cached)
}

// Cut cuts the power of the disk, and of the process that writes to it, which is killed. unmount is
// that of the room. The next mount replays ext4's journal, as after a power cut.
//
// The cabinet is frozen first, so that no write reaches disk.img any more, not even a write of the
// kernel's own. The process is stopped before the cabinet is thawed, and makes no further step in
// user mode: everything that it has reported, it has reported before the cut.
func (d *Disk) Cut(process *os.Process, awaitGone, unmount func()) {
	t := d.t
	t.Helper()
	thaw := d.freeze()
	defer thaw() // before anything that waits for a write is cleaned up
	check(t, process.Signal(syscall.SIGSTOP), "stopping the writer")
	copied := filepath.Join(d.dir, "copy.img")
	Command(t, "cp", "--sparse=always", d.image(), copied)
	check(t, process.Kill(), "killing the writer")
	thaw()
	awaitGone()
	unmount()
	check(t, os.Remove(d.image()), "removing the disk")
	d.cuts++
	Command(t, "cp", "--sparse=always", copied, d.image())
}

// FIFREEZE and FITHAW of linux/fs.h, where ioctls are numbered as on x86 and arm.
const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

// freeze stops all writing to the cabinet at one moment: from then on writers wait in the kernel.
// What was written before can be read.
func (d *Disk) freeze() (thaw func()) {
	d.t.Helper()
	f, err := os.Open(d.cabinet)
	check(d.t, err, "freezing %s", d.cabinet)
	ioctl := func(request uintptr) error {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, 0); errno != 0 {
			return errno
		}
		return nil
	}
	check(d.t, ioctl(fiFreeze), "freezing %s", d.cabinet)
	frozen := true
	thaw = func() {
		if !frozen {
			return
		}
		frozen = false
		if err := ioctl(fiThaw); err != nil {
			d.t.Errorf("thawing %s: %v", d.cabinet, err)
		}
		_ = f.Close()
	}
	d.t.Cleanup(thaw)
	return thaw
}

// ---- namespaces ---------------------------------------------------------------

// RunUnshared runs a test again, in cmd, which may mount what it likes: it has mounts of its own, so
// nothing is left behind, and without root a user namespace in which it is root.
func RunUnshared(t *testing.T, step string, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(string(out), "=== RUN") {
		Skip(t, step, fmt.Sprintf("it needs root, or a user namespace, and a mount in it: %v", err))
	}
	t.Logf("in a namespace of its own:\n%s", out)
	check(t, err, "in a namespace of its own")
}
