package monitor_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/monitor"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// A pool is shown as it is: what waits and runs, and for how long, what failed and how long tasks took.
func TestMonitorOfAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		gate := make(chan struct{})
		p, err := pool.New(t.Context(), func(ctx context.Context, n int) (int, error) {
			switch n {
			case 0:
				return 0, errors.New("secret")
			case 1:
				panic("secret")
			case 2:
				time.Sleep(300 * time.Millisecond)
				return 0, nil
			default:
				<-gate
				return 0, nil
			}
		}, dense.New[int](), &pool.Options{Workers: 2, Queue: 3, Hooks: m.Hooks("jobs")})
		require.NoError(t, err)
		defer m.Add("jobs", p)()
		v := view(m, "/events", true)
		_, err = p.SubmitAll(t.Context(), []int{0, 1, 2, 3, 3})
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = p.SubmitAll(t.Context(), []int{3, 3, 3})
		require.NoError(t, err)
		_, err = p.TrySubmit(3)
		require.ErrorIs(t, err, pool.ErrQueueFull)
		time.Sleep(70 * time.Second)
		synctest.Wait()

		one := stats(t, m)
		assert.Equal(t, 3, one.Queued)
		assert.Equal(t, 2, one.Running)
		assert.Equal(t, 2, one.Stuck)
		assert.Equal(t, "6", one.Oldest)
		assert.InDelta(t, 70, *one.OldestSeconds, 1.1)
		assert.InDelta(t, 71, *one.LongestRunningSeconds, 1.1)
		require.Len(t, one.Errors, 2)
		kinds := []string{one.Errors[0].Kind, one.Errors[1].Kind}
		slices.Sort(kinds)
		assert.Equal(t, []string{"Failed: *errors.errorString", "Panicked: string"}, kinds)
		text := get(m, "/metrics").Body.String()
		assert.Contains(t, text, `resultpool_submissions_refused_total{pool="jobs"} 1`)
		assert.Contains(t, text, `resultpool_queue_capacity{pool="jobs"} 3`)
		assert.NotContains(t, text+get(m, "/stats").Body.String(), "secret")

		close(gate)
		require.NoError(t, p.Stop(t.Context()))
		time.Sleep(2 * time.Second)
		v.leave()
		events := v.got(t)
		assert.Equal(t, 0, decode(t, events[len(events)-1]).Pools[0].Queued)
	})
}

// What has gone wrong in the monitor is not the pool's concern.
func TestMonitorHarmsNoPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		m := newMonitor(t, &monitor.Options{Stuck: 1, OnStuck: func(string, store.ID, time.Duration) { <-gate }})
		p, err := pool.New(t.Context(), func(_ context.Context, n int) (int, error) {
			if n == 0 {
				time.Sleep(time.Hour)
			}
			return 0, panics{}
		}, dense.New[int](), &pool.Options{Workers: 2, Hooks: m.Hooks("p")})
		require.NoError(t, err)
		m.Add("p", p)
		m.Add("bad", &fake{before: func() { panic(1) }})
		deaf := view(m, "/events", false)
		_, err = p.Submit(t.Context(), 0)
		require.NoError(t, err)
		time.Sleep(10 * time.Minute) // OnStuck blocks
		start := time.Now()
		for range 1000 {
			id, err := p.Submit(t.Context(), 1)
			require.NoError(t, err)
			_, err = p.Get(t.Context(), id)
			require.Equal(t, panics{}, err)
		}
		assert.Zero(t, time.Since(start))
		assert.Equal(t, 1000, decode(t, get(m, "/stats").Body.String()).Pools[0].Errors[0].Count)
		close(gate)
		require.NoError(t, p.Stop(t.Context()))
		require.NoError(t, m.Close())
		<-deaf.ended
	})
}
