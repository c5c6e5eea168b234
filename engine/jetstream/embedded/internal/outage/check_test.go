//go:build unix

package outage

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// check is the end of every test. It waits until everything that was submitted is done, stops
// the workers, and compares what there is with what was reported. The submitters are done or
// dead by then.
func (s *site) check() {
	t := s.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	reader, drv := s.join(nil)
	var waited error
	over := false
	go func() {
		err := reader.Wait(ctx)
		s.note(func() { waited, over = err, true })
	}()
	s.await("the queue is empty", func() bool { return over })
	require.NoError(t, waited, "the queue does not become empty")
	for _, w := range slices.Clone(s.workers) {
		w.stop() // and everything that it has reported was heard
	}
	s.insist(ctx, func() error {
		size, err := drv.Size(ctx)
		assert.Zero(t, size, "the queue is not empty")
		return err
	})

	// One record for each ID, and for each record one result of the pool.
	records := make(map[uint64]int)
	s.insist(ctx, func() error {
		clear(records)
		for rec, err := range drv.All(ctx) {
			if err != nil {
				return err
			}
			records[rec.ID]++
		}
		return nil
	})
	for id, n := range records {
		if n > 1 {
			t.Errorf("there are %d records with ID %d", n, id)
		}
	}
	var results map[store.ID]store.Result[proof]
	s.insist(ctx, func() (err error) {
		results, err = reader.Results(ctx)
		return err
	})
	assert.Len(t, results, len(records))

	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Empty(t, s.wrong)
	s.compare(results)
	s.countRuns()
	s.log("%d tasks were accepted, %d results are right, after %d outages", len(s.given), len(results), s.outages)
	assert.NotEmpty(t, s.given, "nothing was accepted")
}

// insist asks until there is an answer: after cuts and deaths, replicas may take a while to
// agree on a leader.
func (s *site) insist(ctx context.Context, ask func() error) {
	s.t.Helper()
	err := ask()
	for ; err != nil && ctx.Err() == nil; err = ask() {
		time.Sleep(askAgain)
	}
	require.NoError(s.t, err)
}

// keysKnown is how long an engine remembers the key of a Push, by its contract.
const keysKnown = 10 * time.Second

// compare compares the results with what was accepted. mu is held.
func (s *site) compare(results map[store.ID]store.Result[proof]) {
	t := s.t
	for id, n := range s.ids {
		res, ok := results[id]
		switch {
		case !ok:
			t.Errorf("task %d was accepted with ID %d, and has no result", n, id)
		case s.poison[n]:
			assert.ErrorIs(t, res.Err, pool.ErrPoisoned, "task %d, ID %d", n, id)
		case !isRight(res, n):
			t.Errorf("the result of task %d, ID %d, is %+v", n, id, res)
		case s.read[n] != "" && s.read[n] != res.Value.By:
			t.Errorf("the result of task %d, ID %d, has changed from that of run %s to that of run %s", n, id, s.read[n], res.Value.By)
		}
	}
	// A submitter may die after a task was accepted and before it can report so. Such a task
	// has at most one result, too, with one exception. The keys of tasks that are done are
	// not on the disk. When all servers that knew such a key have died, and the submitter
	// has not heard that the task was accepted, then it submits the task again, and the task
	// is accepted again with another ID. The same holds if the servers could not be reached
	// for longer than they remember keys, as on a machine that is too busy to elect a leader.
	forgotten := s.servers > s.replicas/2 || s.silence > keysKnown
	seen := make(map[uint64]store.ID)
	again := 0
	for id, res := range results {
		if _, ok := s.ids[id]; ok || errors.Is(res.Err, pool.ErrPoisoned) {
			continue
		}
		n := res.Value.N
		other, twice := s.given[n]
		if !twice {
			other, twice = seen[n]
		}
		seen[n] = id
		switch {
		case s.tried[n] == nil || !isRight(res, n):
			t.Errorf("there is a result that belongs to no task, with ID %d: %+v", id, res)
		case twice && forgotten:
			again++
		case twice:
			t.Errorf("task %d was accepted twice, with ID %d and ID %d", n, id, other)
		case s.tried[n].done:
			t.Errorf("task %d has a result with ID %d, which nobody was given", n, id)
		}
	}
	if again > 0 {
		s.log("%d tasks were accepted twice, since %d times a server forgot their keys", again, s.servers)
	}
}

// countRuns counts how often tasks were run. mu is held.
func (s *site) countRuns() {
	more := 0
	for n, runs := range s.runs {
		if s.tried[n] == nil {
			s.t.Errorf("task %d was run, and nobody has submitted it", n)
		}
		if runs > 1+s.outages {
			s.t.Errorf("task %d was run %d times, after %d outages", n, runs, s.outages)
		}
		if runs > 1 {
			more++
		}
	}
	for n := range s.given {
		if s.runs[n] == 0 {
			s.t.Errorf("task %d was accepted, and not run", n)
		}
	}
	s.log("%d tasks were run more than once", more)
}
