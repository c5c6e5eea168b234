package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/storetest"
)

func TestTrySubmitQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, _, _, _ := busyPool(t)
		id, err := p.TrySubmit(value(4))
		require.NoError(t, err)
		assert.EqualValues(t, 4, id)
		id, err = p.TrySubmit(value(5))
		assert.Equal(t, pool.ErrQueueFull, err)
		assert.Zero(t, id)
		close(gate)
		require.NoError(t, p.Wait(t.Context()))
		id, err = p.TrySubmit(value(5))
		assert.NoError(t, err)
		assert.EqualValues(t, 5, id, "the refused task took an ID")
	})
}

// Submitters that wait get room in the order in which they came, and TrySubmit does not get past
// them. One that gives up makes no difference to those before and after it.
func TestSubmittersAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1, Queue: 1})
		gate := make(chan struct{})
		for range 2 {
			submit(t, p, gated(gate, 0))
			synctest.Wait()
		}
		const givesUp = 5
		impatient, cancel := context.WithCancelCause(t.Context())
		ids := make([]store.ID, 10)
		calls := make([]*pending, 10)
		for i := range ids {
			ctx := t.Context()
			if i == givesUp {
				ctx = impatient
			}
			calls[i] = begin(func() (err error) { ids[i], err = p.Submit(ctx, gated(gate, i)); return err })
			calls[i].waits(t)
		}
		cancel(io.EOF)
		assert.Equal(t, io.EOF, calls[givesUp].returns(t))
		calls = slices.Delete(calls, givesUp, givesUp+1)
		for i := range calls {
			gate <- struct{}{}
			synctest.Wait()
			_, err := p.TrySubmit(value(0))
			assert.Equal(t, pool.ErrQueueFull, err)
			assert.NoError(t, calls[i].returns(t))
			if i+1 < len(calls) {
				calls[i+1].waits(t)
			}
		}
		close(gate)
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, pool.Stats{Submitted: 11, Succeeded: 11, Workers: 1}, counts(p.Stats()))
		assert.Equal(t, idsFromTo(3, 11), slices.Delete(ids, givesUp, givesUp+1))
	})
}

// lateCtx does something when somebody asks why it has ended.
type lateCtx struct {
	*customCtx
	then func()
}

func (c *lateCtx) Err() error {
	if isClosed(c.done) {
		c.then()
	}
	return c.customCtx.Err()
}

// A submitter whose context ends at the moment at which it is served, or refused, is not
// refused a second time, and what it was counted for is counted once.
func TestGivesUpTooLate(t *testing.T) {
	for want, end := range map[error]func(p taskPool, gate chan struct{}){
		nil:               func(_ taskPool, gate chan struct{}) { close(gate); synctest.Wait() },
		pool.ErrNoWorkers: func(p taskPool, _ chan struct{}) { _ = p.Resize(0) },
	} {
		bubble(t, fmt.Sprint(want), func(t *testing.T) {
			p, gate, _, _, _ := busyPool(t)
			submit(t, p, value(4)) // fills the queue
			ctx := &lateCtx{newCustomCtx(), sync.OnceFunc(func() { end(p, gate) })}
			submitted := begin(func() error { _, err := p.Submit(ctx, value(5)); return err })
			submitted.waits(t)
			ctx.cancel(io.EOF)
			<-submitted.done
			assert.Equal(t, want, submitted.err)
			assert.Zero(t, p.Waiting())
		})
	}
}

// fullPool returns a pool with a worker that runs a task, which waits for gate, and a queue
// with room for one, in which another waits.
func fullPool(t *testing.T, ctx context.Context) (p taskPool, gate chan struct{}) { //nolint:revive // t comes first in helpers
	t.Helper()
	p = newPoolIn(t, ctx, &pool.Options{Workers: 1, Queue: 1})
	gate = make(chan struct{})
	started := make(chan struct{})
	submit(t, p, func(context.Context) (int, error) { close(started); <-gate; return 1, nil })
	<-started
	submit(t, p, value(1))
	return p, gate
}

// SubmitAll gives each task its ID, and does not keep the slice. (pond 543ed3a: a slice was used again after it was
// handed over.)
func TestSubmitAll(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 100, 5000} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 2, Queue: 3})
			in := values(n)
			ids, err := p.SubmitAll(t.Context(), in)
			require.NoError(t, err)
			require.Len(t, ids, n)
			assert.True(t, slices.IsSorted(ids))
			clear(in) // the caller's again
			require.NoError(t, p.Stop(t.Context()))
			assert.Equal(t, n, holds(t, p))
			for i, id := range ids {
				require.Equal(t, i, held(t, p, id).Value)
			}
		})
	}
}

// SubmitAll that ends early says exactly what was accepted.
func TestSubmitAllPart(t *testing.T) {
	for name, c := range endings {
		bubble(t, name, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 1, Queue: 3})
			gate := make(chan struct{})
			defer close(gate)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var ids []store.ID
			submitted := begin(func() (err error) { ids, err = p.SubmitAll(ctx, repeat(10, gated(gate, 1))); return err })
			submitted.waits(t)
			gate <- struct{}{}
			gate <- struct{}{}
			submitted.waits(t)
			c.end(p, cancel)
			matchesAll(t, submitted.returns(t), c.want...)
			assert.Equal(t, []store.ID{1, 2, 3, 4, 5, 6}, ids)
			assert.EqualValues(t, 6, p.Stats().Submitted)
		})
	}
}

// huge is more tasks than any memory has IDs for. They take no room themselves.
const huge = min(1<<40, math.MaxInt)

// SubmitAll takes memory for what is accepted, and not for what it is given. As many tasks as there
// can be in a slice use up the numbers of a pool that counts, but not for others.
func TestSubmitAllHuge(t *testing.T) {
	for name, st := range map[string]store.ResultStore[int]{"counting": newTestStore(nil), "IDReserver": dense.New[int]()} {
		t.Run(name, func(t *testing.T) {
			n := huge
			if name == "counting" {
				n = math.MaxInt
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			var p *pool.Pool[struct{}, int]
			var one *pending
			runs := 0 // of the only worker
			p, err := pool.New(t.Context(), func(context.Context, struct{}) (int, error) {
				switch runs++; runs {
				case 5000:
					one = begin(func() error { _, err := p.Submit(t.Context(), struct{}{}); return err })
				case 10_000:
					cancel(errCause)
				}
				return 0, nil
			}, st, &pool.Options{Workers: 1})
			require.NoError(t, err)
			ids, err := p.SubmitAll(ctx, make([]struct{}, n))
			assert.Equal(t, errCause, err)
			assert.GreaterOrEqual(t, len(ids), 10_000)
			<-one.done
			assert.NoError(t, one.err)
			require.NoError(t, p.Stop(t.Context()))
			s := p.Stats()
			assert.EqualValues(t, len(ids)+1, s.Submitted)
			assert.EqualValues(t, len(ids)+1, s.Succeeded)
			assert.True(t, slices.IsSorted(ids))
		})
	}
}

// An id is given at submission: increasing in the order in which a goroutine
// submits, and never twice.
func TestIDsIncrease(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 2, Queue: 7})
	const submitters, each = 8, 1000
	got := make([][]store.ID, submitters)
	var wg sync.WaitGroup
	for s := range submitters {
		wg.Go(func() {
			for len(got[s]) < each {
				ids, err := submitSomehow(p, len(got[s])%3, value(1))
				if err != nil {
					assert.Equal(t, pool.ErrQueueFull, err)
					runtime.Gosched()
				}
				got[s] = append(got[s], ids...)
			}
		})
	}
	wg.Wait()
	require.NoError(t, p.Stop(t.Context()))
	var all []store.ID
	for _, ids := range got {
		assert.True(t, slices.IsSorted(ids))
		all = append(all, ids...)
	}
	slices.Sort(all)
	for i, id := range all {
		require.EqualValues(t, i+1, id, "IDs have no gaps and no repeats")
	}
	assert.Equal(t, len(all), holds(t, p))
}

// submitSomehow submits in, in one of three ways, and returns the IDs of what was accepted.
func submitSomehow(p taskPool, how int, in task) (ids []store.ID, err error) {
	id := store.ID(0)
	switch how {
	case 0:
		id, err = p.TrySubmit(in)
	case 1:
		id, err = p.Submit(context.Background(), in)
	default:
		return p.SubmitAll(context.Background(), repeat(3, in))
	}
	if err != nil {
		return nil, err
	}
	return []store.ID{id}, nil
}

// pond #20, #26, #27, #43, #87 and 94bbb62, workerpool #76, towns #3592: N submitters race Stop, many times. No
// panic, every accepted task has its result, and Stop comes first or not at all.
// TestSuite does it too; this one has all ways to submit, and several Stops.
func TestSubmitRacesStop(t *testing.T) {
	rounds := 10_000
	if raceEnabled {
		rounds = 500
	}
	for range rounds {
		var a account
		a.stopped.Store(true)
		a.open(t, rwmutex.New[int](), false, &pool.Options{Workers: 2, Queue: 2})
		var wg sync.WaitGroup
		for _, submit := range []func() error{
			func() error { return a.submit(context.Background(), a.deed(succeeds)) },
			func() error { return a.trySubmit(a.deed(succeeds)) },
			func() error { return a.submitAll(context.Background(), []deed{a.deed(succeeds), a.deed(succeeds)}) },
		} {
			wg.Go(func() {
				for err := error(nil); !errors.Is(err, pool.ErrClosed); runtime.Gosched() {
					err = submit()
				}
			})
		}
		for range 2 {
			wg.Go(func() {
				runtime.Gosched()
				assert.NoError(t, a.p.Stop(context.Background()))
			})
		}
		wg.Wait()
		require.NoError(t, a.settle())
	}
	checkGoroutines(t)
}

// A pool hears of its cancel from a goroutine, a moment later. Nothing may get in
// meanwhile: a submitter that waited for room was accepted when a worker had made
// some in that moment, for a task that was never to run.

// refusedLate requires that p refuses calls because of errCause, and has accepted n tasks.
func refusedLate(t *testing.T, p taskPool, n int, calls ...*pending) {
	t.Helper()
	for _, c := range calls {
		matchesAll(t, c.returns(t), pool.ErrClosed, errCause)
	}
	assert.EqualValues(t, n, p.Stats().Submitted)
}

// A cancel that comes from a task, whose worker makes room as soon as it returns, of a context of
// the standard library and of another; and that of a context which takes its time to close its
// channel.
func TestLateCancelAcceptsNothing(t *testing.T) {
	for name, c := range map[string]struct {
		standard, inTask bool
		outcome          error
		rounds           int
	}{
		"in a task":         {true, true, nil, 200},
		"in a task, custom": {false, true, nil, 200},
		"late, success":     {false, false, nil, 1},
		"late, failure":     {false, false, errTask, 1},
	} {
		for range c.rounds {
			bubble(t, name, func(t *testing.T) {
				ctx := newCustomCtx()
				parent, cancel := context.Context(ctx), ctx.cancel
				if c.standard {
					parent, cancel = context.WithCancelCause(t.Context())
				}
				p := newPoolIn(t, parent, &pool.Options{Workers: 1, Queue: 1})
				gate := make(chan struct{})
				submit(t, p, func(context.Context) (int, error) {
					if <-gate; c.inTask {
						cancel(errCause)
					}
					return 1, c.outcome
				})
				synctest.Wait()
				queued := submit(t, p, value(2))
				blocked := p.submitting(value(3))
				blocked.waits(t)
				if !c.inTask {
					ctx.err.Store(&errCause)
				}
				close(gate)
				refusedLate(t, p, 2, blocked)
				assert.ErrorIs(t, held(t, p, queued).Err, pool.ErrNotRun)
				if !c.inTask {
					close(ctx.done)
				}
				assert.Equal(t, errCause, p.Stop(t.Context()))
			})
		}
	}
}

// A batch waits for half of the queue, so the first room calls nobody; whoever takes the
// pool's lock next must not give it away, even if only a worker has seen the cancel.
func TestLateCancelAcceptsNoBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, hold, gate := newCustomCtx(), make(chan struct{}), make(chan struct{})
		p := newPoolIn(t, ctx, &pool.Options{Workers: 1, Queue: 4}, newTestStore(storetest.Only(after(hold), 2, 3, 4, 5)))
		submit(t, p, gated(gate, 1))
		synctest.Wait()
		_, err := p.SubmitAll(t.Context(), values(4))
		require.NoError(t, err)
		batch := p.submittingAll(values(4))
		batch.waits(t)

		ctx.err.Store(&errCause)
		close(gate)
		synctest.Wait() // the next task is not run, and the store holds up its result
		assert.EqualValues(t, 5, p.Stats().Submitted)
		close(ctx.done)
		close(hold)
		assert.Equal(t, errCause, p.Stop(context.Background()))
		refusedLate(t, p, 5, batch)
	})
}

// A submitter comes back from the store with IDs, in that moment.
func TestReservedTooLateAcceptsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, gate := newCustomCtx(), make(chan struct{})
		st := newReserver(1, 0)
		p := newPoolIn(t, ctx, &pool.Options{Workers: 1, Queue: 1 << 17}, st)
		good := st.reserve
		st.reserve = func(ctx context.Context, n uint64) (store.ID, error) { <-gate; return good(ctx, n) }
		_, err := p.SubmitAll(t.Context(), repeat(reservedAtOnce, value(1)))
		require.NoError(t, err)
		var submits []*pending
		for how := range 3 {
			submits = append(submits, begin(func() error { _, err := submitSomehow(p, how, value(2)); return err }))
		}
		synctest.Wait()
		ctx.err.Store(&errCause)
		close(gate)
		refusedLate(t, p, reservedAtOnce, submits...)
		close(ctx.done)
		assert.Equal(t, errCause, p.Stop(t.Context()))
	})
}

// The cancel comes from outside, at any moment, while submitters that wait get in
// one by one. Once it has returned, no more do.
func TestCancelRacesRoom(t *testing.T) {
	const submitters = 300
	rounds := 300
	if raceEnabled {
		rounds = 50
	}
	for range rounds {
		ctx, cancel := context.WithCancel(context.Background())
		p, gate := fullPool(t, ctx)
		var wg sync.WaitGroup
		for range submitters {
			wg.Go(func() { _, _ = p.Submit(context.Background(), value(1)) })
		}
		for p.Waiting() < submitters {
			runtime.Gosched()
		}
		close(gate)
		for range rand.IntN(submitters) {
			runtime.Gosched()
		}
		cancel()
		accepted := p.Stats().Submitted
		<-p.Done()
		wg.Wait()
		require.Equal(t, accepted, p.Stats().Submitted, "tasks accepted after the cancel")
	}
}
