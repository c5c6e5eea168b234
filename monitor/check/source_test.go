package check

import (
	"context"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// source is a pool that stands still, and may have an engine that fails.
type source struct {
	failing error
}

func (s source) Stats() (st pool.Stats) {
	st = pool.Stats{Submitted: 18_230, Succeeded: 17_900, NotRun: 0, Queued: 322, Running: 8, Workers: 8, Capacity: 1024, Oldest: 17_909}
	if s.failing != nil {
		st.Unsaved, st.Failing.Since, st.Failing.Err = 3, time.Now().Add(-5*time.Minute), s.failing
	}
	return st
}

func (s source) Running() []store.ID {
	return []store.ID{17_901, 17_902, 17_903, 17_904, 17_905, 17_906, 17_907, 17_908}
}

// Size makes it a monitor.SharedQueue.
func (s source) Size(context.Context) (uint64, error) { return 0, s.failing }
