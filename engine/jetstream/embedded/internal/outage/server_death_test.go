//go:build unix

package outage

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestServerKilledAtOnce kills the server in the midst of submits, while nobody works. Then
// every task is accepted once, also those that a submitter had to submit again since the
// server has died before it said that it has them.
func TestServerKilledAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, 2*time.Second)
	server := s.embedded()
	const count = 400
	submitter := s.submitter("submitter", part{First: 1, Count: 10 * count, Callers: 8, Batch: 10})
	for i := range 4 {
		want := (i + 1) * count
		s.await(fmt.Sprintf("%d tasks are accepted", want), func() bool { return len(s.given) >= want })
		server.kill()
		server = s.again(server)
	}
	submitter.awaitDone()
	s.worker("worker", 8)
	s.check()
	assert.Len(t, s.given, 10*count)
}

// TestServerKilled kills the server in the midst of submits, several times, and starts it
// again on its folder. Submitters and workers go on by themselves.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, 2*time.Second)
	server := s.embedded()
	s.worker("worker", 4)
	s.worker("worker", 4)
	const count = 600
	submitters := []*process{
		s.submitter("submitter", part{First: 1, Count: count, Callers: 4, Pause: 2 * time.Millisecond}),
		s.submitter("submitter", part{First: 1 + count, Count: count, Batch: 10, Callers: 2, Pause: 20 * time.Millisecond}),
	}
	for i := range 3 {
		want := (i + 1) * 2 * count / 4
		s.await(fmt.Sprintf("%d tasks are accepted", want), func() bool { return len(s.given) >= want })
		server.kill()
		time.Sleep(time.Duration(i) * 400 * time.Millisecond) // for so long there is none
		server = s.again(server)
	}
	for _, sub := range submitters {
		sub.awaitDone()
	}
	s.check()
}

// TestLeaderKilled kills that of three servers which leads the queue, and starts it again
// later. The others go on without it.
func TestLeaderKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, 2*time.Second)
	nodes := s.three()
	s.worker("worker", 4)
	s.worker("worker", 4)
	const count = 1000
	submitters := []*process{
		s.submitter("submitter", part{First: 1, Count: count, Callers: 4, Pause: 5 * time.Millisecond}),
		s.submitter("submitter", part{First: 1 + count, Count: count, Batch: 10, Callers: 2, Pause: 20 * time.Millisecond}),
	}
	s.await("some tasks are accepted", func() bool { return len(s.given) > count/4 })
	leader := s.leader(nodes)
	leader.kill()
	s.await("more are accepted", func() bool { return len(s.given) > count })
	leader = s.again(leader)
	for _, sub := range submitters {
		sub.awaitDone()
	}
	leader.awaitReady()
	s.check()
}
