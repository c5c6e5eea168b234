//go:build unix

package outage

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// longLease is one that also a worker on a machine with much else to do extends in time.
// What these tests count are runs, and a lease that ends is one more.
const longLease = 3 * time.Second

// TestWorkerKilled kills a worker in the middle of a task, which another one runs then.
func TestWorkerKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, longLease)
	s.embedded()
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
// the tasks. They are not run again: whoever gets them finds the results.
func TestWorkerKilledBeforeAck(t *testing.T) {
	t.Parallel()
	s := newSite(t, longLease)
	s.embedded()
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
	t.Parallel()
	s := newSite(t, longLease)
	s.embedded()
	for range 2 {
		s.worker("worker", 4)
	}
	s.submitter("submitter", part{First: 1, Count: 8, Cost: 7 * longLease / 3}).awaitDone()
	s.check() // each was run once
}

// TestPoison has a task among others that kills whoever runs it. It alone is condemned.
func TestPoison(t *testing.T) {
	t.Parallel()
	s := newSite(t, time.Second)
	s.embedded()
	const poison = 40
	for range 2 {
		s.worker("worker", 4).awaitReady()
	}
	s.submitter("submitter", part{
		First: 1, Count: 400, Batch: 20, Pause: 10 * time.Millisecond, Cost: 5 * time.Millisecond, PoisonAt: poison,
	}).awaitDone()
	s.check()
	assert.Equal(t, s.outages, s.runs[poison], "each death is the poison's doing")
	assert.LessOrEqual(t, s.runs[poison], 2+5, "runs: two that are not counted, and five that are")
	assert.GreaterOrEqual(t, s.runs[poison], 5)
}

// TestStopGivesBack stops a worker that has taken over more tasks than it has begun. It
// gives them back at once, while it is still busy, and long before a lease ends.
func TestStopGivesBack(t *testing.T) {
	t.Parallel()
	for range 5 {
		if stopGivesBack(t) {
			return
		}
	}
	t.Error("no worker has taken over more than it has begun")
}

// stopGivesBack reports whether the worker had taken over more than it had begun. That
// depends on how fast it was just then.
func stopGivesBack(t *testing.T) bool {
	const lease = 10 * time.Minute
	s := newSite(t, lease)
	s.embedded()
	const gated = 500
	busy := s.worker("busy", 1)
	busy.awaitReady()
	s.submitter("submitter", part{First: 1, Count: 1000, Batch: 250, GateAt: gated}).awaitDone()
	s.await("the worker waits at the gate", func() bool { return s.runs[gated] == 1 })

	// What it has not taken over is done by another.
	s.worker("other", 4)
	ctx := t.Context()
	_, drv := s.join()
	var inHand uint64
	last := time.Now()
	for time.Since(last) < time.Second {
		size, err := drv.Size(ctx)
		require.NoError(t, err)
		if size != inHand {
			inHand, last = size, time.Now()
		}
		time.Sleep(askAgain) // there is nothing to wait for: nothing more is to happen
	}
	if inHand == 1 {
		s.log("the worker has taken over no more than it has begun")
		busy.openGate()
		s.check()
		return false
	}

	begun := time.Now()
	busy.signal(syscall.SIGTERM)
	for size := inHand; size > 1; {
		require.Less(t, time.Since(begun), patience, "%d of %d tasks are not given back", size-1, inHand-1)
		var err error
		size, err = drv.Size(ctx)
		require.NoError(t, err)
		time.Sleep(askAgain)
	}
	s.log("%d tasks were given back, and done in %v", inHand-1, time.Since(begun))
	require.False(t, s.isGone(busy))

	busy.openGate()
	busy.awaitEnd()
	s.check()
	return true
}
