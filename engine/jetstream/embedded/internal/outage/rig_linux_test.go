package outage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/disktest"
)

// step is how the tests that are skipped call their step: .ci/cluster repeats the line.
const step = "cluster"

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
	disktest.Need(t, step, "ip", "nsenter", "unshare")
	n := rand.IntN(1 << 16)
	sb := &switchboard{
		t: t, bridge: fmt.Sprintf("rpb%d", n), subnet: fmt.Sprintf("10.%d.%d", n>>8, n&255),
		cables: make(map[*process]cable),
	}
	disktest.NeedSuccess(t, step, "unshare", "--net", "true")
	disktest.NeedSuccess(t, step, "ip", "link", "add", sb.bridge, "type", "bridge")
	t.Cleanup(func() { disktest.Command(t, "ip", "link", "del", sb.bridge) })
	disktest.Command(t, "ip", "addr", "add", sb.subnet+".254/24", "dev", sb.bridge)
	disktest.Command(t, "ip", "link", "set", sb.bridge, "up")
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
	disktest.Command(sb.t, "ip", "link", "add", c.port, "type", "veth", "peer", "name", "eth0", "address", mac, "netns", pid)
	inside := func(args ...string) {
		disktest.Command(sb.t, append([]string{"nsenter", "--net=/proc/" + pid + "/ns/net", "ip"}, args...)...)
	}
	inside("addr", "add", c.address+"/24", "dev", "eth0")
	inside("link", "set", "eth0", "up")
	inside("link", "set", "lo", "up")
	disktest.Command(sb.t, "ip", "link", "set", c.port, "master", sb.bridge, "up")
	sb.cables[pr] = c
}

// cutFor pulls the cable of a process for some time, which is an outage, and checks that this is a cut.
func (sb *switchboard) cutFor(d time.Duration, pr *process) {
	sb.t.Helper()
	require.True(sb.t, sb.reaches(pr))
	pr.s.outage(pr, "is cut off", false)
	disktest.Command(sb.t, "ip", "link", "set", sb.cables[pr].port, "nomaster")
	require.False(sb.t, sb.reaches(pr))
	time.Sleep(d)
	pr.s.log("%s is connected again", pr.name)
	disktest.Command(sb.t, "ip", "link", "set", sb.cables[pr].port, "master", sb.bridge)
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

// A disk is one whose power can be cut, with the folder of a server on it.
type disk struct {
	*disktest.Disk
	room    string // where it is mounted; another folder after each cut
	unmount func()
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	if !*outagePowerCut {
		t.Skip("without -outage.powercut")
	}
	disktest.NeedLoop(t, step)
	d := &disk{Disk: disktest.NewDisk(t, t.TempDir())}
	d.room, d.unmount = d.MountCached("")
	return d
}

// server is the folder of the server on the disk.
func (d *disk) server() string { return filepath.Join(d.room, "server") }

// cut cuts the power of the disk and of the server that uses it. Then there is power again, and the
// server's part has the new folder.
func (d *disk) cut(pr *process) {
	pr.s.t.Helper()
	pr.s.outage(pr, "has no power", true)
	d.Cut(pr.cmd.Process, pr.awaitGone, d.unmount)
	d.room, d.unmount = d.MountCached("")
	pr.part.Dir = d.server()
}
