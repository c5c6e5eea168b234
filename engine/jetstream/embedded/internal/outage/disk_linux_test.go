package outage

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A disk is a disk whose power can be cut, as in the tests of store/bolt, where it is
// explained. What is on it is in a file, disk.img, on another file system, the cabinet,
// with a cache before it:
//
//	room: ext4 → loop device, the disk's cache → loop device → disk.img → cabinet: ext4
//
// What is in disk.img is what survives. All else is lost with the power: the page cache of
// the room, and what the disk was sent and not asked to flush.
type disk struct {
	t       *testing.T
	dir     string // for the copy
	cabinet string
	cuts    int
	room    string // where it is mounted; another folder after each cut
	unmount func()
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	if !*outagePowerCut {
		t.Skip("without -outage.powercut")
	}
	need(t, "mkfs.ext4", "mount", "umount", "losetup", "cp")
	try := t.TempDir()
	needs(t, []string{"mount", "-t", "tmpfs", "tmpfs", try}, []string{"umount", try})
	needs(t, []string{"losetup", "--find"}, []string{"true"})
	d := &disk{t: t, dir: t.TempDir()}
	image := filepath.Join(d.dir, "cabinet.img")
	d.make(image, 2048, "-O", "^has_journal")
	d.cabinet, _ = d.mount("-o", "loop,noatime", image)
	d.make(d.image(), 512)
	d.plugIn()
	return d
}

// image is the file that is the disk now.
func (d *disk) image() string { return filepath.Join(d.cabinet, fmt.Sprintf("disk%d.img", d.cuts)) }

// make makes a file that is a disk with an empty ext4 on it.
func (d *disk) make(image string, megabytes int64, mkfs ...string) {
	d.t.Helper()
	file, err := os.Create(image)
	require.NoError(d.t, err)
	require.NoError(d.t, file.Truncate(megabytes<<20))
	require.NoError(d.t, file.Close())
	command(d.t, append(append([]string{"mkfs.ext4", "-q", "-F"}, mkfs...), image)...)
}

// plugIn mounts the disk, with a cache that is lost with the power: the page cache of a
// loop device that is the file of another one. Nothing is written behind the server's
// back for minutes: what it does not sync, it loses.
func (d *disk) plugIn() {
	d.t.Helper()
	device, detach := d.attach(d.image())
	defer detach()
	cached, detachCached := d.attach(device)
	defer detachCached()
	d.room, d.unmount = d.mount("-o", "commit=300,noatime", cached)
}

// attach makes a file, or a device, the content of a loop device, until it is detached and
// nobody uses it any more.
func (d *disk) attach(file string) (device string, detach func()) {
	d.t.Helper()
	out, err := exec.Command("losetup", "--find", "--show", file).CombinedOutput()
	require.NoError(d.t, err, "losetup: %s", out)
	device = strings.TrimSpace(string(out))
	return device, func() { command(d.t, "losetup", "--detach", device) }
}

// mount mounts something on a new folder, until the test ends or unmount is called.
func (d *disk) mount(args ...string) (dir string, unmount func()) {
	d.t.Helper()
	dir, err := os.MkdirTemp(d.t.TempDir(), "mnt-")
	require.NoError(d.t, err)
	command(d.t, append(append([]string{"mount"}, args...), dir)...)
	mounted := true
	unmount = func() {
		if !mounted {
			return
		}
		mounted = false
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			d.t.Errorf("umount %s: %v: %s", dir, err, out)
			_ = syscall.Unmount(dir, syscall.MNT_DETACH) // it goes when nobody uses it any more
		}
	}
	d.t.Cleanup(unmount)
	return dir, unmount
}

// cut cuts the power of the disk and of the process that uses it, which is killed. Then
// there is power again: the room is mounted, with what was in disk.img.
//
// The cabinet is frozen first, so that no write reaches disk.img any more, also none of
// the kernel's own. The process is stopped before that is undone, and makes no step more:
// whatever it has acknowledged, it has before the cut.
func (d *disk) cut(pr *process) {
	t := d.t
	t.Helper()
	pr.s.outage("the power is cut")
	pr.s.serverDies()
	thaw := d.freeze(d.cabinet)
	defer thaw() // before anything that is to be cleaned up waits for a write
	pr.signal(syscall.SIGSTOP)
	copied := filepath.Join(d.dir, "copy.img")
	command(t, "cp", "--sparse=always", d.image(), copied)
	pr.signal(syscall.SIGKILL)
	thaw()
	pr.s.await(pr.name+" is dead", func() bool { return pr.gone })
	d.unmount()
	require.NoError(t, os.Remove(d.image()))
	d.cuts++
	command(t, "cp", "--sparse=always", copied, d.image())
	d.plugIn()
}

// FIFREEZE and FITHAW of linux/fs.h, where ioctls are numbered as on x86 and arm.
const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

// freeze stops all writing to the file system that dir is on, at one moment: from then
// on writers wait in the kernel. What was written before is there to be read.
func (d *disk) freeze(dir string) (thaw func()) {
	d.t.Helper()
	f, err := os.Open(dir)
	require.NoError(d.t, err)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), fiFreeze, 0)
	require.Zero(d.t, errno, "freezing %s", dir)
	frozen := true
	thaw = func() {
		if !frozen {
			return
		}
		frozen = false
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), fiThaw, 0); errno != 0 {
			d.t.Errorf("thawing %s: %v", dir, errno)
		}
		_ = f.Close()
	}
	d.t.Cleanup(thaw)
	return thaw
}
