package pool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/pool"
)

// retrying returns a function that asks n times to run again after d, notes which attempt each run is, and
// doubles then.
func retrying(n int, d time.Duration, noted *[]int) func(context.Context, int) (int, error) {
	return func(ctx context.Context, in int) (int, error) {
		this, _ := pool.TaskFromContext(ctx)
		*noted = append(*noted, this.Attempt)
		if this.Attempt <= n {
			return this.Attempt, pool.RetryAfter(d, errTask)
		}
		return 2 * in, nil
	}
}

// A task that is to run again stays with the pool that has it, for longer than the lease, and holds no worker. Nobody
// sees a result before, and it is run as often as it asks to, also if it was delivered often before: it is no suspect.
func TestJoinRetryAfter(t *testing.T) {
	for name, open := range map[string]func(memory *enginetest.Memory) engine.Engine{
		"counts starts":       func(memory *enginetest.Memory) engine.Engine { return memory.Open() },
		"cannot count starts": func(memory *enginetest.Memory) engine.Engine { return unmarked{memory.Open()} },
		"nothing is optional": func(memory *enginetest.Memory) engine.Engine { return bare{memory.Open()} },
	} {
		for _, deliveries := range []int{1, 4} { // from 3 on its starts are counted
			bubble(t, name, func(t *testing.T) {
				memory := newMemory(100)
				id := pulled(t, memory, 1, deliveries)
				var noted []int
				p, _ := join(t, open(memory), retrying(50, 2*lease, &noted), &pool.Options{Workers: 1})
				begun := time.Now()
				time.Sleep(2 * lease) // that of the last one who had it ends
				s := p.Stats()
				checkStats(t, s)
				assert.Equal(t, []uint64{1, 0}, []uint64{s.Queued, s.Running})
				assert.Empty(t, p.Running())
				_, state, err := p.Peek(t.Context(), id)
				assert.NoError(t, err)
				assert.Equal(t, pool.Pending, state)
				has(t, p, id, 2)
				assert.InDelta(t, 101*lease, time.Since(begun), float64(lease), "all the pauses")
				assert.Len(t, noted, 51)
				assert.Equal(t, 51, noted[50])
				require.NoError(t, p.Stop(t.Context()))
				assert.EqualValues(t, 1, p.Stats().Succeeded)
			})
		}
	}
}

// unmarked is an engine that cannot count starts.
type unmarked struct {
	engine.Engine
}

// What waits for its next attempt is given back at Stop and at the pool's cancel, without a result, and another pool
// runs it at once; so is one whose function asks for it then. Wait, of any pool, waits for it.
func TestJoinRetryIsGivenBack(t *testing.T) {
	for name, end := range map[string]func(p *pool.Pool[int, int], cancel context.CancelCauseFunc) error{
		"Stop": func(p *pool.Pool[int, int], _ context.CancelCauseFunc) error { return p.Stop(context.Background()) },
		"cancel": func(p *pool.Pool[int, int], cancel context.CancelCauseFunc) error {
			cancel(errCause)
			<-p.Done()
			return nil
		},
		"Resize(0), Stop": func(p *pool.Pool[int, int], _ context.CancelCauseFunc) error {
			return errors.Join(p.Resize(0), p.Stop(context.Background()))
		},
	} {
		for _, running := range []bool{false, true} {
			bubble(t, name, func(t *testing.T) {
				memory := newMemory(100)
				gate := make(chan struct{})
				var first, second []int
				retry := retrying(1, 5*lease, &first)
				p, cancel := join(t, memory.Open(), func(ctx context.Context, in int) (int, error) {
					if running {
						<-gate
					}
					return retry(ctx, in)
				}, &pool.Options{Workers: 1})
				id := accepted(t, p, 3)[0]
				synctest.Wait()
				wait := begin(func() error { return p.Wait(context.Background()) })
				wait.waits(t)
				if !running {
					close(gate)
				}
				other, _ := join(t, memory.Open(), retrying(0, 0, &second), &pool.Options{Workers: 1})
				ended := begin(func() error { return end(p, cancel) })
				if running {
					ended.waits(t)
					close(gate)
				}
				begun := time.Now()
				assert.NoError(t, ended.returns(t))
				has(t, other, id, 6)
				assert.Less(t, time.Since(begun), lease, "it was given back, and no lease has ended")
				<-wait.done
				assert.NoError(t, wait.err)
				assert.Equal(t, []int{1}, first)
				assert.Equal(t, []int{1}, second, "attempts are counted by each pool")
				s := p.Stats()
				checkStats(t, s)
				assert.EqualValues(t, 1, s.NotRun)
				require.NoError(t, other.Stop(t.Context()))
			})
		}
	}
}
