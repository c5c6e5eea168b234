//go:build unix

package outage

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// longLease is one that a worker extends in time even on a busy machine. The tests of workers
// count runs, and a lease that ends causes one more.
const longLease = 3 * time.Second

// newEmbedded is a site with an embedded server.
func newEmbedded(t *testing.T, lease time.Duration) (*site, *process) {
	t.Helper()
	t.Parallel()
	s := newSite(t, lease)
	return s, s.embedded()
}

// TestWorkerKilled kills a worker in the middle of a task, which another worker runs then.
func TestWorkerKilled(t *testing.T) {
	s, _ := newEmbedded(t, longLease)
	victim := s.worker("victim", 2)
	victim.awaitReady()
	const gated = 12
	s.submitter("submitter", part{First: 1, Count: 100, Batch: 10, Cost: time.Millisecond, GateAt: gated}).awaitDone()
	s.await("the victim waits at the gate", func() bool { return s.runs[gated] == 1 })
	victim.kill()

	s.worker("other", 4).openGate()
	s.check()
	assert.Equal(t, 2, s.runs[gated], "runs of the task that the victim was killed at")
}

// TestWorkerKilledBeforeAck kills a worker that has saved its results and not acknowledged
// the tasks. They are not run again: the next worker that gets them finds the results.
func TestWorkerKilledBeforeAck(t *testing.T) {
	s, _ := newEmbedded(t, longLease)
	victim := s.start("victim", s.client(part{Role: "worker", Workers: 4, HoldAck: true}))
	victim.awaitReady()
	s.submitter("submitter", part{First: 1, Count: 100, Batch: 20}).awaitDone()
	s.await("the victim has saved results", func() bool { return victim.held > 0 })
	victim.kill()

	s.worker("other", 4)
	s.check()
	again := 0
	for _, n := range victim.began {
		again += s.runs[n] - 1
	}
	assert.Equal(t, len(victim.began)-victim.held, again,
		"the victim had begun %d tasks and saved the results of %d", len(victim.began), victim.held)
}

// TestSlowTask has tasks that take longer than their lease. As long as their worker lives,
// nobody else gets them.
func TestSlowTask(t *testing.T) {
	s, _ := newEmbedded(t, longLease)
	for range 2 {
		s.worker("worker", 4)
	}
	s.submitter("submitter", part{First: 1, Count: 8, Cost: 7 * longLease / 3}).awaitDone()
	s.check() // each was run once
}

// TestPoison submits a task that kills every process that runs it, among others. It alone is
// condemned.
func TestPoison(t *testing.T) {
	s, _ := newEmbedded(t, time.Second)
	const poison = 40
	for range 2 {
		s.worker("worker", 4).awaitReady()
	}
	s.submitter("submitter", part{
		First: 1, Count: 400, Batch: 20, Pause: 10 * time.Millisecond, Cost: 5 * time.Millisecond, PoisonAt: poison,
	}).awaitDone()
	s.check()
	assert.Equal(t, s.outages, s.runs[poison], "each death was caused by the poison")
	assert.LessOrEqual(t, s.runs[poison], 2+5, "runs: two that are not counted, and five that are")
	assert.GreaterOrEqual(t, s.runs[poison], 5)
}

// TestStopGivesBack stops a worker that has taken over more tasks than it has begun. It gives
// them back at once, while it is still busy, and long before a lease ends.
func TestStopGivesBack(t *testing.T) {
	t.Parallel()
	for range 5 {
		if stopGivesBack(t) {
			return
		}
	}
	t.Error("no worker has taken over more than it has begun")
}

// stopGivesBack reports whether the worker had taken over more than it had begun, which
// depends on how fast it was.
func stopGivesBack(t *testing.T) bool {
	s := newSite(t, 10*time.Minute)
	s.embedded()
	const gated = 500
	busy := s.worker("busy", 1)
	busy.awaitReady()
	s.submitter("submitter", part{First: 1, Count: 1000, Batch: 250, GateAt: gated}).awaitDone()
	s.await("the worker waits at the gate", func() bool { return s.runs[gated] == 1 })

	// Another worker does what it has not taken over.
	s.worker("other", 4)
	_, drv := s.join()
	size := func() uint64 {
		time.Sleep(askAgain) // nothing reports how many are left
		n, err := drv.Size(t.Context())
		require.NoError(t, err)
		return n
	}
	inHand := size()
	for last := time.Now(); time.Since(last) < time.Second; {
		if n := size(); n != inHand {
			inHand, last = n, time.Now()
		}
	}
	if inHand > 1 {
		begun := time.Now()
		busy.signal(syscall.SIGTERM)
		for n := inHand; n > 1; n = size() {
			require.Less(t, time.Since(begun), patience, "%d of %d tasks are not given back", n-1, inHand-1)
		}
		s.log("%d tasks were given back, and done in %v", inHand-1, time.Since(begun))
		require.False(t, s.holds(func() bool { return busy.gone }))
	}
	busy.openGate()
	busy.stop()
	s.check()
	return inHand > 1
}

// TestServerKilledAtOnce kills the server while tasks are submitted and nobody works. Then
// every task is accepted once, even if its submitter had to submit it again because the
// server died before it could answer.
func TestServerKilledAtOnce(t *testing.T) {
	s, server := newEmbedded(t, 2*time.Second)
	const count = 400
	submitter := s.submitter("submitter", part{First: 1, Count: 10 * count, Callers: 8, Batch: 10})
	for range 4 {
		s.awaitAccepted(count)
		server.kill()
		server = s.again(server)
	}
	submitter.awaitDone()
	s.worker("worker", 8)
	s.check()
	assert.Len(t, s.given, 10*count)
}

// TestServerKilled kills the server while tasks are submitted and run, several times, and
// starts it again on its folder. Submitters and workers go on by themselves.
func TestServerKilled(t *testing.T) {
	s, server := newEmbedded(t, 2*time.Second)
	s.worker("worker", 4)
	s.worker("worker", 4)
	submitters := s.submitters(part{Callers: 3, Pause: 5 * time.Millisecond})
	for i := range 3 {
		s.awaitAccepted(300)
		server.kill()
		time.Sleep(time.Duration(i) * 400 * time.Millisecond) // how long there is no server
		server = s.again(server)
	}
	s.awaitAccepted(300)
	s.finish(submitters)
	s.check()
}

// TestLeaderKilled kills the one of three servers that leads the queue, and starts it again
// later. The others go on without it.
func TestLeaderKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, 2*time.Second)
	nodes := s.three()
	s.worker("worker", 4)
	s.worker("worker", 4)
	submitters := s.submitters(part{Callers: 3, Pause: 10 * time.Millisecond})
	s.awaitAccepted(250)
	leader := s.leader(nodes)
	leader.kill()
	s.awaitAccepted(750)
	leader = s.again(leader)
	s.awaitAccepted(1000)
	s.finish(submitters)
	leader.awaitReady()
	s.check()
}
