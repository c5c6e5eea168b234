package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// The helpers of all tests of joined pools.

const lease = 30 * time.Second

var (
	errEngineDown   = errors.New("the engine is down")
	errNotPermitted = errors.New("not permitted")
)

func newMemory(bound int) *enginetest.Memory {
	return enginetest.NewMemory(&enginetest.MemoryOptions{QueueBound: bound, Lease: lease, MaxSize: 1 << 16})
}

// A faultyEngine has faults, and says that errNotPermitted is final.
type faultyEngine struct{ *enginetest.Faulty }

func (faultyEngine) Retryable(err error) bool { return !errors.Is(err, errNotPermitted) }

// faulty returns another handle on the data of memory.
func faulty(memory *enginetest.Memory, faults enginetest.Faults) faultyEngine {
	return faultyEngine{enginetest.WithFaults(memory.Open(), faults)}
}

// hang waits for the context of a call, with nothing done.
func hang(ctx context.Context, _ []uint64, _ func(context.Context) error) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// A wholeEngine has all that is optional. A method with another signature is no error otherwise: the
// pool takes the engine for one without it, and what the test is about never happens.
type wholeEngine interface {
	engine.Engine
	engine.Waiter
	engine.StartMarker
	engine.DelayedNacker
	engine.Sizer
	engine.Describer
	engine.Retryabler
}

var (
	_ wholeEngine = faultyEngine{}
	_ wholeEngine = (*disorder)(nil)
	_ wholeEngine = (*measured)(nil)
	_ wholeEngine = pulls{}
)

// pulls is an engine with a Pull of its own: pull is the real one.
type pulls struct {
	*enginetest.Memory
	f func(ctx context.Context, limit int, pull pullFunc) ([]engine.Delivery, error)
}

type pullFunc = func(ctx context.Context, limit int) ([]engine.Delivery, error)

func (p pulls) Pull(ctx context.Context, limit int) ([]engine.Delivery, error) {
	return p.f(ctx, limit, p.Memory.Pull)
}

// join makes a pool that has joined eng. When the test ends, it is cancelled and must end;
// synctest.Test sees whether a goroutine is left.
func join(t *testing.T, eng engine.Engine, fn func(context.Context, int) (int, error), opts *pool.Options) (p *pool.Pool[int, int], cancel context.CancelCauseFunc) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	return joinIn(t, ctx, eng, fn, opts), cancel
}

// joinIn is join with a context and types of the test's own.
func joinIn[T, R any](t *testing.T, ctx context.Context, eng engine.Engine, fn func(context.Context, T) (R, error), opts *pool.Options) *pool.Pool[T, R] { //nolint:revive // t comes first in helpers
	t.Helper()
	ctx, cancel := context.WithCancelCause(ctx)
	p, err := pool.Join(ctx, fn, eng, opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		cancel(errors.New("the test has ended"))
		select {
		case <-p.Done():
		case <-time.After(time.Minute):
			t.Error("the pool has not ended a minute after its cancel")
		}
	})
	return p
}

// accepted submits tasks, which must be accepted.
func accepted[T, R any](t *testing.T, p *pool.Pool[T, R], in ...T) []store.ID {
	t.Helper()
	ids, err := p.SubmitAll(t.Context(), in)
	require.NoError(t, err)
	require.Len(t, ids, len(in))
	return ids
}

// has requires that p's Get of a task returns want, within a day.
func has[T, R any](t *testing.T, p *pool.Pool[T, R], id store.ID, want R) {
	t.Helper()
	v, err := p.Get(atMost(t, 24*time.Hour), id)
	require.NoError(t, err)
	require.Equal(t, want, v)
}

// lacks returns the error of p's Get of a task, which must have one within a day.
func lacks[T, R any](t *testing.T, p *pool.Pool[T, R], id store.ID) error {
	t.Helper()
	_, err := p.Get(atMost(t, 24*time.Hour), id)
	require.Error(t, err)
	return err
}

// atMost returns a context that ends after d, so that what hangs fails.
func atMost(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// soon returns what f returns, and fails the test if that takes longer than d.
func soon(t *testing.T, d time.Duration, f func() error) error {
	t.Helper()
	c := begin(f)
	select {
	case <-c.done:
		return c.err
	case <-time.After(d):
		require.FailNow(t, "it still waits", "%v later", d)
		return nil
	}
}

// The functions of pools.

func doubled(_ context.Context, in int) (int, error) { return 2 * in, nil }

// lasting returns a function whose tasks take so long.
func lasting(d time.Duration) func(context.Context, int) (int, error) {
	return func(_ context.Context, in int) (int, error) {
		time.Sleep(d)
		return 2 * in, nil
	}
}

// interrupted is a function whose tasks end with the cancel, and with its error.
func interrupted(ctx context.Context, _ int) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// counted counts the runs of each task.
type counted struct {
	mu   sync.Mutex
	runs map[int]int
}

func (c *counted) ran(in int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs == nil {
		c.runs = make(map[int]int)
	}
	c.runs[in]++
}

// times returns how often a task was run.
func (c *counted) times(in int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runs[in]
}

func (c *counted) double(_ context.Context, in int) (int, error) {
	c.ran(in)
	return 2 * in, nil
}

func numbers(n int) []int {
	in := make([]int, n)
	for i := range in {
		in[i] = i
	}
	return in
}

// pulled submits a task and pulls it so often, as processes do that die then.
func pulled(t *testing.T, eng *enginetest.Memory, in, attempts int) (id store.ID) {
	t.Helper()
	p, _ := join(t, eng, nil, nil)
	id = accepted(t, p, in)[0]
	for i := range attempts {
		ds, err := eng.Pull(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, ds, 1)
		require.Equal(t, i+1, ds[0].Attempt)
		if i < attempts-1 {
			require.NoError(t, eng.Nack(t.Context(), ds))
		}
	}
	return id
}

// What follows are the rows of the table of joined pools in docs/design.md, in their order; those of
// an engine that fails are in join_failing_test.go.

func TestJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := join(t, newMemory(0), doubled, &pool.Options{Workers: 3})
		ids := accepted(t, p, numbers(1000)...)
		require.NoError(t, p.Wait(t.Context()))
		all, err := p.Results(t.Context())
		require.NoError(t, err)
		require.Len(t, all, 1000)
		for i, id := range ids {
			has(t, p, id, 2*i)
			require.Equal(t, store.Result[int]{ID: id, Value: 2 * i}, all[id])
		}
		assert.Equal(t, pool.Stats{Submitted: 1000, Succeeded: 1000, Workers: 3}, counts(p.Stats()))
		require.NoError(t, p.Stop(t.Context()))
		<-p.Done()
		_, err = p.Submit(t.Context(), 1)
		require.ErrorIs(t, err, pool.ErrClosed)
	})
}

func TestJoinOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := errors.New("bad")
		p, _ := join(t, newMemory(0), func(_ context.Context, in int) (int, error) {
			switch in {
			case 1:
				return 7, fmt.Errorf("one is %w", bad)
			case 2:
				panic("two")
			case 3:
				(&testing.T{}).SkipNow() // runtime.Goexit
			}
			return in, nil
		}, &pool.Options{Workers: 2, Codec: &codec.Options{Errors: map[string]error{"bad": bad}}})
		ids := accepted(t, p, 1, 2, 3, 4)
		v, err := p.Get(t.Context(), ids[0])
		assert.Equal(t, 7, v)
		require.ErrorIs(t, err, bad)
		require.EqualError(t, err, "one is bad")
		var panicked *pool.PanicError
		require.ErrorAs(t, lacks(t, p, ids[1]), &panicked)
		require.ErrorIs(t, lacks(t, p, ids[2]), pool.ErrGoexit)
		has(t, p, ids[3], 4)
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, pool.Stats{Submitted: 4, Succeeded: 1, Failed: 2, Panicked: 1, Workers: 2}, counts(p.Stats()))
	})
}

func TestJoinBadInput(t *testing.T) {
	eng := newMemory(0)
	ctx := t.Context()
	_, err := pool.Join[int, int](nil, doubled, eng, nil) //nolint:staticcheck // that is what is tested
	require.ErrorContains(t, err, "nil context")
	for _, none := range []engine.Engine{nil, (*enginetest.Memory)(nil)} {
		_, err = pool.Join(ctx, doubled, none, nil)
		require.EqualError(t, err, "pool: nil engine")
	}
	_, err = pool.Join(ctx, doubled, eng, &pool.Options{Queue: -1})
	require.ErrorContains(t, err, "Queue is -1")
	_, err = pool.Join(ctx, doubled, eng, &pool.Options{PerKey: 1})
	require.ErrorContains(t, err, "PerKey is 1, want 0")
	_, err = pool.Join(ctx, doubled, eng, &pool.Options{Codec: &codec.Options{Errors: map[string]error{"x": nil}}})
	require.ErrorContains(t, err, `pool: Codec: codec: Errors["x"] is nil`)
	_, err = pool.Join(ctx, pool.Call[int], eng, nil)
	require.ErrorContains(t, err, "cannot be sent to another process")

	_, err = pool.Join[string, int](ctx, nil, eng, nil)
	require.NoError(t, err)
	_, err = pool.Join(ctx, doubled, eng, nil)
	require.ErrorContains(t, err, "pool: the engine's tasks are string as json to int as json, and this pool's are int as json to int as json; ")

	closed := newMemory(0)
	require.NoError(t, closed.Close())
	_, err = pool.Join(ctx, doubled, closed, nil)
	require.ErrorIs(t, err, engine.ErrClosed)
}

// A nil task is refused, nothing to submit is no special case, and neither are a ctx that is done, an ID that
// was never given out, and a result that cannot be read.
func TestJoinGetNotFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		p := joinIn[*int, int](t, t.Context(), eng, nil, nil)
		_, err := p.Submit(t.Context(), nil)
		require.ErrorIs(t, err, pool.ErrNilTask)
		_, err = p.SubmitAll(t.Context(), []*int{new(int), nil})
		require.ErrorIs(t, err, pool.ErrNilTask)
		require.NoError(t, p.Wait(t.Context()), "none was accepted")
		accepted(t, p)
		require.ErrorIs(t, lacks(t, p, math.MaxUint64), store.ErrNotFound)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errCause)
		_, err = p.Submit(ctx, new(int))
		require.Equal(t, errCause, err)
		_, err = p.SubmitAll(ctx, nil)
		require.Equal(t, errCause, err)
		require.Equal(t, errCause, p.Wait(ctx))
		require.NoError(t, eng.Save(t.Context(), []engine.Record{{ID: 1, Data: []byte("junk")}}))
		require.ErrorContains(t, lacks(t, p, 1), "pool: codec: ")
		_, err = p.Results(t.Context())
		require.Error(t, err)
	})
}

func TestJoinSharesTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		a, _ := join(t, eng, lasting(time.Second), &pool.Options{Workers: 2})
		b, _ := join(t, eng.Open(), lasting(time.Second), &pool.Options{Workers: 2})
		reader, _ := join(t, eng.Open(), nil, nil)
		begun := time.Now()
		ids := accepted(t, reader, numbers(40)...)
		require.NoError(t, reader.Wait(t.Context()))
		assert.Less(t, time.Since(begun), 12*time.Second, "four workers, ten seconds of work for each")
		for i, id := range ids {
			has(t, reader, id, 2*i)
		}
		assert.Positive(t, a.Stats().Succeeded)
		assert.Positive(t, b.Stats().Succeeded)
		assert.EqualValues(t, 40, a.Stats().Succeeded+b.Stats().Succeeded)
		assert.Zero(t, counts(reader.Stats()))
		require.ErrorIs(t, reader.Resize(1), pool.ErrNilFunc)
		require.NoError(t, reader.Stop(t.Context()))
	})
}

func TestJoinFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(2)
		reader, _ := join(t, eng, nil, nil)
		accepted(t, reader, 1, 2)
		_, err := reader.TrySubmit(3)
		require.Equal(t, pool.ErrQueueFull, err)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errCause)
		defer cancel()
		_, err = reader.Submit(ctx, 3)
		require.Equal(t, errCause, err, "and not ErrUnconfirmed")

		var id store.ID
		late := begin(func() (err error) { id, err = reader.Submit(context.Background(), 4); return err })
		time.Sleep(time.Minute)
		late.waits(t)
		p, _ := join(t, eng.Open(), doubled, nil)
		time.Sleep(time.Second)
		require.NoError(t, late.returns(t))
		has(t, p, id, 8)
	})
}

// More tasks than the queue has room for, in one call.
func TestJoinSubmitAllPastTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs counted
		p, _ := join(t, newMemory(7), runs.double, &pool.Options{Workers: 2})
		for i, id := range accepted(t, p, numbers(1000)...) {
			has(t, p, id, 2*i)
			require.Equal(t, 1, runs.times(i))
		}
		require.NoError(t, p.Stop(t.Context()))
	})
}

// Tasks of no size take no memory before they are accepted.
func TestJoinSubmitAllHuge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := joinIn[struct{}, int](t, t.Context(), newMemory(1000), nil, nil)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errCause)
		defer cancel()
		ids, err := p.SubmitAll(ctx, make([]struct{}, huge))
		assert.Equal(t, errCause, err)
		assert.Len(t, ids, 1000)
		_, err = p.TrySubmit(struct{}{})
		assert.ErrorIs(t, err, pool.ErrQueueFull)
	})
}

// A ctx that ends between two batches ends SubmitAll without a doubt: the engine owes no
// answer.
func TestJoinNothingUnconfirmedBetweenBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(0)
		ctx, cancel := context.WithCancel(t.Context())
		p, _ := join(t, faulty(memory, enginetest.Faults{Push: func(ctx context.Context, _ []uint64, do func(context.Context) error) error {
			defer cancel()
			return do(ctx)
		}}), nil, nil)
		ids, err := p.SubmitAll(ctx, numbers(1000))
		require.ErrorIs(t, err, context.Canceled)
		assert.NotErrorIs(t, err, pool.ErrUnconfirmed)
		n, err := memory.Size(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, len(ids), n)
	})
}

func TestJoinInsideTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *pool.Pool[int, int]
		var first store.ID
		inside := make(chan []error, 1)
		fill := make(chan struct{})
		p, _ = join(t, newMemory(2), func(ctx context.Context, in int) (int, error) {
			if in > 0 {
				return in, nil
			}
			<-fill
			_, full := p.Submit(ctx, 2)
			_, pending := p.Get(ctx, first) // which is this task
			inside <- []error{full, pending, p.Wait(ctx), p.Stop(ctx)}
			return 0, nil
		}, &pool.Options{Workers: 1})
		first = accepted(t, p, 0)[0]
		synctest.Wait()
		accepted(t, p, 1)
		close(fill)
		assert.Equal(t, []error{pool.ErrQueueFull, pool.ErrInTask, pool.ErrInTask, pool.ErrInTask}, <-inside)
		has(t, p, first, 0)
		<-p.Done()
	})
}

// What has not been started is run by another process at once, and not when the lease
// ends.
func TestJoinStopGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		gate := make(chan struct{})
		var runs counted
		a, _ := join(t, eng, func(ctx context.Context, in int) (int, error) {
			if in == 9 {
				<-gate
			}
			time.Sleep(time.Millisecond)
			return runs.double(ctx, in)
		}, &pool.Options{Workers: 1, Queue: 100})
		accepted(t, a, numbers(40)...)
		time.Sleep(100 * time.Millisecond)
		require.Positive(t, a.Stats().Queued, "nothing is to be given back")
		stopped := begin(func() error { return a.Stop(context.Background()) })
		synctest.Wait()
		b, _ := join(t, eng.Open(), runs.double, &pool.Options{Workers: 1})
		time.Sleep(time.Second)
		assert.EqualValues(t, 40-10, b.Stats().Succeeded)
		close(gate)
		require.NoError(t, b.Wait(t.Context()))
		require.NoError(t, stopped.returns(t))
		for i := range 40 {
			assert.Equal(t, 1, runs.times(i))
		}
		s := a.Stats()
		assert.EqualValues(t, 10, s.Succeeded)
		assert.Equal(t, s.Submitted, s.Succeeded+s.NotRun)
	})
}

// withGaps submits the numbers below n. Those that divide by three are held by another
// process.
func withGaps(t *testing.T, eng *enginetest.Memory, n int) {
	t.Helper()
	reader, _ := join(t, eng, nil, nil)
	accepted(t, reader, numbers(n)...)
	ds, err := eng.Pull(t.Context(), n)
	require.NoError(t, err)
	require.Len(t, ds, n)
	var back []engine.Delivery
	for i, d := range ds {
		if i%3 != 0 {
			back = append(back, d)
		}
	}
	require.NoError(t, eng.Nack(t.Context(), back))
}

// IDs that other processes have are not those of tasks that wait here, whose IDs need not
// ascend: Stop gives back the right ones, all of them, and at once.
func TestJoinStopGivesBackAmongGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(0)
		withGaps(t, memory, 300)
		count, stuck := 0, make(chan struct{})
		eng := pulls{memory, func(ctx context.Context, _ int, pull pullFunc) ([]engine.Delivery, error) {
			if count == 18 {
				<-stuck // more comes while the second of two in a row is the next to run
			}
			ds, err := pull(ctx, 4)
			count++
			switch {
			case len(ds) < 4:
			case count%4 == 1:
				ds[1], ds[2] = ds[2], ds[1]
			case count%4 == 3:
				ds[0], ds[1] = ds[1], ds[0]
			}
			return ds, err
		}}
		gate := make(chan struct{})
		opensAtEnd(t, gate)
		var runs counted
		const first = 106 // of two in a row, in a Pull that is in order
		a, _ := join(t, eng, func(ctx context.Context, in int) (int, error) {
			if in == first {
				close(stuck)
			}
			if in >= first {
				<-gate
			}
			time.Sleep(time.Millisecond)
			return runs.double(ctx, in)
		}, &pool.Options{Workers: 1, Queue: 64})
		time.Sleep(time.Second)
		require.EqualValues(t, 70, a.Stats().Succeeded)
		require.Greater(t, a.Stats().Queued, uint64(16), "there is something to give back")
		stopped := begin(func() error { return a.Stop(context.Background()) })
		synctest.Wait()
		b, _ := join(t, memory.Open(), runs.double, &pool.Options{Workers: 1})
		time.Sleep(time.Second)
		assert.EqualValues(t, 200-70-1, b.Stats().Succeeded)
		close(gate)
		require.NoError(t, b.Wait(t.Context()))
		require.NoError(t, stopped.returns(t))
		for i := range 300 {
			assert.Equal(t, 1, runs.times(i))
		}
	})
}

// What is known of IDs is forgotten with their tasks.
func TestJoinForgetsIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		withGaps(t, eng, 300)
		p, _ := join(t, eng.Open(), doubled, &pool.Options{Workers: 1})
		time.Sleep(time.Second)
		require.EqualValues(t, 200, p.Stats().Succeeded)
		assert.Less(t, p.IDBlocks(), 5)
	})
}

// Tasks that a Pull returns when the pool wants none any more are for others, at once.
func TestJoinPullIsLate(t *testing.T) {
	for name, end := range map[string]func(p *pool.Pool[int, int]){
		"Resize(0)": func(p *pool.Pool[int, int]) { assert.NoError(t, p.Resize(0)) },
		"Stop":      func(p *pool.Pool[int, int]) { assert.ErrorIs(t, p.Stop(doneContext()), context.Canceled) },
	} {
		bubble(t, name, func(t *testing.T) {
			eng := newMemory(0)
			var p *pool.Pool[int, int]
			var once sync.Once
			var runs counted
			p, _ = join(t, pulls{eng, func(ctx context.Context, limit int, pull pullFunc) ([]engine.Delivery, error) {
				ds, err := pull(ctx, limit)
				if len(ds) > 0 {
					once.Do(func() { end(p) })
				}
				return ds, err
			}}, runs.double, nil)
			synctest.Wait()
			begun := time.Now()
			reader, _ := join(t, eng.Open(), nil, nil)
			accepted(t, reader, 1)
			synctest.Wait()
			assert.Zero(t, runs.times(1))
			join(t, eng.Open(), runs.double, nil)
			require.NoError(t, reader.Wait(t.Context()))
			assert.Less(t, time.Since(begun), time.Second)
		})
	}
}

// An engine that returns more than the queue has room for.
func TestJoinPullTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := join(t, pulls{newMemory(0), func(ctx context.Context, limit int, pull pullFunc) ([]engine.Delivery, error) {
			return pull(ctx, limit+10)
		}}, lasting(time.Second), &pool.Options{Workers: 2, Queue: 2})
		accepted(t, p, numbers(20)...)
		require.NoError(t, p.Wait(atMost(t, time.Hour)))
	})
}

func TestJoinResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := join(t, newMemory(0), doubled, &pool.Options{Workers: 1})
		require.NoError(t, p.Resize(0))
		id := accepted(t, p, 1)[0] // others may have workers
		_, err := p.Get(atMost(t, time.Hour), id)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, p.Resize(2))
		has(t, p, id, 2)
		require.NoError(t, p.Resize(0))
		require.NoError(t, p.Stop(t.Context()))
	})
}

// A task that the cancel has interrupted is run by another process; one that ends
// otherwise, however late, has its outcome.
func TestJoinCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		a, cancel := join(t, eng, func(ctx context.Context, in int) (int, error) {
			<-ctx.Done()
			if in == 0 {
				return 0, ctx.Err()
			}
			return 100 + in, nil
		}, &pool.Options{Workers: 2})
		ids := accepted(t, a, numbers(4)...)
		synctest.Wait()
		cancel(errCause)
		_, err := a.Submit(t.Context(), 1) // also if nobody has seen the cancel yet
		matchesAll(t, err, pool.ErrClosed, errCause)
		require.NotErrorIs(t, err, pool.ErrUnconfirmed)
		require.Equal(t, errCause, a.Stop(t.Context()))
		assert.Equal(t, pool.Stats{Submitted: 2, Succeeded: 1, NotRun: 1, Workers: 2}, counts(a.Stats()))

		b, _ := join(t, eng.Open(), doubled, nil)
		begun := time.Now()
		for i, want := range []int{0, 101, 4, 6} {
			has(t, b, ids[i], want)
		}
		assert.Less(t, time.Since(begun), lease)
	})
}

// circle is an error whose chain leads back to itself.
type circle struct{}

func (c *circle) Error() string { return "circle" }

func (c *circle) Unwrap() error { return c }

// After the cancel, an error that is the cancel's is no outcome, and another one is. Before it, every
// error is one.
func TestJoinWhatIsInterrupted(t *testing.T) {
	bad := errors.New("bad")
	canceled := func(t *testing.T) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(errCause) })
		return ctx
	}
	expired := func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errCause)
		t.Cleanup(cancel)
		return ctx
	}
	never := func(t *testing.T) context.Context { return t.Context() }
	for name, tt := range map[string]struct {
		ctx func(t *testing.T) context.Context
		err error
		is  bool
	}{
		"Canceled":                           {canceled, context.Canceled, true},
		"Canceled by the timeout":            {expired, context.Canceled, true},
		"Canceled by the task itself":        {never, context.Canceled, false},
		"DeadlineExceeded":                   {expired, context.DeadlineExceeded, true},
		"DeadlineExceeded of the task's own": {canceled, context.DeadlineExceeded, false},
		"cause":                              {canceled, errCause, true},
		"cause of the timeout":               {expired, errCause, true},
		"wrapped":                            {canceled, fmt.Errorf("reading: %w", errCause), true},
		"bad":                                {canceled, bad, false},
		"bad after the timeout":              {expired, bad, false},
		"an error that wraps itself":         {canceled, &circle{}, false},
		"nil":                                {canceled, nil, false},
	} {
		bubble(t, name, func(t *testing.T) {
			eng := newMemory(0)
			runs := 0
			ctx := tt.ctx(t)
			p := joinIn(t, ctx, eng, func(ctx context.Context, _ int) (int, error) {
				runs++
				select {
				case <-ctx.Done():
				case <-time.After(time.Hour):
				}
				return 7, tt.err
			}, &pool.Options{Workers: 1})
			id := accepted(t, p, 4)[0]
			time.Sleep(2 * time.Hour)
			b, _ := join(t, eng.Open(), doubled, nil)
			v, err := b.Get(t.Context(), id)
			assert.Equal(t, 1, runs)
			if tt.is {
				require.NoError(t, err)
				assert.Equal(t, 8, v, "another was to run it")
				return
			}
			assert.Equal(t, 7, v)
			if tt.err == nil {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, tt.err.Error())
			}
		})
	}
}

// Tasks that are interrupted and given back have killed nobody: after ten deploys eight workers still run
// all eight at once.
func TestJoinInterruptedOftenIsNoPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		reader, _ := join(t, eng, nil, nil)
		ids := accepted(t, reader, numbers(8)...)
		for range 10 {
			p, cancel := join(t, eng.Open(), interrupted, &pool.Options{Workers: 8})
			time.Sleep(time.Minute)
			cancel(errCause)
			<-p.Done()
		}
		begun := time.Now()
		join(t, eng.Open(), lasting(time.Hour), &pool.Options{Workers: 8})
		for i, id := range ids {
			has(t, reader, id, 2*i)
		}
		assert.Less(t, time.Since(begun), 90*time.Minute)
	})
}

// What is given back is no result that could not be saved, and is given back although
// results cannot be saved.
func TestJoinHandBackIsNoUnsavedResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(0)
		p, cancel := join(t, faulty(memory, enginetest.Faults{Save: hang}), func(ctx context.Context, in int) (int, error) {
			if in == 0 {
				return in, nil // it is being saved
			}
			<-ctx.Done()
			if in%2 == 0 {
				return in, nil
			}
			return 0, ctx.Err()
		}, &pool.Options{Workers: 10})
		accepted(t, p, numbers(11)...)
		synctest.Wait()
		cancel(errCause)
		for _, res := range handedBack(t, p.Stop(t.Context()), 6) {
			assert.NoError(t, res.Err)
		}
		b, _ := join(t, memory.Open(), doubled, &pool.Options{Workers: 10})
		time.Sleep(time.Second)
		assert.EqualValues(t, 5, b.Stats().Succeeded, "what was interrupted is run by another at once")
	})
}

// Save says too large, or the result cannot be encoded: it becomes an error, and no more is lost.
func TestJoinTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		var runs atomic.Int64
		p := joinIn(t, t.Context(), eng, func(_ context.Context, in string) (any, error) {
			runs.Add(1)
			switch in {
			case "value":
				return strings.Repeat("x", 1<<17), nil
			case "error":
				return nil, errors.New(strings.Repeat("x", 1<<17))
			case "unwritable":
				return math.NaN(), nil
			case "panics":
				return nil, &endless{}
			case "calls Goexit":
				return exiting{}, nil
			}
			return in, nil
		}, &pool.Options{Workers: 2})
		_, err := p.Submit(t.Context(), strings.Repeat("x", 1<<17))
		require.ErrorIs(t, err, engine.ErrTooLarge)
		require.NotErrorIs(t, err, pool.ErrUnconfirmed)
		ids := accepted(t, p, "value", "error", "unwritable", "panics", "calls Goexit", "small")
		for _, id := range ids[:5] {
			err = lacks(t, p, id)
			require.ErrorIs(t, err, store.ErrRejected)
			require.ErrorContains(t, err, "pool: the task's outcome was not stored")
			require.Less(t, len(err.Error()), 2000)
		}
		has[string, any](t, p, ids[5], "small")
		require.NoError(t, p.Stop(t.Context()))
		assert.EqualValues(t, 6, runs.Load())
		n, err := eng.Size(t.Context())
		require.NoError(t, err)
		assert.Zero(t, n)
	})
}

// A task that cannot be read, as it is another program's or its type has changed since, has that for a result.
func TestJoinUnreadableTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		pushed, err := eng.Push(t.Context(), "k", [][]byte{{}, []byte("\x01abcd1")})
		require.NoError(t, err)
		p := joinIn(t, t.Context(), eng, func(_ context.Context, in changed) (int, error) { return in.N, nil }, nil)
		ids := append(accepted(t, p, changed{1}), store.ID(pushed[0]), store.ID(pushed[1]))
		for i, want := range []string{"changed as json: not any more", "nothing that a codec wrote", "but of another program"} {
			err := lacks(t, p, ids[i])
			assert.ErrorContains(t, err, "pool: the task: codec: ")
			assert.ErrorContains(t, err, want)
		}
		require.NoError(t, p.Wait(t.Context()), "it is not tried again")
	})
}

type changed struct{ N int }

func (*changed) UnmarshalJSON([]byte) error { return errors.New("not any more") }

// Of many tasks the one that cannot be written is named, and those before its batch are
// accepted.
func TestJoinUnwritableTaskIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := joinIn[float64, int](t, t.Context(), newMemory(0), nil, nil)
		in := make([]float64, 1000)
		in[700] = math.NaN()
		ids, err := p.SubmitAll(t.Context(), in)
		require.ErrorContains(t, err, "pool: the task at index 700: codec: the value cannot be written as float64 as json")
		require.NotErrorIs(t, err, pool.ErrUnconfirmed)
		assert.Len(t, ids, 512)
	})
}

// Leases are extended while a task runs, while its pool stops too, and nobody else runs it.
func TestJoinExtendsLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		a, _ := join(t, eng, lasting(10*lease), &pool.Options{Workers: 1})
		id := accepted(t, a, 5)[0]
		synctest.Wait()
		b, _ := join(t, eng.Open(), lasting(10*lease), &pool.Options{Workers: 1})
		time.Sleep(5 * lease)
		require.NoError(t, a.Stop(t.Context()))
		has(t, b, id, 10)
		time.Sleep(20 * lease)
		assert.Zero(t, b.Stats().Submitted)
	})
}

func TestJoinAfterAProcessHasDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		id := pulled(t, eng, 4, 1)
		p, _ := join(t, eng.Open(), doubled, nil)
		begun := time.Now()
		has(t, p, id, 8)
		assert.InDelta(t, lease, time.Since(begun), float64(time.Second))
	})
}

// A process has died between saving and acknowledging.
func TestJoinFindsSavedResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		id := pulled(t, eng, 4, 1)
		c, err := codec.New[int](nil)
		require.NoError(t, err)
		data, err := c.Encode(store.Result[int]{ID: id, Value: 99})
		require.NoError(t, err)
		require.NoError(t, eng.Save(t.Context(), []engine.Record{{ID: uint64(id), Data: data}}))
		var runs counted
		p, _ := join(t, eng.Open(), runs.double, nil)
		require.NoError(t, p.Wait(t.Context()))
		assert.Zero(t, runs.times(4))
		has(t, p, id, 99)
	})
}

func TestJoinPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		id := pulled(t, eng, 4, 2)
		_, err := eng.MarkStart(t.Context(), uint64(id), 5)
		require.NoError(t, err)
		var runs counted
		p, _ := join(t, eng.Open(), runs.double, nil)
		err = lacks(t, p, id)
		require.ErrorIs(t, err, pool.ErrPoisoned)
		require.EqualError(t, err, "pool: the process dies at this task: it was started 5 times")
		require.NoError(t, p.Wait(t.Context()))
		assert.Zero(t, runs.times(4))
	})
}

// An engine need not have anything optional.
func TestJoinBareEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := join(t, struct{ engine.Engine }{newMemory(0)}, doubled, nil)
		has(t, p, accepted(t, p, 4)[0], 8)
		require.ErrorIs(t, p.Wait(t.Context()), errors.ErrUnsupported)
		_, err := p.Get(atMost(t, time.Second), 1<<60)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// What a joined pool takes over, submits and saves at once is bounded by bytes as well.
func TestJoinBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, n = 1 << 20, 32
		eng := &measured{Memory: enginetest.NewMemory(&enginetest.MemoryOptions{MaxSize: 4 << 20})}
		blob := string(bytes.Repeat([]byte{'x'}, size))
		var slow atomic.Bool
		p := joinIn(t, t.Context(), eng, func(_ context.Context, s string) (string, error) {
			if slow.Load() {
				time.Sleep(time.Second)
			}
			return s, nil
		}, &pool.Options{Workers: 2})
		accepted(t, p, make([]string, 20_000)...) // it is quick, and looks far ahead
		require.NoError(t, p.Wait(t.Context()))
		slow.Store(true)
		in := make([]string, n)
		for i := range in {
			in[i] = blob
		}
		accepted(t, p, in...)
		require.NoError(t, p.Wait(t.Context()))
		require.NoError(t, p.Stop(t.Context()))
		const bound = 8 << 20
		assert.LessOrEqual(t, eng.pushed.Load(), int64(bound+2*size))
		assert.LessOrEqual(t, eng.saved.Load(), int64(bound+2*size))
		assert.LessOrEqual(t, eng.held.Load(), int64(2*bound+4*size))
	})
}

// measured notes the largest Push and Save, and the most that is pulled and not acknowledged.
type measured struct {
	*enginetest.Memory
	pushed, saved, holds, held atomic.Int64
}

func (m *measured) Push(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
	size := int64(0)
	for _, task := range tasks {
		size += int64(len(task))
	}
	m.pushed.Store(max(m.pushed.Load(), size))
	return m.Memory.Push(ctx, key, tasks)
}

// Pull hands out as much at once as package jetstream does.
func (m *measured) Pull(ctx context.Context, limit int) ([]engine.Delivery, error) {
	ds, err := m.Memory.Pull(ctx, min(limit, 8))
	m.held.Store(max(m.held.Load(), m.holds.Add(sizeOf(ds))))
	return ds, err
}

func (m *measured) Ack(ctx context.Context, ds []engine.Delivery) error {
	m.holds.Add(-sizeOf(ds))
	return m.Memory.Ack(ctx, ds)
}

func sizeOf(ds []engine.Delivery) (size int64) {
	for _, d := range ds {
		size += int64(len(d.Task))
	}
	return size
}

func (m *measured) Save(ctx context.Context, recs []engine.Record) error {
	size := int64(0)
	for _, rec := range recs {
		size += int64(len(rec.Data))
	}
	m.saved.Store(max(m.saved.Load(), size))
	return m.Memory.Save(ctx, recs)
}
