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

// check is the end of every test: it waits until all that was submitted is done, has the
// workers stop, and compares what there is with what was said. The submitters are done,
// or dead.
func (s *site) check() {
	t := s.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	reader, drv := s.join()
	waited := make(chan error, 1)
	go func() { waited <- reader.Wait(ctx) }()
	for over := false; !over; {
		news := s.newsOf()
		s.tend()
		select {
		case <-news:
		case err := <-waited:
			size, sizeErr := drv.Size(t.Context())
			require.NoError(t, err, "the queue does not become empty: there are %d tasks (%v)\n%s", size, sizeErr, s.queue(err))
			over = true
		}
	}
	for _, w := range slices.Clone(s.workers) {
		w.stop() // and all that it has said was heard
	}
	require.NoError(t, insist(ctx, func() error {
		size, err := drv.Size(ctx)
		assert.Zero(t, size, "the queue is not empty")
		return err
	}))

	// One record for each ID, and of the pool one result for each record.
	records := make(map[uint64]int)
	require.NoError(t, insist(ctx, func() error {
		clear(records)
		for rec, err := range drv.All(ctx) {
			if err != nil {
				return err
			}
			records[rec.ID]++
		}
		return nil
	}))
	for id, n := range records {
		if n > 1 {
			t.Errorf("there are %d records with ID %d", n, id)
		}
	}
	var results map[store.ID]store.Result[proof]
	require.NoError(t, insist(ctx, func() (err error) {
		results, err = reader.Results(ctx)
		return err
	}))
	assert.Len(t, results, len(records))

	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Empty(t, s.wrong)
	s.compareLocked(results)
	s.countRunsLocked()
	s.log("%d tasks were accepted, %d results are right, after %d outages", len(s.given), len(results), s.outages)
	assert.NotEmpty(t, s.given, "nothing was accepted")
}

// insist asks until there is an answer, or ctx is done: after cuts and deaths, replicas may
// take a while to agree on who leads.
func insist(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(askAgain)
	}
}

// keysKnown is for how long an engine knows the key of a Push, as its contract has it.
const keysKnown = 10 * time.Second

// compareLocked compares the results with what was accepted.
func (s *site) compareLocked(results map[store.ID]store.Result[proof]) {
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
	// A task may have been accepted and its submitter have died before it could say so.
	// It has one result at most, too, unless all servers have died that knew the keys of
	// tasks that are done: they are not on the disk. Then a task whose acceptance was not
	// heard, and which was done before that, is accepted once more, with another ID, when
	// its submitter tries again. The same holds if the servers could not be reached for longer
	// than they remember keys, as on a machine that is too busy to elect a leader.
	forgotten := s.servers > s.replicas/2 || s.silence > keysKnown
	seen := make(map[uint64]store.ID)
	again := 0
	for id, res := range results {
		if _, ok := s.ids[id]; ok {
			continue
		}
		if errors.Is(res.Err, pool.ErrPoisoned) {
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
			t.Errorf("there is a result of no task, with ID %d: %+v", id, res)
		case twice && forgotten:
			again++
		case twice:
			t.Errorf("task %d was accepted twice, with ID %d and ID %d", n, id, other)
		case s.tried[n].done:
			t.Errorf("task %d has a result with ID %d, and nobody was given that", n, id)
		}
	}
	if again > 0 {
		s.log("%d tasks were accepted twice, since %d times a server forgot their keys", again, s.servers)
	}
}

// countRunsLocked counts how often tasks were run.
func (s *site) countRunsLocked() {
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
