package pool_test

import (
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

const lease = 30 * time.Second

func newMemory(bound int) *enginetest.Memory {
	return enginetest.NewMemory(&enginetest.MemoryOptions{QueueBound: bound, Lease: lease, MaxSize: 1 << 16})
}

type double = func(context.Context, int) (int, error)

// join makes a pool that has joined eng. When the test ends, it is cancelled and must end;
// synctest.Test sees whether a goroutine is left.
func join(t *testing.T, eng engine.Engine, fn double, opts *pool.Options) (p *pool.Pool[int, int], cancel context.CancelCauseFunc) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
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
	return p, cancel
}

func doubled(_ context.Context, in int) (int, error) { return 2 * in, nil }

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

func TestJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		p, _ := join(t, eng, doubled, &pool.Options{Workers: 3})
		ids, err := p.SubmitAll(t.Context(), numbers(1000))
		require.NoError(t, err)
		require.Len(t, ids, 1000)
		require.NoError(t, p.Wait(t.Context()))
		all, err := p.Results(t.Context())
		require.NoError(t, err)
		require.Len(t, all, 1000)
		for i, id := range ids {
			v, err := p.Get(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, 2*i, v)
			require.Equal(t, store.Result[int]{ID: id, Value: 2 * i}, all[id])
		}
		s := p.Stats()
		assert.Equal(t, pool.Stats{Submitted: 1000, Succeeded: 1000, Workers: 3}, s)
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
		}, &pool.Options{Codec: &codec.Options{Errors: map[string]error{"bad": bad}}})
		ids, err := p.SubmitAll(t.Context(), []int{1, 2, 3, 4})
		require.NoError(t, err)

		v, err := p.Get(t.Context(), ids[0])
		assert.Equal(t, 7, v)
		require.ErrorIs(t, err, bad)
		require.EqualError(t, err, "one is bad")
		_, err = p.Get(t.Context(), ids[1])
		var panicked *pool.PanicError
		require.ErrorAs(t, err, &panicked)
		_, err = p.Get(t.Context(), ids[2])
		require.ErrorIs(t, err, pool.ErrGoexit)
		v, err = p.Get(t.Context(), ids[3])
		require.NoError(t, err)
		assert.Equal(t, 4, v)
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, pool.Stats{Submitted: 4, Succeeded: 1, Failed: 2, Panicked: 1, Workers: p.Stats().Workers}, p.Stats())
	})
}

func TestJoinSharesTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		var runs counted
		slow := func(ctx context.Context, in int) (int, error) {
			time.Sleep(time.Second)
			return runs.double(ctx, in)
		}
		a, _ := join(t, eng, slow, &pool.Options{Workers: 2})
		b, _ := join(t, eng.Open(), slow, &pool.Options{Workers: 2})
		reader, _ := join(t, eng.Open(), nil, nil)
		begun := time.Now()
		ids, err := reader.SubmitAll(t.Context(), numbers(40))
		require.NoError(t, err)
		require.NoError(t, reader.Wait(t.Context()))
		assert.Less(t, time.Since(begun), 12*time.Second, "four workers, ten seconds of work for each")
		for i, id := range ids {
			v, err := reader.Get(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, 2*i, v)
			require.Equal(t, 1, runs.times(i))
		}
		assert.Positive(t, a.Stats().Succeeded)
		assert.Positive(t, b.Stats().Succeeded)
		assert.EqualValues(t, 40, a.Stats().Succeeded+b.Stats().Succeeded)
		assert.Zero(t, reader.Stats())
		require.ErrorIs(t, reader.Resize(1), pool.ErrNilFunc)
		require.NoError(t, reader.Stop(t.Context()))
	})
}

func TestJoinBadInput(t *testing.T) {
	eng := newMemory(0)
	ctx := t.Context()
	_, err := pool.Join[int, int](nil, doubled, eng, nil) //nolint:staticcheck // that is what is tested
	require.ErrorContains(t, err, "nil context")
	_, err = pool.Join(ctx, doubled, nil, nil)
	require.EqualError(t, err, "pool: nil engine")
	_, err = pool.Join(ctx, doubled, (*enginetest.Memory)(nil), nil)
	require.EqualError(t, err, "pool: nil engine")
	_, err = pool.Join(ctx, doubled, eng, &pool.Options{Queue: -1})
	require.ErrorContains(t, err, "Queue is -1")
	_, err = pool.Join(ctx, doubled, eng, &pool.Options{Codec: &codec.Options{Errors: map[string]error{"x": nil}}})
	require.ErrorContains(t, err, `pool: Codec: codec: Errors["x"] is nil`)
	_, err = pool.Join(ctx, pool.Call[int], eng, nil)
	require.ErrorContains(t, err, "cannot be sent to another process")

	_, err = pool.Join[string, int](ctx, nil, eng, nil)
	require.NoError(t, err)
	_, err = pool.Join(ctx, doubled, eng, nil)
	require.EqualError(t, err, "pool: the engine's tasks are string as json to int as json, and this pool's are int as json to int as json; "+
		"join with a function of the same types, or open the engine under another name")

	closed := newMemory(0)
	require.NoError(t, closed.Close())
	_, err = pool.Join(ctx, doubled, closed, nil)
	require.ErrorIs(t, err, engine.ErrClosed)
}

func TestJoinNilTask(t *testing.T) {
	p, err := pool.Join[*int, int](t.Context(), nil, newMemory(0), nil)
	require.NoError(t, err)
	_, err = p.Submit(t.Context(), nil)
	require.ErrorIs(t, err, pool.ErrNilTask)
	_, err = p.SubmitAll(t.Context(), []*int{new(int), nil})
	require.ErrorIs(t, err, pool.ErrNilTask)
	require.NoError(t, p.Wait(t.Context()), "none was accepted")
	require.NoError(t, p.Stop(t.Context()))
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
		_, err := a.SubmitAll(t.Context(), numbers(40))
		require.NoError(t, err)
		synctest.Wait()
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		require.Positive(t, a.Stats().Queued, "nothing is to be given back")

		stopped := make(chan error, 1)
		go func() { stopped <- a.Stop(context.Background()) }()
		synctest.Wait()
		b, _ := join(t, eng.Open(), runs.double, &pool.Options{Workers: 1})
		time.Sleep(time.Second)
		synctest.Wait()
		assert.EqualValues(t, 40-10, b.Stats().Succeeded)
		close(gate)
		require.NoError(t, <-stopped)
		require.NoError(t, b.Wait(t.Context()))
		all, err := b.Results(t.Context())
		require.NoError(t, err)
		assert.Len(t, all, 40)
		for i := range 40 {
			assert.Equal(t, 1, runs.times(i))
		}
		s := a.Stats()
		assert.EqualValues(t, 10, s.Succeeded)
		assert.Equal(t, s.Submitted, s.Succeeded+s.NotRun)
	})
}

// A task that the cancel has interrupted is run by another process; one that ends
// otherwise, however late, has its outcome.
func TestJoinCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		why := errors.New("the machine goes down")
		a, cancel := join(t, eng, func(ctx context.Context, in int) (int, error) {
			<-ctx.Done()
			if in == 0 {
				return 0, ctx.Err()
			}
			return 100 + in, nil
		}, &pool.Options{Workers: 2})
		ids, err := a.SubmitAll(t.Context(), numbers(4))
		require.NoError(t, err)
		synctest.Wait()
		cancel(why)
		require.Equal(t, why, a.Stop(t.Context()))
		assert.Equal(t, pool.Stats{Submitted: 2, Succeeded: 1, NotRun: 1, Workers: 2}, a.Stats())

		b, _ := join(t, eng.Open(), doubled, nil)
		begun := time.Now()
		for i, want := range []int{0, 101, 4, 6} {
			v, err := b.Get(t.Context(), ids[i])
			require.NoError(t, err)
			require.Equal(t, want, v)
		}
		assert.Less(t, time.Since(begun), lease)
	})
}

func TestJoinExtendsLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		var runs counted
		long := func(ctx context.Context, in int) (int, error) {
			time.Sleep(10 * lease)
			return runs.double(ctx, in)
		}
		a, _ := join(t, eng, long, &pool.Options{Workers: 1})
		join(t, eng.Open(), long, &pool.Options{Workers: 1})
		id, err := a.Submit(t.Context(), 5)
		require.NoError(t, err)
		v, err := a.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 10, v)
		time.Sleep(20 * lease)
		assert.Equal(t, 1, runs.times(5))
	})
}

// pulled submits a task and pulls it, as a process does that dies then.
func pulled(t *testing.T, eng *enginetest.Memory, in, attempts int) (id store.ID) {
	t.Helper()
	p, _ := join(t, eng, nil, nil)
	id, err := p.Submit(t.Context(), in)
	require.NoError(t, err)
	dead := eng.Open()
	for i := range attempts {
		ds, err := dead.Pull(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, ds, 1)
		require.Equal(t, i+1, ds[0].Attempt)
		if i < attempts-1 {
			require.NoError(t, dead.Nack(t.Context(), ds))
		}
	}
	return id
}

func TestJoinAfterAProcessHasDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		id := pulled(t, eng, 4, 1)
		p, _ := join(t, eng.Open(), doubled, nil)
		begun := time.Now()
		v, err := p.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 8, v)
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
		v, err := p.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 99, v)
	})
}

func TestJoinFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(2)
		reader, _ := join(t, eng, nil, nil)
		ids, err := reader.SubmitAll(t.Context(), []int{1, 2})
		require.NoError(t, err)
		_, err = reader.TrySubmit(3)
		require.Equal(t, pool.ErrQueueFull, err)

		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
		defer cancel()
		_, err = reader.Submit(ctx, 3)
		require.EqualError(t, err, "enough")
		require.NotErrorIs(t, err, pool.ErrUnconfirmed)

		var late atomic.Uint64
		go func() {
			id, err := reader.Submit(context.Background(), 4)
			assert.NoError(t, err)
			late.Store(uint64(id))
		}()
		time.Sleep(time.Minute)
		require.Zero(t, late.Load())
		p, _ := join(t, eng.Open(), doubled, nil)
		time.Sleep(time.Second)
		require.Greater(t, late.Load(), uint64(ids[1]))
		v, err := p.Get(t.Context(), store.ID(late.Load()))
		require.NoError(t, err)
		assert.Equal(t, 8, v)
	})
}

// More tasks than the queue has room for, in one call.
func TestJoinSubmitAllPastTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs counted
		p, _ := join(t, newMemory(7), runs.double, &pool.Options{Workers: 2})
		ids, err := p.SubmitAll(t.Context(), numbers(1000))
		require.NoError(t, err)
		for i, id := range ids {
			v, err := p.Get(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, 2*i, v)
			require.Equal(t, 1, runs.times(i))
		}
		require.NoError(t, p.Stop(t.Context()))
	})
}

func TestJoinInsideTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(2)
		var p *pool.Pool[int, int]
		inside := make(chan []error, 1)
		fill := make(chan struct{})
		p, _ = join(t, eng, func(ctx context.Context, in int) (int, error) {
			if in > 0 {
				return in, nil
			}
			<-fill
			_, full := p.Submit(ctx, 2)
			_, pending := p.Get(ctx, 1<<60)
			inside <- []error{full, pending, p.Wait(ctx), p.Stop(ctx)}
			return 0, nil
		}, &pool.Options{Workers: 1})
		first, err := p.Submit(t.Context(), 0)
		require.NoError(t, err)
		synctest.Wait()
		_, err = p.Submit(t.Context(), 1)
		require.NoError(t, err)
		close(fill)
		assert.Equal(t, []error{pool.ErrQueueFull, pool.ErrInTask, pool.ErrInTask, pool.ErrInTask}, <-inside)
		_, err = p.Get(t.Context(), first)
		require.NoError(t, err)
		<-p.Done()
	})
}

func TestJoinGetNotFound(t *testing.T) {
	p, _ := join(t, newMemory(0), doubled, nil)
	_, err := p.Get(t.Context(), math.MaxUint64)
	require.ErrorIs(t, err, store.ErrNotFound)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	_, err = p.Submit(ctx, 1)
	require.EqualError(t, err, "enough")
	require.EqualError(t, p.Wait(ctx), "enough")
}

// A bad engine: its methods fail while it is down.
type downable struct {
	*enginetest.Memory
	down   atomic.Bool
	noSave atomic.Bool
}

var errEngineDown = errors.New("the engine is down")

func (d *downable) err() error {
	if d.down.Load() {
		return errEngineDown
	}
	return nil
}

func (d *downable) Push(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
	if err := d.err(); err != nil {
		return nil, err
	}
	return d.Memory.Push(ctx, key, tasks)
}

func (d *downable) Pull(ctx context.Context, n int) ([]engine.Delivery, error) {
	if err := d.err(); err != nil {
		return nil, err
	}
	return d.Memory.Pull(ctx, n)
}

func (d *downable) Save(ctx context.Context, recs []engine.Record) error {
	if d.noSave.Load() {
		return errEngineDown
	}
	if err := d.err(); err != nil {
		return err
	}
	return d.Memory.Save(ctx, recs)
}

func (d *downable) Load(ctx context.Context, id uint64) ([]byte, error) {
	if err := d.err(); err != nil {
		return nil, err
	}
	return d.Memory.Load(ctx, id)
}

func (d *downable) Wait(ctx context.Context, id uint64) ([]byte, error) {
	if err := d.err(); err != nil {
		return nil, err
	}
	return d.Memory.Wait(ctx, id)
}

func (d *downable) Size(ctx context.Context) (uint64, error) {
	if err := d.err(); err != nil {
		return 0, err
	}
	return d.Memory.Size(ctx)
}

func TestJoinDeadEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &downable{Memory: newMemory(0)}
		p, _ := join(t, eng, doubled, nil)
		eng.down.Store(true)

		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, errors.New("enough"))
		defer cancel()
		_, err := p.Submit(ctx, 1)
		require.ErrorContains(t, err, "enough")
		require.ErrorIs(t, err, pool.ErrUnconfirmed)

		type answer struct {
			id  store.ID
			err error
		}
		answers := make(chan answer)
		go func() {
			id, err := p.Submit(context.Background(), 20)
			answers <- answer{id, err}
		}()
		go func() {
			id, err := p.TrySubmit(20)
			answers <- answer{id, err}
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		select {
		case a := <-answers:
			t.Fatal("returned while the engine was down", a)
		default:
		}
		eng.down.Store(false)
		for range 2 {
			a := <-answers
			require.NoError(t, a.err)
			v, err := p.Get(t.Context(), a.id)
			require.NoError(t, err)
			assert.Equal(t, 40, v)
		}
		require.NoError(t, p.Wait(t.Context()))
	})
}

// Stop wakes those who submit to an engine that is down.
func TestJoinStopWakesSubmitters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &downable{Memory: newMemory(0)}
		p, _ := join(t, eng, doubled, nil)
		eng.down.Store(true)
		answer := make(chan error)
		go func() {
			_, err := p.Submit(context.Background(), 1)
			answer <- err
		}()
		synctest.Wait()
		require.NoError(t, p.Stop(t.Context()))
		err := <-answer
		require.ErrorIs(t, err, pool.ErrClosed)
		require.ErrorIs(t, err, pool.ErrUnconfirmed)
	})
}

// An engine that takes no results slows the workers, and then stops them.
func TestJoinCannotSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &downable{Memory: newMemory(0)}
		eng.noSave.Store(true)
		p, _ := join(t, eng, doubled, &pool.Options{Workers: 2, Queue: 10})
		ids, err := p.SubmitAll(t.Context(), numbers(5000))
		require.NoError(t, err)
		time.Sleep(time.Hour)
		s := p.Stats()
		assert.Zero(t, s.Succeeded)
		assert.Less(t, s.Submitted, uint64(3000))
		assert.Positive(t, s.Unsaved)
		eng.noSave.Store(false)
		for i, id := range ids {
			v, err := p.Get(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, 2*i, v)
		}
		require.NoError(t, p.Wait(t.Context()))
	})
}

// Results that could not be saved before the end are handed back, and their tasks run by
// others.
func TestJoinUnsaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &downable{Memory: newMemory(0)}
		eng.noSave.Store(true)
		p, cancel := join(t, eng, doubled, &pool.Options{Workers: 2})
		ids, err := p.SubmitAll(t.Context(), numbers(10))
		require.NoError(t, err)
		synctest.Wait()
		why := errors.New("the machine goes down")
		cancel(why)
		err = p.Stop(t.Context())
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, err, &unsaved)
		require.ErrorIs(t, err, why)
		require.ErrorIs(t, err, errEngineDown)
		assert.Len(t, unsaved.Results, 10)
		for _, res := range unsaved.Results {
			assert.Equal(t, 2*int(res.ID-ids[0]), res.Value)
		}

		b, _ := join(t, eng.Open(), doubled, nil)
		for i, id := range ids {
			v, err := b.Get(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, 2*i, v)
		}
	})
}

func TestJoinTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		p, err := pool.Join(t.Context(), func(_ context.Context, in string) (any, error) {
			switch in {
			case "value":
				return strings.Repeat("x", 1<<17), nil
			case "error":
				return nil, errors.New(strings.Repeat("x", 1<<17))
			case "unwritable":
				return math.NaN(), nil
			case "panics":
				return nil, panicking{}
			}
			return in, nil
		}, eng, &pool.Options{Workers: 2})
		require.NoError(t, err)
		_, err = p.Submit(t.Context(), strings.Repeat("x", 1<<17))
		require.ErrorIs(t, err, engine.ErrTooLarge)
		require.NotErrorIs(t, err, pool.ErrUnconfirmed)
		ids, err := p.SubmitAll(t.Context(), []string{"value", "error", "unwritable", "panics", "small"})
		require.NoError(t, err)
		for _, id := range ids[:4] {
			_, err = p.Get(t.Context(), id)
			require.ErrorIs(t, err, store.ErrRejected)
			require.ErrorContains(t, err, "pool: the task's outcome was not stored")
			require.Less(t, len(err.Error()), 2000)
		}
		v, err := p.Get(t.Context(), ids[4])
		require.NoError(t, err)
		assert.Equal(t, "small", v)
		require.NoError(t, p.Stop(t.Context()))
		n, err := eng.Size(t.Context())
		require.NoError(t, err)
		assert.Zero(t, n)
	})
}

type panicking struct{}

func (panicking) Error() string { panic("no text") }

func TestJoinUnreadableTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct{ task, want string }{
			{"", "nothing that a codec wrote"},
			{"\x00abcd1", "nothing that a codec wrote"},
			{"\x02abcd1", "written as version 2 by a newer program"},
			{"\x01abcd1", "it is not int as json, but of another program"},
		} {
			eng := newMemory(0)
			ids, err := eng.Push(t.Context(), "k", [][]byte{[]byte(tt.task)})
			require.NoError(t, err)
			p, _ := join(t, eng, doubled, nil)
			_, err = p.Get(t.Context(), store.ID(ids[0]))
			require.ErrorContains(t, err, tt.want)
			require.NoError(t, p.Wait(t.Context()), "it is not tried again")
		}
	})
}

// What once was a task's type has changed since.
func TestJoinTaskOfAnOlderProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		p, err := pool.Join(t.Context(), func(_ context.Context, in changed) (int, error) { return in.N, nil }, eng, nil)
		require.NoError(t, err)
		id, err := p.Submit(t.Context(), changed{1})
		require.NoError(t, err)
		_, err = p.Get(t.Context(), id)
		require.EqualError(t, err, "pool: the task: codec: the value cannot be read as github.com/resultpool/resultpool/pool_test.changed as json: not any more")
		require.NoError(t, p.Stop(t.Context()))
	})
}

// Of many tasks the one that cannot be written is named, and those before its batch are
// accepted.
func TestJoinUnwritableTaskIsNamed(t *testing.T) {
	p, err := pool.Join[float64, int](t.Context(), nil, newMemory(0), nil)
	require.NoError(t, err)
	_, err = p.Submit(t.Context(), math.NaN())
	require.EqualError(t, err, "pool: the task: codec: the value cannot be written as float64 as json: json: unsupported value: NaN")
	in := make([]float64, 1000)
	in[700] = math.NaN()
	ids, err := p.SubmitAll(t.Context(), in)
	require.EqualError(t, err, "pool: the task at index 700: codec: the value cannot be written as float64 as json: json: unsupported value: NaN")
	require.NotErrorIs(t, err, pool.ErrUnconfirmed)
	assert.Len(t, ids, 512)
	require.NoError(t, p.Stop(t.Context()))
}

type changed struct{ N int }

func (*changed) UnmarshalJSON([]byte) error { return errors.New("not any more") }

func TestJoinPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		id := pulled(t, eng, 4, 2)
		for range 5 {
			_, err := eng.MarkStart(t.Context(), uint64(id), 1)
			require.NoError(t, err)
		}
		var runs counted
		p, _ := join(t, eng.Open(), runs.double, nil)
		_, err := p.Get(t.Context(), id)
		require.ErrorIs(t, err, pool.ErrPoisoned)
		require.EqualError(t, err, "pool: the process dies at this task: it was started 5 times")
		require.NoError(t, p.Wait(t.Context()))
		assert.Zero(t, runs.times(4))
	})
}

// Deliveries do not condemn: the process may have died of something else.
func TestJoinManyDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		id := pulled(t, eng, 4, 50)
		for range 4 {
			_, err := eng.MarkStart(t.Context(), uint64(id), 1)
			require.NoError(t, err)
		}
		p, _ := join(t, eng.Open(), func(ctx context.Context, _ int) (int, error) {
			return eng.MarkStart(ctx, uint64(id), 0)
		}, nil)
		v, err := p.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 5, v, "the start was not counted before it happened")
	})
}

// An engine that cannot count starts counts deliveries.
func TestJoinPoisonWithoutStartMarker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for attempts, want := range map[int]error{19: nil, 20: pool.ErrPoisoned} {
			eng := newMemory(0)
			id := pulled(t, eng, 4, attempts)
			p, _ := join(t, bare{eng}, doubled, nil)
			_, err := p.Get(t.Context(), id)
			require.ErrorIs(t, err, want)
		}
	})
}

// forbidden may not count starts, for good, but for some.
type forbidden struct {
	*enginetest.Memory
	allowed *atomic.Int64
}

var errForbidden = errors.New("not permitted")

func (f forbidden) MarkStart(ctx context.Context, id uint64, n int) (int, error) {
	if f.allowed.Add(-1) < 0 {
		return 0, errForbidden
	}
	return f.Memory.MarkStart(ctx, id, n)
}

func (f forbidden) Retryable(err error) bool { return !errors.Is(err, errForbidden) }

// A process that may not count starts runs suspects all the same.
func TestJoinStartsMayNotBeCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for allowed := range 3 {
			eng := newMemory(0)
			id := pulled(t, eng, 4, 3)
			_, err := eng.MarkStart(t.Context(), uint64(id), 1)
			require.NoError(t, err)
			f := forbidden{eng.Open(), new(atomic.Int64)}
			f.allowed.Store(int64(allowed))
			p, _ := join(t, f, doubled, nil)
			v, err := p.Get(t.Context(), id)
			require.NoError(t, err)
			assert.Equal(t, 8, v)
		}
	})
}

// A bare engine has nothing optional.
type bare struct{ engine.Engine }

func TestJoinBareEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := join(t, bare{newMemory(0)}, doubled, nil)
		id, err := p.Submit(t.Context(), 4)
		require.NoError(t, err)
		v, err := p.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 8, v)
		require.ErrorIs(t, p.Wait(t.Context()), errors.ErrUnsupported)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = p.Get(ctx, 1<<60)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// Suspects at which somebody has died are run one at a time, and others beside them.
func TestJoinSuspectsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		reader, _ := join(t, eng, nil, nil)
		ids, err := reader.SubmitAll(t.Context(), numbers(4))
		require.NoError(t, err)
		dead := eng.Open()
		for range 2 {
			ds, err := dead.Pull(t.Context(), 10)
			require.NoError(t, err)
			require.Len(t, ds, 4)
			require.NoError(t, dead.Nack(t.Context(), ds))
		}
		for _, id := range ids {
			_, err := eng.MarkStart(t.Context(), uint64(id), 1)
			require.NoError(t, err)
		}
		var now, most atomic.Int64
		innocent := make(chan struct{})
		p, _ := join(t, eng.Open(), func(_ context.Context, in int) (int, error) {
			if in == 100 {
				close(innocent)
				return 0, nil
			}
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			return in, nil
		}, &pool.Options{Workers: 8})
		synctest.Wait()
		_, err = p.Submit(t.Context(), 100)
		require.NoError(t, err)
		<-innocent
		assert.EqualValues(t, 1, now.Load())
		for _, id := range ids {
			_, err := p.Get(t.Context(), id)
			require.NoError(t, err)
		}
		assert.EqualValues(t, 1, most.Load())
	})
}

// cutOff cannot extend leases.
type cutOff struct{ *enginetest.Memory }

func (cutOff) Extend(context.Context, []engine.Delivery) error { return errEngineDown }

// A task that is delivered again while it runs here is not run twice at once.
func TestJoinDeliveredAgainWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs counted
		p, _ := join(t, cutOff{newMemory(0)}, func(ctx context.Context, in int) (int, error) {
			time.Sleep(10 * lease)
			return runs.double(ctx, in)
		}, &pool.Options{Workers: 4})
		id, err := p.Submit(t.Context(), 5)
		require.NoError(t, err)
		v, err := p.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 10, v)
		require.NoError(t, p.Wait(t.Context()))
		assert.Equal(t, 1, runs.times(5))
		require.NoError(t, p.Stop(t.Context()))
	})
}

func TestJoinResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := join(t, newMemory(0), doubled, &pool.Options{Workers: 1})
		require.NoError(t, p.Resize(0))
		id, err := p.Submit(t.Context(), 1)
		require.NoError(t, err, "others may have workers")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err = p.Get(ctx, id)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, p.Resize(2))
		v, err := p.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 2, v)
		require.NoError(t, p.Resize(0))
		require.NoError(t, p.Stop(t.Context()))
	})
}
