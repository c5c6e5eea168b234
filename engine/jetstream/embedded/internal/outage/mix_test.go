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

// These let happen whatever can happen, at random, for -outage.for, to workers, submitters
// and servers. What needs root is in mix_linux_test.go.

func TestMixOne(t *testing.T) {
	t.Parallel()
	m := newMix(t)
	m.nodes = []*process{m.s.embedded()}
	m.goOn(*outageFor)
}

func TestMixThree(t *testing.T) {
	t.Parallel()
	m := newMix(t)
	m.nodes = m.s.three()
	m.goOn(*outageFor)
}

// A mix is the processes of a site, to which things happen.
type mix struct {
	s        *site
	rand     *rand.Rand
	nodes    []*process
	subs     []*process
	next     uint64 // the first task of the next submitter
	end      time.Time
	poisoned time.Time // when there was poison

	events []func()   // what can happen
	ends   []ending   // of what has happened and is not over
	leaves []*process // workers that were asked to stop
	down   bool       // a server is
	whole  int        // how many tasks were accepted when none was any more
}

// An ending is done at its time.
type ending struct {
	at time.Time
	do func()
}

func newMix(t *testing.T) *mix {
	t.Helper()
	seed := *outageSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-outage.seed=%d", seed)
	m := &mix{s: newSite(t, time.Second), rand: rand.New(rand.NewPCG(seed, 0)), next: 1}
	m.events = []func(){
		m.killWorker, m.stopWorker, m.pauseWorker, m.killSubmitter, m.killServer, m.pauseServer, m.addPoison,
	}
	return m
}

// goOn has things happen for so long, puts everything right, and checks it.
func (m *mix) goOn(d time.Duration) {
	for range 3 {
		m.s.worker("worker", 4)
	}
	for range 2 {
		m.submit()
	}
	m.end = time.Now().Add(d)
	m.addOnePoison()
	for time.Now().Before(m.end) {
		m.pass(m.upTo(400 * time.Millisecond))
		m.events[m.rand.IntN(len(m.events))]()
	}
	for len(m.ends) > 0 {
		m.pass(askAgain)
	}
	for _, sub := range m.subs {
		sub.signal(syscall.SIGTERM)
		m.s.awaitTending(sub.name+" is done", func() bool { return sub.gone })
	}
	for _, w := range m.leaves {
		m.s.awaitTending(w.name+" ends", func() bool { return w.gone })
		m.s.coroner(w)
	}
	m.s.check()
}

func (m *mix) upTo(most time.Duration) time.Duration {
	return time.Duration(m.rand.Int64N(int64(most)))
}

// pass lets some time pass, in which what is to end ends.
func (m *mix) pass(d time.Duration) {
	for end := time.Now().Add(d); ; {
		m.s.tend()
		slices.SortFunc(m.ends, func(a, b ending) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
		now := time.Now()
		if len(m.ends) > 0 && !m.ends[0].at.After(now) {
			do := m.ends[0].do
			m.ends = m.ends[1:]
			do()
			continue
		}
		if !now.Before(end) {
			return
		}
		time.Sleep(min(end.Sub(now), 10*time.Millisecond)) // any moment will do
	}
}

// later does something after a while.
func (m *mix) later(most time.Duration, do func()) {
	m.ends = append(m.ends, ending{time.Now().Add(m.upTo(most)), do})
}

// submit starts a submitter.
func (m *mix) submit() {
	const count = 1 << 20
	p := part{
		First: m.next, Count: count, Callers: 1 + m.rand.IntN(3), Pause: 30 * time.Millisecond,
		Cost: m.upTo(20 * time.Millisecond), Batch: 1 + m.rand.IntN(10),
	}
	m.next += count
	m.subs = append(m.subs, m.s.submitter("submitter", p))
}

// one returns one of them.
func (m *mix) one(of []*process) *process { return of[m.rand.IntN(len(of))] }

// well returns a worker that nothing happens to now, and nil if there is none.
func (m *mix) well() *process {
	of := slices.DeleteFunc(slices.Clone(m.s.workers), func(w *process) bool { return w.paused || m.s.isGone(w) })
	if len(of) == 0 {
		return nil
	}
	return m.one(of)
}

func (m *mix) killWorker() {
	if w := m.well(); w != nil {
		w.kill()
		m.later(time.Second, func() { m.s.again(w) })
	}
}

// stopWorker has a worker stop in its own time: while the server is down, that may be long.
func (m *mix) stopWorker() {
	w := m.well()
	if w == nil || !m.s.isReady(w) {
		return
	}
	m.s.log("%s is asked to stop", w.name)
	w.signal(syscall.SIGTERM)
	m.s.dismiss(w)
	m.leaves = append(m.leaves, w)
	m.s.worker("worker", 4)
}

// pauseWorker has a worker do nothing, for longer than its lease at times. Then it goes
// on as if it still had its tasks.
func (m *mix) pauseWorker() {
	if w := m.well(); w != nil {
		w.pause()
		m.later(2*m.s.lease, w.resume)
	}
}

// killSubmitter kills a submitter. What it was about to submit may be in the queue.
func (m *mix) killSubmitter() {
	i := m.rand.IntN(len(m.subs))
	m.subs[i].kill()
	m.subs = slices.Delete(m.subs, i, i+1)
	m.submit()
}

// takeDown reports whether something may happen to a server, and notes that it is down.
// While one of them is down, and until the others have noticed that it is back, three of
// them might do nothing.
func (m *mix) takeDown() bool {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if m.down || len(m.s.given) < m.whole+10 {
		return false
	}
	m.down = true
	return true
}

// up notes that all servers are there again.
func (m *mix) up() {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	m.down, m.whole = false, len(m.s.given)
}

func (m *mix) killServer() {
	if !m.takeDown() {
		return
	}
	i := m.rand.IntN(len(m.nodes))
	m.nodes[i].kill()
	m.later(time.Second, func() { m.restart(i) })
}

// restart starts a server again.
func (m *mix) restart(i int) {
	m.nodes[i] = m.s.again(m.nodes[i])
	m.s.awaitTending("the server is ready", func() bool { return m.nodes[i].ready })
	m.up()
}

func (m *mix) pauseServer() {
	if !m.takeDown() {
		return
	}
	node := m.one(m.nodes)
	node.pause()
	m.later(2*time.Second, func() {
		node.resume()
		m.up()
	})
}

// addPoison submits a task that is poison, now and then, and if there is time for its
// starts, each of which takes a lease.
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
