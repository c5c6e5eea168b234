//go:build unix

package outage

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

// patience is for how long something may take that has to happen.
const patience = 2 * time.Minute

// A site is all the processes of a test, and what they have said.
type site struct {
	t     *testing.T
	dir   string
	begun time.Time

	// Of all clients.
	url      string
	lease    time.Duration
	replicas int
	ping     time.Duration // between nodes; 0 is the servers' default

	// Of the test's own goroutine.
	processes int        // that were started
	workers   []*process // that were not killed by the test, and not stopped
	net       network    // nil if all share that of the machine

	mu      sync.Mutex
	news    chan struct{}       // closed at the next line
	outages int                 // what may have made tasks run again
	servers int                 // of these, deaths of servers which may have known of tasks that were done
	runs    map[uint64]int      // by N
	tried   map[uint64]*process // by N: who was about to submit it
	ids     map[store.ID]uint64 // that were given out, and for which N
	given   map[uint64]store.ID // the same, by N
	heard   time.Time           // when the last of them was
	silence time.Duration       // the longest time in which none was
	poison  map[uint64]bool     // by N
	read    map[uint64]string   // by N: of which run the result was
	wrong   []string
}

// A network connects processes that are in network namespaces of their own.
type network interface {
	attr() *syscall.SysProcAttr // of a process that is about to be started
	plug(pr *process)           // it is started, and waits for its word
}

func newSite(t *testing.T, lease time.Duration) *site {
	return &site{
		t: t, dir: t.TempDir(), begun: time.Now(),
		lease: lease, replicas: 1,
		news:   make(chan struct{}),
		runs:   make(map[uint64]int),
		tried:  make(map[uint64]*process),
		ids:    make(map[store.ID]uint64),
		given:  make(map[uint64]store.ID),
		poison: make(map[uint64]bool),
		read:   make(map[uint64]string),
	}
}

// log logs what happens, and when.
func (s *site) log(format string, args ...any) {
	s.t.Helper()
	s.t.Logf("%6.3f s: %s", time.Since(s.begun).Seconds(), fmt.Sprintf(format, args...))
}

// outage notes that something happens after which tasks may be run once more.
func (s *site) outage(format string, args ...any) {
	s.t.Helper()
	s.log(format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outages++
}

// serverDies notes that an outage is the death of a server.
func (s *site) serverDies() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.runs) > 0 {
		s.servers++
	}
}

// hear takes down what a process says:
//
//	ready       it does its part
//	run N       it begins to run task N
//	held N      it has saved N results and will not acknowledge them
//	try N       it is about to submit task N
//	poison N    the same, and it is poison
//	sure N ID   it was given that ID for it
//	got N BY    it has read the result of task N, which is from that run
//	done        it has submitted everything
//	wrong TEXT  it cannot go on
func (s *site) hear(pr *process, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.tellLocked()
	verb, rest, _ := strings.Cut(line, " ")
	first, second, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseUint(first, 10, 64)
	if err != nil && rest != "" && verb != "wrong" {
		s.wrongLocked("%s says %q", pr.name, line)
		return
	}
	switch verb {
	case "ready":
		pr.ready = true
	case "run":
		s.runs[n]++
		pr.began = append(pr.began, n)
	case "held":
		pr.held += int(n)
	case "try", "poison":
		s.tried[n] = pr
		s.poison[n] = verb == "poison"
	case "sure":
		id, err := strconv.ParseUint(second, 10, 64)
		if err != nil || id == 0 {
			s.wrongLocked("%s says %q", pr.name, line)
			return
		}
		s.giveLocked(store.ID(id), n)
	case "got":
		if other, read := s.read[n]; read && other != second {
			s.wrongLocked("the result of task %d has changed, from that of run %s to that of run %s", n, other, second)
		}
		s.read[n] = second
	case "done":
		pr.done = true
	default:
		s.wrongLocked("%s says %q", pr.name, line)
	}
}

func (s *site) giveLocked(id store.ID, n uint64) {
	if other, twice := s.ids[id]; twice {
		s.wrongLocked("ID %d was given out twice, for task %d and for task %d", id, other, n)
	}
	if other, twice := s.given[n]; twice {
		s.wrongLocked("task %d was given two IDs, %d and %d", n, other, id)
	}
	s.ids[id], s.given[n] = n, id
	if !s.heard.IsZero() {
		s.silence = max(s.silence, time.Since(s.heard))
	}
	s.heard = time.Now()
}

// wrongLocked notes something that makes the test fail.
func (s *site) wrongLocked(format string, args ...any) {
	if len(s.wrong) < 20 {
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
}

// tellLocked wakes await.
func (s *site) tellLocked() {
	close(s.news)
	s.news = make(chan struct{})
}

// await waits until ok, which is called with mu held whenever something was heard.
func (s *site) await(what string, ok func() bool) {
	s.t.Helper()
	s.awaitDoing(what, ok, func() {})
}

// awaitTending is await, and tends the workers.
func (s *site) awaitTending(what string, ok func() bool) {
	s.t.Helper()
	s.awaitDoing(what, ok, s.tend)
}

// awaitMore waits until count, which is called with mu held, has grown by n.
func (s *site) awaitMore(what string, n int, count func() int) {
	s.t.Helper()
	s.mu.Lock()
	want := count() + n
	s.mu.Unlock()
	s.await(fmt.Sprintf("%d more %s", n, what), func() bool { return count() >= want })
}

func (s *site) awaitDoing(what string, ok func() bool, do func()) {
	s.t.Helper()
	late := time.After(patience)
	for {
		do()
		s.mu.Lock()
		done, news, wrong := ok(), s.news, s.wrong
		s.mu.Unlock()
		if done {
			return
		}
		require.Empty(s.t, wrong, "while waiting until %s", what)
		select {
		case <-news:
		case <-late:
			s.mu.Lock()
			defer s.mu.Unlock()
			require.Fail(s.t, "this does not happen: "+what, "%d tasks were accepted, %d have run, after %d outages",
				len(s.given), len(s.runs), s.outages)
		}
	}
}

// newsOf returns a channel that is closed when the next line is heard.
func (s *site) newsOf() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

// worker starts one that runs so many tasks at once.
func (s *site) worker(name string, workers int) *process {
	s.t.Helper()
	return s.start(name, s.client(part{Role: "worker", Workers: workers}))
}

// dismiss has the site expect no more of a worker.
func (s *site) dismiss(pr *process) {
	s.workers = slices.DeleteFunc(s.workers, func(w *process) bool { return w == pr })
}

// tend starts workers again that have died at poison, as whoever has started them would.
func (s *site) tend() {
	s.t.Helper()
	for _, w := range slices.Clone(s.workers) {
		if s.isGone(w) {
			s.dismiss(w)
			s.coroner(w)
			s.again(w)
		}
	}
}

// coroner looks at a process that is gone. If it has not ended well, then it had poison,
// and that is an outage.
func (s *site) coroner(pr *process) {
	s.t.Helper()
	if pr.err == nil {
		return
	}
	s.mu.Lock()
	poisoned := slices.ContainsFunc(pr.began, func(n uint64) bool { return s.poison[n] })
	s.mu.Unlock()
	require.True(s.t, poisoned, "%s has died by itself: %v", pr.name, pr.err)
	s.outage("%s has died", pr.name)
}

// submitter starts one, of the tasks that p says.
func (s *site) submitter(name string, p part) *process {
	s.t.Helper()
	p.Role = "submitter"
	return s.start(name, s.client(p))
}

// client fills in what all clients need to know.
func (s *site) client(p part) part {
	p.URL, p.Lease, p.Replicas = s.url, s.lease, s.replicas
	return p
}

// ---- ports ------------------------------------------------------------------

var ports struct {
	sync.Mutex
	taken map[int]bool
}

// freePort returns a port on this machine that is not in use, and that is not one of those
// that systems choose for clients: while a server is down, nobody else gets its port.
func freePort(t *testing.T) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	if ports.taken == nil {
		ports.taken = make(map[int]bool)
	}
	for range 1000 {
		port := 10000 + rand.IntN(20000)
		if ports.taken[port] {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		require.NoError(t, l.Close())
		ports.taken[port] = true
		return port
	}
	require.Fail(t, "there is no free port")
	return 0
}
