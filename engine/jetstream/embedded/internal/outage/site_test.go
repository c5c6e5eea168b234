//go:build unix

package outage

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	rp "github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// patience is the longest that anything may take that has to happen.
const patience = 2 * time.Minute

// A site is all the processes of a test, and what they have reported.
type site struct {
	t     *testing.T
	dir   string
	begun time.Time

	// The same for all clients.
	url      string
	lease    time.Duration
	replicas int

	net network // nil if all processes share the network of the machine

	// Used only by the test's own goroutine.
	processes int        // that were started
	workers   []*process // without those that the test has killed or stopped

	mu      sync.Mutex
	news    chan struct{}       // closed when the next line is heard
	outages int                 // events that may have made tasks run again
	servers int                 // how many of them were deaths of servers that may have known of tasks that were done
	runs    map[uint64]int      // by N
	tried   map[uint64]*process // by N: who was about to submit it
	ids     map[store.ID]uint64 // that were given, and for which N
	given   map[uint64]store.ID // the same, by N
	heard   time.Time           // when the last ID was given
	silence time.Duration       // the longest time in which none was
	poison  map[uint64]bool     // by N
	read    map[uint64]string   // by N: the run that the result was from
	wrong   []string
}

// A network connects processes that are in network namespaces of their own.
type network interface {
	attr() *syscall.SysProcAttr // of a process that is about to be started
	plug(pr *process)           // when it is started and waits for the word to begin
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

// ---- starting processes -------------------------------------------------------

// embedded starts the embedded server on a folder, and a port of its own.
func (s *site) embedded(dir string, noSync bool) *process {
	s.t.Helper()
	listen := freePort(s.t, "127.0.0.1")
	s.url = "nats://outage:outage@" + listen
	pr := s.start("server", part{Role: "embedded", Dir: dir, Listen: listen, NoSync: noSync})
	pr.awaitReady()
	return pr
}

// nodes starts a server on each host, all of which keep everything, and waits until they work
// together.
func (s *site) nodes(hosts ...string) []*process {
	s.t.Helper()
	s.replicas = len(hosts)
	var parts []part
	var routes, urls []string
	for i, host := range hosts {
		name := fmt.Sprintf("node%d", i+1)
		p := part{
			Role: "node", Name: name, Dir: filepath.Join(s.dir, name),
			Listen: freePort(s.t, host), Route: freePort(s.t, host),
		}
		parts = append(parts, p)
		routes = append(routes, p.Route)
		urls = append(urls, "nats://"+p.Listen)
	}
	s.url = strings.Join(urls, ",")
	var nodes []*process
	for _, p := range parts {
		p.Routes = routes
		nodes = append(nodes, s.start(p.Name, p))
	}
	for _, node := range nodes {
		node.awaitReady()
	}
	s.join(nil) // once this has succeeded, there are three replicas
	return nodes
}

// one starts the embedded server alone.
func (s *site) one() []*process {
	s.t.Helper()
	return []*process{s.embedded(filepath.Join(s.dir, "server"), false)}
}

// three starts three nodes on this machine.
func (s *site) three() []*process {
	s.t.Helper()
	return s.nodes("127.0.0.1", "127.0.0.1", "127.0.0.1")
}

// worker starts a worker that runs so many tasks at once.
func (s *site) worker(name string, workers int) *process {
	s.t.Helper()
	return s.start(name, s.client(part{Role: "worker", Workers: workers}))
}

// submitter starts a submitter of the tasks in p.
func (s *site) submitter(name string, p part) *process {
	s.t.Helper()
	p.Role = "submitter"
	return s.start(name, s.client(p))
}

// endless is more tasks than any submitter comes to submit.
const endless = 1 << 20

// submitters starts two endless submitters at the pace of p: one submits single tasks, and
// one batches.
func (s *site) submitters(p part) []*process {
	s.t.Helper()
	p.First, p.Count = 1, endless
	single := s.submitter("submitter", p)
	p.First, p.Batch = 1+endless, 10
	return []*process{single, s.submitter("submitter", p)}
}

// finish has submitters submit no more, and waits until they are done.
func (s *site) finish(submitters []*process) {
	s.t.Helper()
	for _, sub := range submitters {
		sub.signal(syscall.SIGTERM)
		sub.awaitDone()
	}
}

// client fills in what all clients have to know.
func (s *site) client(p part) part {
	p.URL, p.Lease, p.Replicas = s.url, s.lease, s.replicas
	return p
}

// join joins for the test itself, until the test ends: to read and to submit, or to run tasks with fn.
func (s *site) join(fn func(context.Context, job) (proof, error)) (*pool.Pool[job, proof], *rp.Engine) {
	s.t.Helper()
	pl, drv, err := s.client(part{Workers: 8}).join(s.t.Context(), fn)
	require.NoError(s.t, err)
	s.t.Cleanup(func() {
		assert.NoError(s.t, pl.Stop(context.Background()))
		assert.NoError(s.t, drv.Close())
	})
	return pl, drv
}

// leader returns the node that leads the queue now.
func (s *site) leader(nodes []*process) *process {
	s.t.Helper()
	nc, err := nats.Connect(s.url)
	require.NoError(s.t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(s.t, err)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(askAgain) {
		stream, err := js.Stream(s.t.Context(), "resultpool_"+poolName+"_tasks")
		if err != nil || stream.CachedInfo().Cluster == nil {
			continue
		}
		info := stream.CachedInfo()
		for _, node := range nodes {
			if node.part.Name == info.Cluster.Leader {
				s.log("%s leads the queue", node.name)
				require.Equal(s.t, s.replicas, info.Config.Replicas)
				return node
			}
		}
	}
	require.Fail(s.t, "nobody leads the queue")
	return nil
}

// ports counts from 0.
var ports atomic.Int64

// freePort returns a free port on this machine, as HOST:PORT. It is not one of the ports that
// systems choose for clients, so nobody else takes it while a server is down. No two calls
// return the same.
func freePort(t *testing.T, host string) string {
	t.Helper()
	const first, n = 10000, 20000
	begin := int64(os.Getpid()) * 101 // tests of other processes begin elsewhere
	for range 1000 {
		port := strconv.FormatInt(first+(begin+ports.Add(1))%n, 10)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			require.NoError(t, l.Close())
			return net.JoinHostPort(host, port)
		}
	}
	require.Fail(t, "there is no free port")
	return ""
}

// ---- what happens -------------------------------------------------------------

// log logs what happens, and when.
func (s *site) log(format string, args ...any) {
	s.t.Helper()
	s.t.Logf("%6.3f s: %s", time.Since(s.begun).Seconds(), fmt.Sprintf(format, args...))
}

// outage notes an event after which tasks may be run once more: what happens to a process, and whether
// it is dead then.
func (s *site) outage(pr *process, what string, dead bool) {
	s.t.Helper()
	s.log("%s %s", pr.name, what)
	s.note(func() {
		s.outages++
		if dead && pr.part.Dir != "" && len(s.runs) > 0 {
			s.servers++
		}
	})
}

// note calls what with mu held, and wakes await.
func (s *site) note(what func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what()
	close(s.news)
	s.news = make(chan struct{})
}

// holds reports whether ok, which is called with mu held, is true.
func (s *site) holds(ok func() bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ok()
}

// hear takes down a line that a process has reported. mu is held.
//
//	ready       it is ready for its part
//	run N       it begins to run task N
//	try N       it is about to submit task N
//	poison N    the same, and the task is poison
//	sure N ID   it was given that ID for task N
//	got N BY    it has read the result of task N, which is from that run
//	done        it has submitted everything
//	wrong TEXT  it cannot go on
func (s *site) hear(pr *process, line string) {
	verb, rest, _ := strings.Cut(line, " ")
	first, second, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseUint(first, 10, 64)
	if err != nil && rest != "" {
		verb = "wrong"
	}
	switch verb {
	case "ready":
		pr.ready = true
	case "run":
		s.runs[n]++
		pr.began = append(pr.began, n)
	case "try", "poison":
		s.tried[n] = pr
		s.poison[n] = verb == "poison"
	case "sure":
		id, err := strconv.ParseUint(second, 10, 64)
		if err != nil || id == 0 {
			s.blame("%s says %q", pr.name, line)
			return
		}
		s.give(store.ID(id), n)
	case "got":
		if other, read := s.read[n]; read && other != second {
			s.blame("the result of task %d has changed, from that of run %s to that of run %s", n, other, second)
		}
		s.read[n] = second
	case "done":
		pr.done = true
	default:
		s.blame("%s says %q", pr.name, line)
	}
}

// give notes that an ID was given for task n. mu is held.
func (s *site) give(id store.ID, n uint64) {
	if other, twice := s.ids[id]; twice {
		s.blame("ID %d was given twice, for task %d and for task %d", id, other, n)
	}
	if other, twice := s.given[n]; twice {
		s.blame("task %d was given two IDs, %d and %d", n, other, id)
	}
	s.ids[id], s.given[n] = n, id
	if !s.heard.IsZero() {
		s.silence = max(s.silence, time.Since(s.heard))
	}
	s.heard = time.Now()
}

// blame notes something that makes the test fail. mu is held.
func (s *site) blame(format string, args ...any) {
	if len(s.wrong) < 20 {
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
}

// await waits until ok, which is called with mu held whenever something was heard, and tends
// the workers meanwhile.
func (s *site) await(what string, ok func() bool) {
	s.t.Helper()
	late := time.After(patience)
	for {
		s.tend()
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

// awaitMore waits until count, which is called with mu held, has grown by n.
func (s *site) awaitMore(what string, n int, count func() int) {
	s.t.Helper()
	want := 0
	s.note(func() { want = count() + n })
	s.await(fmt.Sprintf("%d more %s", n, what), func() bool { return count() >= want })
}

// awaitAccepted waits until n more tasks were accepted.
func (s *site) awaitAccepted(n int) {
	s.t.Helper()
	s.awaitMore("tasks are accepted", n, func() int { return len(s.given) })
}

// tend starts workers again that have died of poison, as their supervisor would.
func (s *site) tend() {
	s.t.Helper()
	for _, w := range slices.Clone(s.workers) {
		if s.holds(func() bool { return w.gone }) {
			s.dismiss(w)
			s.coroner(w)
			s.again(w)
		}
	}
}

// dismiss has the site expect no more of a worker.
func (s *site) dismiss(pr *process) {
	s.workers = slices.DeleteFunc(s.workers, func(w *process) bool { return w == pr })
}

// coroner examines a process that is gone. If it has not ended well, then it had poison, which
// is an outage.
func (s *site) coroner(pr *process) {
	s.t.Helper()
	if pr.err == nil {
		return
	}
	poisoned := s.holds(func() bool {
		return slices.ContainsFunc(pr.began, func(n uint64) bool { return s.poison[n] })
	})
	require.True(s.t, poisoned, "%s has died by itself: %v", pr.name, pr.err)
	s.outage(pr, "has died", true)
}
