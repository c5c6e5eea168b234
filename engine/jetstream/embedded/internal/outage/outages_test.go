//go:build unix

package outage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestPoison submits a task that kills every process that runs it, among others. It alone is
// condemned.
func TestPoison(t *testing.T) {
	t.Parallel()
	s := newSite(t, time.Second)
	s.one()
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

// TestServerKilledAtOnce kills the server while tasks are submitted and nobody works. Then
// every task is accepted once, even if its submitter had to submit it again because the
// server died before it could answer.
func TestServerKilledAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, time.Second)
	server := s.one()[0]
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

// TestServerKilled kills the server while tasks are submitted and run, several times, and starts it
// again on its folder: submitters and workers go on by themselves. With three servers it kills the
// one that leads the queue, and the others go on without it.
func TestServerKilled(t *testing.T) {
	for name, begin := range map[string]func(s *site) []*process{
		"one":   (*site).one,
		"three": (*site).three,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 2*time.Second)
			nodes := begin(s)
			s.worker("worker", 4)
			s.worker("worker", 4)
			submitters := s.submitters(part{Callers: 3, Pause: 5 * time.Millisecond})
			s.awaitAccepted(300)
			if name == "three" {
				leader := s.leader(nodes)
				leader.kill()
				s.awaitAccepted(750)
				s.again(leader).awaitReady()
			} else {
				for i := range 3 {
					nodes[0].kill()
					time.Sleep(time.Duration(i) * 400 * time.Millisecond) // how long there is no server
					nodes[0] = s.again(nodes[0])
					s.awaitAccepted(300)
				}
			}
			s.awaitAccepted(300)
			s.finish(submitters)
			s.check()
		})
	}
}
