package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// isNotRun requires that the result of a task says that it was not run because of cause.
func isNotRun(t *testing.T, p taskPool, id store.ID, cause error) {
	t.Helper()
	_, err := p.Get(t.Context(), id)
	matchesAll(t, err, pool.ErrNotRun, cause)
	assert.Equal(t, err, held(t, p, id).Err)
}

// A task that waits is not run, wherever in the line it is. Those who wait for its result have it at
// once, and others its room, while all workers are busy. The rest runs.
func TestCancelWhatWaits(t *testing.T) {
	for _, batch := range []bool{false, true} {
		for place := range 3 {
			bubble(t, "", func(t *testing.T) {
				p, gate, running, second, third := busyPool(t, newTestStore(nil).as(batch))
				ids := []store.ID{second, third, submit(t, p, value(4))}
				id := ids[place]
				full := p.submitting(value(5))
				get := p.getting(id)
				full.waits(t)
				get.waits(t)
				assert.True(t, p.Cancel(id, errCause))
				assert.NoError(t, full.returns(t), "no room")
				matchesAll(t, get.returns(t), pool.ErrNotRun, errCause)
				isNotRun(t, p, id, errCause)
				assert.False(t, p.Cancel(id, errCause), "it has ended")
				more := p.submitting(value(6))
				more.waits(t)
				s := p.Stats()
				checkStats(t, s)
				assert.Equal(t, []uint64{3, 1, 1}, []uint64{s.Queued, s.Running, s.NotRun})
				assert.Equal(t, []store.ID{running}, p.Running())

				close(gate)
				assert.NoError(t, more.returns(t))
				assert.NoError(t, p.Wait(t.Context()))
				s = p.Stats()
				assert.Equal(t, []uint64{6, 5, 1}, []uint64{s.Submitted, s.Succeeded, s.NotRun})
				assert.NoError(t, p.Stop(t.Context()), "a task that was called off is no reason for an error")
				assert.Equal(t, 6, holds(t, p))
			})
		}
	}
}

// Cancel does not wait for the store. Until the result is stored, the task counts as running, is
// waited for, and is not called off again; its turn may come before.
func TestCancelWhileStoreHangs(t *testing.T) {
	for _, turnFirst := range []bool{false, true} {
		bubble(t, "", func(t *testing.T) {
			store1 := make(chan struct{})
			d := newTestStore(nil)
			d.put = func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
				if slices.Contains(ids, 2) {
					<-store1
				}
				return do(ctx)
			}
			p, gate, running, queued, last := busyPool(t, d)
			opensAtEnd(t, store1)
			assert.True(t, p.Cancel(queued, errCause))
			synctest.Wait()
			assert.False(t, p.Cancel(queued, errCause))
			get, wait, stop := p.getting(queued), p.waiting(), p.stopping()
			s := p.Stats()
			checkStats(t, s)
			assert.Equal(t, []uint64{1, 2, 0}, []uint64{s.Queued, s.Running, s.NotRun})
			assert.Equal(t, []store.ID{running, queued}, p.Running())
			if turnFirst {
				close(gate)
				synctest.Wait()
				assert.Equal(t, 3, held(t, p, last).Value, "it waits behind the one that is called off")
				assert.Equal(t, []store.ID{queued}, p.Running())
				checkStats(t, p.Stats())
			}
			for _, c := range []*pending{get, wait, stop} {
				c.waits(t)
			}
			close(store1)
			matchesAll(t, get.returns(t), pool.ErrNotRun, errCause)
			checkStats(t, p.Stats())
			if !turnFirst {
				close(gate)
			}
			assert.NoError(t, wait.returns(t))
			assert.NoError(t, stop.returns(t))
		})
	}
}

// The context of a task that runs ends with the cause, whether it is used before or later, and that of no
// other. What the function returns is the result.
func TestCancelWhatRuns(t *testing.T) {
	for name, use := range map[string]func(ctx context.Context){
		"unused": func(context.Context) {},
		"Err":    func(ctx context.Context) { assert.NoError(t, ctx.Err()) },
		"Done":   func(ctx context.Context) { assert.False(t, isClosed(ctx.Done())) },
	} {
		for _, batch := range []bool{false, true} {
			bubble(t, name, func(t *testing.T) {
				p := newPool(t, &pool.Options{Workers: 2}, newTestStore(nil).as(batch))
				gate := make(chan struct{})
				var other, own context.Context
				running := submit(t, p, func(ctx context.Context) (int, error) { other = ctx; use(ctx); <-gate; return 1, ctx.Err() })
				id := submit(t, p, func(ctx context.Context) (int, error) {
					own = ctx
					use(ctx)
					<-gate
					<-ctx.Done()
					derived, cancel := context.WithTimeout(ctx, time.Hour)
					defer cancel()
					assert.Equal(t, errCause, context.Cause(derived))
					assert.Equal(t, context.Canceled, ctx.Err())
					return 2, context.Cause(ctx)
				})
				synctest.Wait()
				assert.True(t, p.Cancel(id, errCause))
				assert.True(t, p.Cancel(id, errTask), "the first cause stays")
				if name != "unused" { // that would use it
					assert.Equal(t, errCause, context.Cause(own))
					assert.NoError(t, other.Err())
				}
				close(gate)
				v, err := p.Get(t.Context(), id)
				assert.Equal(t, errCause, err)
				assert.Equal(t, 2, v)
				for range 5 { // no later task of that worker is cancelled
					submit(t, p, func(ctx context.Context) (int, error) { return 0, ctx.Err() })
				}
				assert.NoError(t, p.Stop(t.Context()))
				assert.NoError(t, held(t, p, running).Err)
				assert.EqualValues(t, 1, p.Stats().Failed)
				assert.Equal(t, errCause, context.Cause(own))
			})
		}
	}
}

// A task may cancel itself, and panic or end its goroutine then: that counts. A nil cause is
// context.Canceled.
func TestCancelItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1})
		for _, end := range []task{value(1), failingTask, panickingTask, exitingTask} {
			submit(t, p, func(ctx context.Context) (int, error) {
				own, _ := pool.TaskFromContext(ctx)
				assert.True(t, p.Cancel(own.ID, nil))
				assert.Equal(t, context.Canceled, context.Cause(ctx))
				return end(ctx)
			})
		}
		submit(t, p, func(ctx context.Context) (int, error) { return 5, ctx.Err() })
		require.NoError(t, p.Wait(t.Context()))
		s := p.Stats()
		assert.Equal(t, []uint64{2, 2, 1}, []uint64{s.Succeeded, s.Failed, s.Panicked})
	})
}

// Cancel says false, and does nothing, of a task that has ended, that is not there, whose
// function has returned, or that the pool's cancel has called off.
func TestCancelComesTooLate(t *testing.T) {
	for _, batch := range []bool{false, true} {
		bubble(t, "", func(t *testing.T) {
			gate := make(chan struct{})
			p := newPool(t, &pool.Options{Workers: 2}, newTestStore(after(gate)).as(batch))
			opensAtEnd(t, gate)
			for range 3 { // one is written, two gather
				submit(t, p, func(ctx context.Context) (int, error) { return 1, ctx.Err() })
				submit(t, p, value(1))
				synctest.Wait()
			}
			for id := range store.ID(2) {
				assert.False(t, p.Cancel(id+1, errCause), "%d is being stored", id+1)
			}
			for _, id := range []store.ID{0, 7, 99, 1 << 32, 1<<64 - 1} {
				assert.False(t, p.Cancel(id, errCause), "%d is not there", id)
			}
			p.cancel(errTask)
			synctest.Wait()
			for id := range store.ID(6) {
				assert.False(t, p.Cancel(id+1, errCause), "%d", id+1)
			}
			close(gate)
			<-p.Done()
			for id := range store.ID(6) {
				assert.False(t, p.Cancel(id+1, errCause), "%d has ended", id+1)
				assert.NotErrorIs(t, held(t, p, id+1).Err, errCause)
			}
			assert.Empty(t, p.Running())
		})
	}
	assert.False(t, new(pool.Pool[int, int]).Cancel(1, nil))
	assert.Nil(t, new(pool.Pool[int, int]).Running())
}

// Without workers, tasks that are called off are no tasks that wait: not for Wait, and not for Stop.
func TestCancelWithoutWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, _, second, third := busyPool(t)
		require.NoError(t, p.Resize(0))
		wait := p.waiting()
		assert.True(t, p.Cancel(third, errCause))
		close(gate)
		wait.waits(t)
		assert.True(t, p.Cancel(second, errCause))
		assert.NoError(t, wait.returns(t))
		s := p.Stats()
		checkStats(t, s)
		assert.Equal(t, []uint64{0, 0, 2}, []uint64{s.Queued, s.Running, s.NotRun})
		assert.NoError(t, p.Stop(t.Context()))
		isNotRun(t, p, second, errCause)
	})
}

// Before and after Stop, the pool's cancel, and Resize(0) on a pool that is stopped, what Cancel has called
// off has one result, with its cause; the rest has what it would have without it.
func TestCancelAndTheEnd(t *testing.T) {
	for name, end := range map[string]struct {
		end  func(p taskPool)
		want error
	}{
		"Stop":      {func(p taskPool) { _ = p.Stop(doneContext()) }, nil},
		"cancel":    {func(p taskPool) { p.cancel(errTask) }, errTask},
		"Resize(0)": {func(p taskPool) { _, _ = p.Stop(doneContext()), p.Resize(0) }, pool.ErrNoWorkers},
	} {
		for _, endFirst := range []bool{false, true} {
			bubble(t, name, func(t *testing.T) {
				p, gate, _, second, third := busyPool(t)
				if endFirst {
					end.end(p)
				}
				took := p.Cancel(third, errCause)
				if !endFirst {
					assert.True(t, took)
					end.end(p)
				}
				synctest.Wait()
				close(gate)
				assert.ErrorIs(t, p.Stop(t.Context()), end.want)
				if took {
					isNotRun(t, p, third, errCause)
				}
				if end.want != nil {
					isNotRun(t, p, second, end.want)
				}
				s := p.Stats()
				checkStats(t, s)
				assert.Equal(t, []uint64{3, 0, 0}, []uint64{s.Submitted, s.Queued, s.Running})
				assert.Equal(t, 3, holds(t, p))
			})
		}
	}
}

// A Cancel that takes effect on a task that a worker has taken, when the worker is about to find that the pool is
// cancelled: the result has the cause of the Cancel that has said so.
func TestCancelAtTheEnd(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		parent := &askedContext{Context: ctx}
		p := newPoolIn(t, parent, &pool.Options{Workers: 1, Queue: 1})
		parent.asked = func() {
			if len(p.Running()) > 0 && p.Cancel(1, errCause) {
				cancel(errTask)
			}
		}
		id := submit(t, p, value(1))
		synctest.Wait()
		assert.ErrorIs(t, p.Stop(context.Background()), errTask)
		isNotRun(t, p, id, errCause)
	})
}

// askedContext is a context that does something whenever it is asked whether it has ended.
type askedContext struct {
	context.Context
	asked func()
}

func (c *askedContext) Err() error {
	if c.asked != nil {
		c.asked()
	}
	return c.Context.Err()
}

// A store that fails while it is to take the result of a task that is called off holds nothing else up. What it
// never takes is handed back.
func TestCancelUnsaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestStore(func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
			if ids[0] == 2 {
				return errDown
			}
			return do(ctx)
		})
		p, gate, _, second, third := busyPool(t, d)
		assert.True(t, p.Cancel(second, errCause))
		close(gate)
		_, err := p.Get(t.Context(), third)
		assert.NoError(t, err)
		p.cancel(errTask)
		res := handedBack(t, p.Stop(t.Context()), 1)
		assert.Equal(t, second, res[0].ID)
		matchesAll(t, res[0].Err, pool.ErrNotRun, errCause)
		checkStats(t, p.Stats())
	})
}

// Whatever Cancel races with, each task has one result. True means that the task was not run because
// of it, or that its context has ended; false that it has had no effect. The numbers add up throughout.
func TestCancelRaces(t *testing.T) {
	for _, batch := range []bool{false, true} {
		for _, ending := range []string{"Stop", "cancel", "Resize(0)"} {
			rng := rand.New(rand.NewPCG(1, uint64(len(ending))))
			for range 5 {
				cancelRaces(t, batch, ending, rng.Uint64())
			}
		}
	}
}

func cancelRaces(t *testing.T, batch bool, ending string, seed uint64) {
	t.Helper()
	const n = 500
	p := newPool(t, &pool.Options{Workers: 1 + int(seed%4), Queue: 1 + int(seed%300)}, newTestStore(nil).as(batch))
	var took [n + 1]atomic.Bool
	var ran, saw [n + 1]atomic.Bool
	work := func(ctx context.Context) (int, error) {
		if rand.IntN(3) > 0 {
			return 0, nil // does not use its context
		}
		own, _ := pool.TaskFromContext(ctx)
		ran[own.ID].Store(true)
		if rand.IntN(3) == 0 {
			took[own.ID].Store(true)
			assert.True(t, p.Cancel(own.ID, causeOf{own.ID}), "it runs")
			assert.Error(t, ctx.Err(), "its own Cancel has had no effect")
		}
		if ctx.Err() != nil {
			saw[own.ID].Store(errors.Is(context.Cause(ctx), causeOf{own.ID}))
		}
		return 0, nil
	}
	var wg sync.WaitGroup
	var accepted atomic.Uint64
	wg.Go(func() {
		for range n {
			if _, err := p.Submit(context.Background(), work); err != nil {
				return
			}
			accepted.Add(1)
		}
	})
	for range 2 {
		wg.Go(func() {
			for range n {
				last := int(accepted.Load())
				id := store.ID(1 + max(0, last-rand.IntN(40)))
				if id <= n && p.Cancel(id, causeOf{id}) {
					took[id].Store(true)
				}
				checkStats(t, p.Stats())
				if rand.IntN(16) == 0 { // it looks at all that is there
					assert.LessOrEqual(t, len(p.Running()), n)
				}
			}
		})
	}
	if ending == "cancel" {
		wg.Go(func() {
			for accepted.Load() < n/2 {
				time.Sleep(10 * time.Microsecond)
			}
			p.cancel(errCause)
		})
	}
	wg.Wait()
	if ending == "Resize(0)" {
		assert.NoError(t, p.Resize(0))
	}
	_ = p.Stop(t.Context())
	s := p.Stats()
	checkStats(t, s)
	assert.Equal(t, accepted.Load(), s.Submitted)
	assert.EqualValues(t, accepted.Load(), holds(t, p))
	for id := range store.ID(accepted.Load()) {
		id++
		err := held(t, p, id).Err
		if errors.Is(err, causeOf{id}) {
			assert.ErrorIs(t, err, pool.ErrNotRun)
			assert.True(t, took[id].Load(), "%d is called off by nobody", id)
			assert.False(t, ran[id].Load(), "%d has run, and was not", id)
		}
		if saw[id].Load() {
			assert.True(t, took[id].Load(), "the context of %d has ended, and nobody has cancelled it", id)
		}
	}
}
