package outage

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCutOff cuts off the one of three servers that leads the queue, for four seconds, and then
// a worker, for longer than its lease. Both go on afterwards.
func TestCutOff(t *testing.T) {
	t.Parallel()
	sb := newSwitchboard(t)
	s := newSite(t, 2*time.Second)
	s.net = sb
	nodes := s.nodes(sb.host(1), sb.host(2), sb.host(3))
	s.worker("worker", 4)
	victim := s.worker("victim", 4)
	submitters := s.submitters(part{Callers: 2, Cost: 20 * time.Millisecond, Pause: 50 * time.Millisecond})
	s.awaitAccepted(100)

	const silence = 4 * time.Second
	sb.cutFor(silence, s.leader(nodes))
	s.awaitAccepted(100)
	awaitVictim := func() {
		s.awaitMore("tasks are run by the victim", 10, func() int { return len(victim.began) })
	}
	runAgain := func() (again int) { // tasks of the victim that were run more than once
		s.note(func() {
			for _, n := range victim.began {
				if s.runs[n] > 1 {
					again++
				}
			}
		})
		return again
	}
	awaitVictim()
	before := runAgain()
	for tries := 0; runAgain() == before && tries < 5; tries++ { // it may have had nothing to do
		sb.cutFor(silence, victim)
		awaitVictim()
	}
	s.finish(submitters)
	s.check()
	assert.Greater(t, runAgain(), before, "the victim was not cut off from any task")
}

// newPowerCut is a site with an embedded server on a disk of its own, at work.
func newPowerCut(t *testing.T, noSync bool) (s *site, d *disk, server *process, submitters []*process) {
	t.Helper()
	t.Parallel()
	d = newDisk(t)
	s = newSite(t, 2*time.Second)
	server = s.embedded(d.server(), noSync)
	for range 2 {
		s.worker("worker", 4)
	}
	return s, d, server, s.submitters(part{Callers: 4, Cost: time.Millisecond, Pause: 10 * time.Millisecond})
}

// TestPowerCut cuts the power of the machine with the embedded server, several times, while
// others submit to it and work for it. Nothing that was acknowledged is lost, no ID is given
// again, and the others go on.
func TestPowerCut(t *testing.T) {
	s, d, server, submitters := newPowerCut(t, false)
	for round := range 5 {
		accepted, most := 100, time.Second
		if round == 0 { // hardly anything has been written
			accepted, most = 1, 5*time.Millisecond
		}
		s.awaitAccepted(accepted)
		time.Sleep(rand.N(most)) // any moment will do
		d.cut(server)
		server = s.again(server)
		server.awaitReady()
	}
	s.finish(submitters)
	s.check()
}

// TestPowerCutWithoutSync shows that TestPowerCut can fail: without a sync, what was
// acknowledged is lost.
func TestPowerCutWithoutSync(t *testing.T) {
	s, d, server, submitters := newPowerCut(t, true)
	s.awaitAccepted(1000)
	d.cut(server)
	for _, client := range slices.Concat(submitters, s.workers) {
		client.kill() // it would only find that the queue is gone
	}
	s.again(server).awaitReady()

	s.worker("worker", 4) // does what is left in the queue
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	reader, _ := s.join(nil)
	require.NoError(t, reader.Wait(ctx))
	results, err := reader.Results(ctx)
	require.NoError(t, err)
	lost := 0
	for id := range s.ids {
		if _, ok := results[id]; !ok {
			lost++
		}
	}
	s.log("of %d accepted tasks %d are lost", len(s.ids), lost)
	assert.NotZero(t, lost, "nothing that was acknowledged is lost, although nothing was synced")
}
