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

// A task that is to run again holds no worker until then, for longer than a lease. It is with the engine, if that can wait,
// or else stays with the pool. Nobody sees a result before, and it is run as often as it asks to, also if it was
// delivered often before: it is no suspect.
func TestJoinRetryAfter(t *testing.T) {
	type memory = *enginetest.Memory
	for name, row := range map[string]struct {
		open  func(memory) engine.Engine
		waits bool
	}{
		"waits, counts starts":             {func(m memory) engine.Engine { return m.Open() }, true},
		"waits, cannot count starts":       {func(m memory) engine.Engine { return delaying{m.Open(), m} }, true},
		"cannot wait, counts starts":       {func(m memory) engine.Engine { return marking{m.Open(), m} }, false},
		"cannot wait, cannot count starts": {func(m memory) engine.Engine { return unmarked{m.Open()} }, false},
		"nothing is optional":              {func(m memory) engine.Engine { return bare{m.Open()} }, false},
	} {
		for _, deliveries := range []int{1, 4} { // from 3 on its starts are counted
			bubble(t, name, func(t *testing.T) {
				memory := newMemory(100)
				id := pulled(t, memory, 1, deliveries)
				var noted []int
				p, _ := join(t, row.open(memory), retrying(50, 2*lease, &noted), &pool.Options{Workers: 1})
				begun := time.Now()
				time.Sleep(2 * lease) // that of the last one who had it ends
				s := p.Stats()
				checkStats(t, s)
				want := []uint64{1, 0, 0}
				if row.waits {
					want = []uint64{0, 0, 1}
				}
				assert.Equal(t, want, []uint64{s.Queued, s.Running, s.NotRun})
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

// unmarked is an engine that cannot count starts, nor wait.
type unmarked struct {
	engine.Engine
}

// delaying is an engine that cannot count starts, and can wait.
type delaying struct {
	engine.Engine
	engine.DelayedNacker
}

// marking is an engine that counts starts, and cannot wait.
type marking struct {
	engine.Engine
	engine.StartMarker
}

// What the engine has until its next run is run by any pool, at its time, also when that which had it is gone; and its
// runs are counted on. Stop of a pool waits for none of it, and the pool's cancel ends none of it.
func TestJoinRetryIsRunElsewhere(t *testing.T) {
	for name, end := range map[string]func(p *pool.Pool[int, int], cancel context.CancelCauseFunc) error{
		"Stop": func(p *pool.Pool[int, int], _ context.CancelCauseFunc) error { return p.Stop(context.Background()) },
		"cancel": func(p *pool.Pool[int, int], cancel context.CancelCauseFunc) error {
			cancel(errCause)
			<-p.Done()
			return nil
		},
	} {
		for _, running := range []bool{false, true} {
			bubble(t, name, func(t *testing.T) {
				memory := newMemory(100)
				gate := make(chan struct{})
				var first, second []int
				retry := retrying(2, lease/2, &first)
				p, cancel := join(t, memory.Open(), func(ctx context.Context, in int) (int, error) {
					if running {
						<-gate
					}
					return retry(ctx, in)
				}, &pool.Options{Workers: 1})
				id := accepted(t, p, 3)[0]
				synctest.Wait()
				begun := time.Now()
				ended := begin(func() error { return end(p, cancel) })
				if running {
					ended.waits(t)
					close(gate)
				}
				assert.NoError(t, ended.returns(t))
				assert.False(t, p.Cancel(id, nil), "the engine has it")
				other, _ := join(t, memory.Open(), retrying(2, 2*lease, &second), &pool.Options{Workers: 1})
				has(t, other, id, 6)
				assert.InDelta(t, lease/2+2*lease, time.Since(begun), float64(lease/10))
				assert.Equal(t, []int{1}, first)
				assert.Equal(t, []int{2, 3}, second)
				require.NoError(t, other.Stop(t.Context()))
			})
		}
	}
}

// An engine that does not take a task back delivers it when the lease has ended, as one whose run nobody knows of; and
// from a Cancel on there is nothing to give back.
func TestJoinRetryIsNotGivenBack(t *testing.T) {
	bubble(t, "the engine fails", func(t *testing.T) {
		memory := newMemory(100)
		var noted []int
		eng := faulty(memory, enginetest.Faults{NackAfter: enginetest.First(1, enginetest.Fail(errDown))})
		p, _ := join(t, eng, retrying(1, lease/4, &noted), &pool.Options{Workers: 1})
		begun := time.Now()
		has(t, p, accepted(t, p, 3)[0], 6)
		assert.InDelta(t, lease+lease/4, time.Since(begun), float64(lease/10))
		assert.Equal(t, []int{1, 1, 2}, noted)
	})
	bubble(t, "the engine hangs once", func(t *testing.T) {
		var noted []int
		eng := faulty(newMemory(100), enginetest.Faults{NackAfter: enginetest.First(1, hang)})
		p, _ := join(t, eng, retrying(3, lease/4, &noted), &pool.Options{Workers: 1})
		has(t, p, accepted(t, p, 3)[0], 6)
		assert.Equal(t, []int{1, 1, 2, 3, 4}, noted)
	})
	bubble(t, "Cancel", func(t *testing.T) {
		gate := make(chan struct{})
		p, _ := join(t, newMemory(100), func(_ context.Context, in int) (int, error) {
			<-gate
			return in, pool.RetryAfter(lease, errTask)
		}, &pool.Options{Workers: 1})
		id := accepted(t, p, 3)[0]
		synctest.Wait()
		assert.True(t, p.Cancel(id, errCause))
		close(gate)
		res, err := p.Result(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 3, res.Value)
		assert.EqualError(t, res.Err, errTask.Error()+": "+errCause.Error())
	})
}

// What a pool itself has until its next attempt is given back at Stop and at the pool's cancel, without a result, and
// another pool runs it at once; so is one whose function asks for it then. Wait, of any pool, waits for it.
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
				p, cancel := join(t, sizing{memory.Open(), memory}, func(ctx context.Context, in int) (int, error) {
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

// sizing is an engine that can do nothing optional but tell its size.
type sizing struct {
	engine.Engine
	engine.Sizer
}
