package outage

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// skip skips a test, loudly: .ci/cluster repeats the line.
func skip(t *testing.T, why string) {
	t.Helper()
	t.Skipf("SKIPPED: cluster: %s: %s", t.Name(), why)
}

// needs skips a test unless it runs as root and has all these programs.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "it needs root")
	}
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			skip(t, "there is no "+program)
		}
	}
}

// trial skips a test unless a command succeeds.
func trial(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		skip(t, fmt.Sprintf("%q: %v: %s", args, err, bytes.TrimSpace(out)))
	}
}

// command runs a program that has to succeed, and returns what it prints.
func command(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	require.NoError(t, err, "%q: %s", args, out)
	return strings.TrimSpace(string(out))
}

// ---- a network that can be cut ------------------------------------------------

// A switchboard is a bridge, and a cable from it to each process, which has a network
// namespace of its own. The namespace and the cable go with the process, the bridge with
// the test. A cable that is pulled out at the bridge is silent: neither end is told.
type switchboard struct {
	t      *testing.T
	bridge string
	subnet string // three bytes of four
	cables map[*process]cable
	number int // cables so far
}

type cable struct{ port, address string }

func newSwitchboard(t *testing.T) *switchboard {
	t.Helper()
	if !*outageNetns {
		t.Skip("without -outage.netns")
	}
	needs(t, "ip", "nsenter", "unshare")
	n := rand.IntN(1 << 16)
	sb := &switchboard{
		t: t, bridge: fmt.Sprintf("rpb%d", n), subnet: fmt.Sprintf("10.%d.%d", n>>8, n&255),
		cables: make(map[*process]cable),
	}
	trial(t, "unshare", "--net", "true")
	trial(t, "ip", "link", "add", sb.bridge, "type", "bridge")
	t.Cleanup(func() { command(t, "ip", "link", "del", sb.bridge) })
	command(t, "ip", "addr", "add", sb.subnet+".254/24", "dev", sb.bridge)
	command(t, "ip", "link", "set", sb.bridge, "up")
	return sb
}

// host is the address of node i.
func (sb *switchboard) host(i int) string { return fmt.Sprintf("%s.%d", sb.subnet, i) }

func (sb *switchboard) attr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
}

func (sb *switchboard) plug(pr *process) {
	sb.number++
	host := 10 + sb.number
	if digit, ok := strings.CutPrefix(pr.part.Name, "node"); ok {
		var err error
		host, err = strconv.Atoi(digit) // the same when it is started again
		require.NoError(sb.t, err)
	}
	require.Less(sb.t, host, 254)
	c := cable{fmt.Sprintf("%sp%d", sb.bridge, sb.number), sb.host(host)}
	pid := strconv.Itoa(pr.cmd.Process.Pid)
	mac := fmt.Sprintf("02:00:00:00:00:%02x", host)
	command(sb.t, "ip", "link", "add", c.port, "type", "veth", "peer", "name", "eth0", "address", mac, "netns", pid)
	inside := func(args ...string) {
		command(sb.t, append([]string{"nsenter", "--net=/proc/" + pid + "/ns/net", "ip"}, args...)...)
	}
	inside("addr", "add", c.address+"/24", "dev", "eth0")
	inside("link", "set", "eth0", "up")
	inside("link", "set", "lo", "up")
	command(sb.t, "ip", "link", "set", c.port, "master", sb.bridge, "up")
	sb.cables[pr] = c
}

// cut pulls the cable of a process, which is an outage.
func (sb *switchboard) cut(pr *process) {
	sb.t.Helper()
	pr.s.outage("%s is cut off", pr.name)
	command(sb.t, "ip", "link", "set", sb.cables[pr].port, "nomaster")
}

// heal puts the cable back, unless the process has died meanwhile.
func (sb *switchboard) heal(pr *process) {
	sb.t.Helper()
	if !pr.s.holds(func() bool { return pr.gone }) {
		pr.s.log("%s is connected again", pr.name)
		command(sb.t, "ip", "link", "set", sb.cables[pr].port, "master", sb.bridge)
	}
}

// cutFor cuts a process off for some time, and checks that this is a cut.
func (sb *switchboard) cutFor(d time.Duration, pr *process) {
	sb.t.Helper()
	require.True(sb.t, sb.reaches(pr))
	sb.cut(pr)
	require.False(sb.t, sb.reaches(pr))
	time.Sleep(d)
	sb.heal(pr)
}

// reaches reports whether anything at all comes back from a process.
func (sb *switchboard) reaches(pr *process) bool {
	conn, err := net.DialTimeout("tcp", sb.cables[pr].address+":9", 300*time.Millisecond)
	if err == nil {
		_ = conn.Close()
		return true
	}
	var timeout net.Error
	return !errors.As(err, &timeout) || !timeout.Timeout()
}

// ---- a disk that loses its power ----------------------------------------------

// A disk is a disk whose power can be cut, as in the tests of store/bolt, which explain it.
// Its content is in a file, disk.img, on another file system, the cabinet, with a cache in
// between:
//
//	room: ext4 → loop device, the disk's cache → loop device → disk.img → cabinet: ext4
//
// What is in disk.img survives. Everything else is lost with the power: the page cache of the
// room, and what the disk was sent and not asked to flush.
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
	needs(t, "mkfs.ext4", "mount", "umount", "losetup", "cp")
	dir := t.TempDir()
	trial(t, "mount", "-t", "tmpfs", "tmpfs", dir)
	command(t, "umount", dir)
	trial(t, "losetup", "--find")
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

// make makes a file that is a disk with an empty ext4.
func (d *disk) make(image string, megabytes int64, mkfs ...string) {
	d.t.Helper()
	require.NoError(d.t, os.WriteFile(image, nil, 0o600))
	require.NoError(d.t, os.Truncate(image, megabytes<<20))
	command(d.t, append(append([]string{"mkfs.ext4", "-q", "-F"}, mkfs...), image)...)
}

// plugIn mounts the disk with a cache that is lost with the power: the page cache of a loop
// device whose file is another loop device. The file system writes nothing of its own accord
// for minutes: what the server does not sync is lost.
func (d *disk) plugIn() {
	d.t.Helper()
	device := command(d.t, "losetup", "--find", "--show", d.image())
	defer command(d.t, "losetup", "--detach", device) // which takes effect when nobody uses it
	cached := command(d.t, "losetup", "--find", "--show", device)
	defer command(d.t, "losetup", "--detach", cached)
	d.room, d.unmount = d.mount("-o", "commit=300,noatime", cached)
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
			_ = syscall.Unmount(dir, syscall.MNT_DETACH) // it goes when nobody uses it
		}
	}
	d.t.Cleanup(unmount)
	return dir, unmount
}

// server is the folder of the server on the disk.
func (d *disk) server() string { return filepath.Join(d.room, "server") }

// cut cuts the power of the disk and of the server that uses it, which is killed. Then there
// is power again: the room is mounted, with what was in disk.img. The server's part has
// the new folder.
//
// The cabinet is frozen first, so that no write reaches disk.img any more, not even a write
// of the kernel's own. The server is stopped before the cabinet is thawed, and makes no
// further step: everything that it has acknowledged, it has acknowledged before the cut.
func (d *disk) cut(pr *process) {
	t := d.t
	t.Helper()
	pr.s.outage("the power is cut")
	pr.s.serverDies()
	thaw := d.freeze(d.cabinet)
	defer thaw() // before anything that waits for a write is cleaned up
	pr.signal(syscall.SIGSTOP)
	copied := filepath.Join(d.dir, "copy.img")
	command(t, "cp", "--sparse=always", d.image(), copied)
	pr.signal(syscall.SIGKILL)
	thaw()
	pr.awaitGone()
	d.unmount()
	require.NoError(t, os.Remove(d.image()))
	d.cuts++
	command(t, "cp", "--sparse=always", copied, d.image())
	d.plugIn()
	pr.part.Dir = d.server()
}

// FIFREEZE and FITHAW of linux/fs.h, where ioctls are numbered as on x86 and arm.
const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

// freeze stops all writing to the file system of dir at one moment: from then on writers wait
// in the kernel. What was written before can be read.
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
