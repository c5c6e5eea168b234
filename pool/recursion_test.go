package pool_test

import (
	"context"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// Tasks that submit tasks, nobody knows how many, end with Queue: math.MaxInt, which takes memory as the
// queue fills and gives it back. With less room some Submit says ErrQueueFull: it does not wait.
func TestRecursion(t *testing.T) {
	const depth, each = 4, 18 // 18^4 leaves, which all wait when the first one runs
	leaves, tasks := uint64(each*each*each*each), uint64(1+each+each*each+each*each*each+each*each*each*each)
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for name, room := range map[string]int{"enough": math.MaxInt, "too little": int(leaves) - 100} {
		t.Run(name, func(t *testing.T) {
			checkGoroutines(t)
			st := dense.New[int]()
			before, full := heap(), int64(0)
			var p *pool.Pool[int, int]
			p, err := pool.New(t.Context(), func(ctx context.Context, level int) (int, error) {
				if level == depth && full == 0 {
					full = heap()
				}
				for range each {
					if level == depth {
						break
					}
					if _, err := p.Submit(ctx, level+1); err != nil {
						return 0, err
					}
				}
				return level, nil
			}, st, &pool.Options{Workers: 1, Queue: room})
			require.NoError(t, err)
			_, err = p.Submit(t.Context(), 0)
			require.NoError(t, err)
			require.NoError(t, p.Wait(t.Context()))
			s := p.Stats()
			if room == math.MaxInt {
				assert.Equal(t, pool.Stats{Submitted: tasks, Succeeded: tasks, Workers: 1}, counts(s))
			} else {
				assert.NotZero(t, s.Failed, "tasks that had to submit others")
			}
			for res := range st.All(t.Context()) {
				if res.Err != nil {
					assert.Equal(t, pool.ErrQueueFull, res.Err)
				}
				require.NoError(t, st.Delete(t.Context(), res.ID))
			}
			assert.Greater(t, full-before, int64(16*leaves), "bytes while the queue is full")
			assert.Less(t, heap()-before, int64(256<<10), "bytes when all is over")
			require.NoError(t, p.Stop(t.Context()))
			runtime.KeepAlive(st)
		})
	}
}
