package outage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A switchboard is a bridge, and a cable from it to each process, which is in a network
// namespace of its own. The namespace and the cable go with the process, the bridge with
// the test. A cable that is pulled out at the bridge is silent: nobody is told.
type switchboard struct {
	t      *testing.T
	bridge string
	subnet string // three bytes of four
	cables map[*process]cable
	number int // of cables, ever
}

type cable struct{ port, address string }

func newSwitchboard(t *testing.T) *switchboard {
	t.Helper()
	if !*outageNetns {
		t.Skip("without -outage.netns")
	}
	need(t, "ip", "nsenter", "unshare")
	n := rand.IntN(1 << 16)
	sb := &switchboard{
		t: t, bridge: fmt.Sprintf("rpb%d", n), subnet: fmt.Sprintf("10.%d.%d", n>>8, n&255),
		cables: make(map[*process]cable),
	}
	add, del := []string{"ip", "link", "add", sb.bridge, "type", "bridge"}, []string{"ip", "link", "del", sb.bridge}
	needs(t, add, del)
	needs(t, []string{"unshare", "--net", "true"}, []string{"true"})
	command(t, add...)
	t.Cleanup(func() { command(t, del...) })
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
		host, err = strconv.Atoi(digit) // also when it is started again
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

// heal puts it back, if the process has not died meanwhile.
func (sb *switchboard) heal(pr *process) {
	sb.t.Helper()
	if pr.s.isGone(pr) {
		return
	}
	pr.s.log("%s is connected again", pr.name)
	command(sb.t, "ip", "link", "set", sb.cables[pr].port, "master", sb.bridge)
}

// reaches tells whether anything at all comes back from where a process is.
func (sb *switchboard) reaches(pr *process) bool {
	conn, err := net.DialTimeout("tcp", sb.cables[pr].address+":9", 300*time.Millisecond)
	if err == nil {
		_ = conn.Close()
		return true
	}
	var timeout net.Error
	return !errors.As(err, &timeout) || !timeout.Timeout()
}
