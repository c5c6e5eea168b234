package outage

import (
	"path/filepath"
	"testing"
	"time"
)

// TestMixCutOff is TestMixThree in which one server or worker is cut off at times.
func TestMixCutOff(t *testing.T) {
	t.Parallel()
	sb := newSwitchboard(t)
	m := newMix(t)
	m.s.net = sb
	// A node whose peer vanishes together with its network, as a machine does that loses
	// its power, holds its connection for alive until a ping is not answered, and takes no
	// other one from the peer when it is back. By default that can take 90 s.
	m.s.ping = time.Second
	m.nodes = m.s.nodes([]string{sb.host(1), sb.host(2), sb.host(3)})
	const longest = 4 * time.Second
	m.events = append(m.events, func() {
		if w := m.well(); w != nil {
			sb.cut(w)
			w.paused = true // nothing else happens to it
			m.later(longest, func() {
				w.paused = false
				sb.heal(w)
			})
		}
	}, func() {
		if m.takeDown() {
			node := m.one(m.nodes)
			sb.cut(node)
			m.later(longest, func() {
				sb.heal(node)
				m.up()
			})
		}
	})
	m.goOn(*outageFor / 2)
}

// TestMixPowerCut is TestMixOne in which the server loses its power at times.
func TestMixPowerCut(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	m := newMix(t)
	server := func() string { return filepath.Join(d.room, "server") }
	m.nodes = []*process{m.s.embeddedOn(server(), false)}
	m.events = append(m.events, func() {
		if !m.takeDown() {
			return
		}
		d.cut(m.nodes[0])
		m.nodes[0].part.Dir = server()
		m.later(time.Second, func() { m.restart(0) })
	})
	m.goOn(*outageFor / 2)
}
