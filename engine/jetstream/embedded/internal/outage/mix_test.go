//go:build unix

package outage

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"
)

// These tests cause random outages of workers, submitters and servers for -outage.for.

func TestMixOne(t *testing.T)   { mixed(t, (*site).one) }
func TestMixThree(t *testing.T) { mixed(t, (*site).three) }

// A mix is the processes of a site, and what happens to them.
type mix struct {
	s        *site
	rand     *rand.Rand
	nodes    []*process
	subs     []*process
	next     uint64 // the first task of the next submitter
	end      time.Time
	poisoned time.Time // when the last poison was submitted

	events []func()    // what can happen
	begun  int         // events that are not over
	ends   chan func() // of those events, when it is their time
	leaves []*process  // workers that were asked to stop
	down   bool        // a server is down
	whole  int         // how many tasks were accepted when the last server had come up again
}

// mixed causes events, ends them all, and checks the site.
func mixed(t *testing.T, begin func(s *site) []*process) {
	t.Parallel()
	seed := cmp.Or(*outageSeed, rand.Uint64())
	t.Logf("-outage.seed=%d", seed)
	m := &mix{s: newSite(t, time.Second), rand: rand.New(rand.NewPCG(seed, 0)), next: 1, ends: make(chan func(), 1000)}
	m.events = []func(){
		m.killWorker, m.stopWorker, m.pauseWorker, m.killSubmitter, m.killServer, m.pauseServer, m.addPoison,
	}
	m.nodes = begin(m.s)
	for range 3 {
		m.s.worker("worker", 4)
	}
	for range 2 {
		m.submit()
	}
	m.end = time.Now().Add(*outageFor)
	m.addOnePoison()
	for time.Now().Before(m.end) {
		m.pass(m.upTo(400 * time.Millisecond))
		m.events[m.rand.IntN(len(m.events))]()
	}
	for m.begun > 0 {
		m.pass(askAgain)
	}
	for _, sub := range m.subs {
		sub.signal(syscall.SIGTERM)
		sub.awaitGone()
	}
	for _, w := range m.leaves {
		w.awaitGone()
		m.s.coroner(w)
	}
	m.s.check()
}

func (m *mix) upTo(most time.Duration) time.Duration {
	return time.Duration(m.rand.Int64N(int64(most)))
}

// later ends an event after a while.
func (m *mix) later(most time.Duration, end func()) {
	m.begun++
	time.AfterFunc(m.upTo(most), func() { m.ends <- end })
}

// pass lets time pass, and ends the events whose time has come.
func (m *mix) pass(d time.Duration) {
	for over := time.After(d); ; {
		m.s.tend()
		select {
		case end := <-m.ends:
			m.begun--
			end()
		case <-time.After(10 * time.Millisecond): // any moment will do
		case <-over:
			return
		}
	}
}

// ---- workers and submitters ---------------------------------------------------

// toOne calls do with a worker that nothing happens to now, if there is one.
func (m *mix) toOne(do func(w *process)) {
	of := slices.DeleteFunc(slices.Clone(m.s.workers), func(w *process) bool {
		return w.paused || m.s.holds(func() bool { return w.gone })
	})
	if len(of) > 0 {
		do(of[m.rand.IntN(len(of))])
	}
}

func (m *mix) killWorker() {
	m.toOne(func(w *process) {
		w.kill()
		m.later(time.Second, func() { m.s.again(w) })
	})
}

// stopWorker asks a worker to stop and does not wait for it: while the server is down, that may
// take long.
func (m *mix) stopWorker() {
	m.toOne(func(w *process) {
		if !m.s.holds(func() bool { return w.ready }) {
			return
		}
		m.s.log("%s is asked to stop", w.name)
		w.signal(syscall.SIGTERM)
		m.s.dismiss(w)
		m.leaves = append(m.leaves, w)
		m.s.worker("worker", 4)
	})
}

// pauseWorker has a worker do nothing, sometimes for longer than its lease. Then the worker
// goes on as if it still had its tasks.
func (m *mix) pauseWorker() {
	m.toOne(func(w *process) {
		w.pause()
		m.later(2*m.s.lease, w.resume)
	})
}

func (m *mix) submit() {
	m.subs = append(m.subs, m.s.submitter("submitter", part{
		First: m.next, Count: endless, Callers: 1 + m.rand.IntN(3), Pause: 30 * time.Millisecond,
		Cost: m.upTo(20 * time.Millisecond), Batch: 1 + m.rand.IntN(10),
	}))
	m.next += endless
}

// killSubmitter kills a submitter. What it was about to submit may be in the queue.
func (m *mix) killSubmitter() {
	i := m.rand.IntN(len(m.subs))
	m.subs[i].kill()
	m.subs = slices.Delete(m.subs, i, i+1)
	m.submit()
}

// addPoison submits poison now and then, while there is time for its starts, each of which
// takes a lease.
func (m *mix) addPoison() {
	if time.Since(m.poisoned) > 15*m.s.lease && time.Until(m.end) > 10*m.s.lease {
		m.addOnePoison()
	}
}

func (m *mix) addOnePoison() {
	m.poisoned = time.Now()
	m.s.submitter("poisoner", part{First: m.next, Count: 1, PoisonAt: m.next})
	m.next++
}

// ---- servers ------------------------------------------------------------------

// takeDown calls do with the index of a server that something may happen to. Only one server
// is down at a time: while one is, and until the others have noticed that it is back, three
// of them might do nothing.
func (m *mix) takeDown(do func(i int)) {
	accepted := 0
	m.s.note(func() { accepted = len(m.s.given) })
	if !m.down && accepted >= m.whole+10 {
		m.down = true
		do(m.rand.IntN(len(m.nodes)))
	}
}

// up notes that all servers are there again.
func (m *mix) up() {
	m.down = false
	m.s.note(func() { m.whole = len(m.s.given) })
}

func (m *mix) killServer() {
	m.takeDown(func(i int) {
		m.nodes[i].kill()
		m.later(time.Second, func() {
			m.nodes[i] = m.s.again(m.nodes[i])
			m.nodes[i].awaitReady()
			m.up()
		})
	})
}

func (m *mix) pauseServer() {
	m.takeDown(func(i int) {
		m.nodes[i].pause()
		m.later(2*time.Second, func() {
			m.nodes[i].resume()
			m.up()
		})
	})
}
