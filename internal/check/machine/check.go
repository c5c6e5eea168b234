package machine

import (
	"context"
	"slices"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/resultpool/resultpool/store"
)

// check lets the pool and the model come to rest, and compares them.
func (m *Machine) check(t *rapid.T) {
	// A batch that waits for room is looked after when half of the queue is free, or
	// when anybody takes the pool's lock, as Stats does.
	batch := slices.ContainsFunc(m.blocked, func(c *call) bool { return c.batch })
	m.settle()
	synctest.Wait()
	if batch {
		m.p.Stats()
		synctest.Wait()
	}
	for _, j := range m.jobs {
		if j.id != 0 {
			m.byID[j.id] = j
		}
	}
	m.checkCalls(t)
	m.checkJobs(t)
	got, want := m.p.Stats(), m.stats()
	failing := got.Failing
	if got.Failing = want.Failing; got != want {
		t.Fatalf("Stats is %+v, want %+v", got, want)
	}
	retried := want.Unsaved > uint64(len(m.unsaved))
	if failing.Since.IsZero() == retried || (failing.Err != nil) != retried {
		t.Fatalf("Stats.Failing is %+v, with %d results that wait and were not given up", failing, want.Unsaved-uint64(len(m.unsaved)))
	}
	select {
	case <-m.p.Done():
		if !m.ended {
			t.Fatalf("Done is closed, and there is something left")
		}
	default:
		if m.ended {
			t.Fatalf("Done is open, and nothing is left")
		}
	}
	m.checkStore(t)
}

func (m *Machine) checkCalls(t *rapid.T) {
	var open []*call
	for _, c := range m.calls {
		if err := c.check(m.byID); err != nil {
			t.Fatalf("%v", err)
		}
		if !c.checked {
			open = append(open, c)
		}
	}
	m.calls = open
}

func (m *Machine) checkJobs(t *rapid.T) {
	for _, j := range m.jobs {
		want := 0
		if j.id != 0 && j.notRun == nil && j.stage != queued {
			want = 1
		}
		if got := j.Ran(); got != want {
			t.Fatalf("%v has started %d times, want %d", j, got, want)
		}
		if ctx := j.ctx.Load(); ctx != nil && j.stage == running {
			if cause := context.Cause(*ctx); m.cancelled != (cause == errCause) { //nolint:errorlint // the very error
				t.Fatalf("cancelled is %t, and the cause of the context of %v is %v", m.cancelled, j, cause)
			}
		}
	}
}

func (m *Machine) checkStore(t *rapid.T) {
	all, err := store.Snapshot(context.Background(), m.st)
	if err != nil {
		t.Fatalf("Snapshot: %v", err)
	}
	for id, j := range m.held {
		res, ok := all[id]
		if !ok {
			t.Fatalf("the result of %v is not in the store", j)
		}
		if err := j.check(res.Value, res.Err); err != nil {
			t.Fatalf("stored: %v", err)
		}
		delete(all, id)
	}
	for _, res := range all {
		t.Fatalf("the store holds %+v, and should not", res)
	}
}
