package outage

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestCutOff cuts off the one of three servers which leads the queue, for four seconds,
// and then a worker, for longer than its lease. Both go on afterwards.
func TestCutOff(t *testing.T) {
	t.Parallel()
	sb := newSwitchboard(t)
	s := newSite(t, 2*time.Second)
	s.net = sb
	nodes := s.nodes([]string{sb.host(1), sb.host(2), sb.host(3)})
	s.worker("worker", 4)
	victim := s.worker("victim", 4)
	many := part{First: 1, Count: 1 << 20, Callers: 2, Cost: 20 * time.Millisecond, Pause: 50 * time.Millisecond}
	first := s.submitter("submitter", many)
	many.First += many.Count
	many.Batch = 5
	second := s.submitter("submitter", many)
	s.awaitMore("tasks are accepted", 100, func() int { return len(s.given) })

	const silence = 4 * time.Second
	leader := s.leader(nodes)
	assert.True(t, sb.reaches(leader))
	sb.cut(leader)
	assert.False(t, sb.reaches(leader))
	time.Sleep(silence)
	sb.heal(leader)
	s.awaitMore("tasks are accepted", 100, func() int { return len(s.given) })
	s.awaitMore("tasks are run by the victim", 10, func() int { return len(victim.began) })

	// Again, if it had nothing to do just then.
	before := s.runAgain(victim)
	for tries := 0; s.runAgain(victim) == before && tries < 5; tries++ {
		assert.True(t, sb.reaches(victim))
		sb.cut(victim)
		assert.False(t, sb.reaches(victim))
		time.Sleep(silence)
		sb.heal(victim)
		s.awaitMore("tasks are run by the victim", 10, func() int { return len(victim.began) })
	}

	for _, sub := range []*process{first, second} {
		sub.signal(syscall.SIGTERM)
		sub.awaitDone()
	}
	s.check()
	assert.Greater(t, s.runAgain(victim), before, "the victim was not cut off from any task")
}

// runAgain returns how many of the tasks that a worker has begun were run more than once.
func (s *site) runAgain(worker *process) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	again := 0
	for _, n := range worker.began {
		if s.runs[n] > 1 {
			again++
		}
	}
	return again
}
