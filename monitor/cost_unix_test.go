//go:build unix && !race

package monitor_test

import (
	"context"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// A pool of 10,000 workers, all of which run a task, is looked at for an hour of the bubble's time. That takes less than
// 0.1 % of a core. The least of several measurements counts, since the garbage of other tests is collected as well.
func TestLookCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, minute = 10_000, time.Minute
		gate := make(chan struct{})
		p, err := pool.New(context.Background(), func(context.Context, int) (int, error) { <-gate; return 0, nil },
			dense.New[int](), &pool.Options{Workers: workers, Queue: 2 * workers})
		require.NoError(t, err)
		_, err = p.SubmitAll(t.Context(), make([]int, 2*workers))
		require.NoError(t, err)
		synctest.Wait()
		require.EqualValues(t, workers, p.Stats().Running)

		m := newMonitor(t, nil)
		m.Add("p", p)
		v := view(m, "/events", true)
		least := minute
		for range 5 {
			before := processorTime(t)
			time.Sleep(minute)
			least = min(least, processorTime(t)-before)
		}
		t.Logf("%v for a minute", least)
		assert.Less(t, least, minute/1000)
		v.leave()
		close(gate)
		require.NoError(t, p.Stop(t.Context()))
	})
}

// processorTime is what this process has used.
func processorTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
