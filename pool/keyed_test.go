package pool_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
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

// keyedTask is a task with a key.
type keyedTask struct {
	key string
	do  task
}

type keyedPool struct {
	*pool.Pool[keyedTask, int]
	st     store.ResultStore[int]
	cancel context.CancelCauseFunc
}

func newKeyedPool(t *testing.T, opts *pool.Options, batch bool) keyedPool {
	t.Helper()
	checkGoroutines(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	st := newTestStore(nil).as(batch)
	p, err := pool.NewKeyed(ctx, func(ctx context.Context, in keyedTask) (int, error) { return in.do(ctx) },
		func(in keyedTask) string { return in.key }, st, opts)
	require.NoError(t, err)
	t.Cleanup(func() { cancel(nil); <-p.Done() })
	return keyedPool{p, st, cancel}
}

func (p keyedPool) submit(t *testing.T, key string, do task) store.ID {
	t.Helper()
	id, err := p.Submit(t.Context(), keyedTask{key, do})
	require.NoError(t, err)
	return id
}

// Of one key no more than PerKey run at once, in the order of their IDs; those that are passed over hold no worker,
// count as Queued, and take up room.
func TestKeyed(t *testing.T) {
	for _, perKey := range []int{0, 1, 3} {
		for _, batch := range []bool{false, true} {
			bubble(t, fmt.Sprint(perKey, batch), func(t *testing.T) {
				atOnce := max(1, perKey)
				p := newKeyedPool(t, &pool.Options{Workers: 8, Queue: 20, PerKey: perKey}, batch)
				gate := make(chan struct{})
				var order []store.ID
				var mu sync.Mutex
				for range 10 {
					p.submit(t, "a", func(ctx context.Context) (int, error) {
						this, _ := pool.TaskFromContext(ctx)
						mu.Lock()
						order = append(order, this.ID)
						mu.Unlock()
						<-gate
						return 0, nil
					})
				}
				synctest.Wait()
				s := p.Stats()
				assert.Equal(t, s.Submitted, s.Queued+s.Running)
				assert.EqualValues(t, atOnce, s.Running)
				assert.Equal(t, idsFromTo(1, store.ID(atOnce)), p.Running())
				v, err := p.Get(t.Context(), p.submit(t, "b", value(5)))
				assert.NoError(t, err)
				assert.Equal(t, 5, v, "another key runs in the place of those that wait")
				for range atOnce + 10 {
					p.submit(t, "a", value(1))
				}
				_, err = p.TrySubmit(keyedTask{"b", value(5)})
				assert.Equal(t, pool.ErrQueueFull, err, "they take up room")
				for range 10 {
					gate <- struct{}{}
					synctest.Wait()
				}
				require.NoError(t, p.Stop(t.Context()))
				if atOnce > 1 { // those that begin at once note it in any order
					slices.Sort(order[:atOnce])
				}
				assert.Equal(t, idsFromTo(1, 10), order)
				s = p.Stats()
				assert.Equal(t, s.Submitted, s.Succeeded)
			})
		}
	}
}

// Whatever comes at once: the order within each key, its bound, and one result for each.
func TestKeyedUnderStress(t *testing.T) {
	const n, keys, perKey = 5000, 7, 2
	p := newKeyedPool(t, &pool.Options{Workers: 6, Queue: 64, PerKey: perKey}, true)
	var running [keys]atomic.Int64
	var mu sync.Mutex
	var begun [keys][]store.ID
	do := func(k int) keyedTask {
		return keyedTask{fmt.Sprint(k), func(ctx context.Context) (int, error) {
			this, _ := pool.TaskFromContext(ctx)
			if this.Attempt == 1 {
				mu.Lock()
				begun[k] = append(begun[k], this.ID)
				mu.Unlock()
			}
			if running[k].Add(1) > perKey {
				t.Errorf("more than %d of one key run", perKey)
			}
			if this.ID%8 == 0 {
				runtime.Gosched()
			}
			running[k].Add(-1)
			if this.ID%16 == 0 && this.Attempt < 3 {
				return 0, pool.RetryAfter(time.Duration(rand.N(3))*10*time.Microsecond, errTask)
			}
			return k, nil
		}}
	}
	var cancelled atomic.Int64
	var wg sync.WaitGroup
	for submitter := range 3 {
		wg.Go(func() {
			for i := range n / 10 {
				in := make([]keyedTask, 10)
				for j := range in {
					in[j] = do(rand.N(keys))
				}
				ids, err := p.SubmitAll(context.Background(), in)
				if err != nil || len(ids) != len(in) {
					t.Error(err)
				}
				if submitter == 0 && i%3 == 0 && p.Cancel(ids[5], nil) {
					cancelled.Add(1)
				}
				if submitter == 1 && i%50 == 0 {
					_ = p.Resize(rand.N(3) + 1)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, p.Stop(t.Context()))
	s := p.Stats()
	assert.EqualValues(t, 3*n, s.Submitted)
	assert.EqualValues(t, 3*n, s.Succeeded+s.NotRun+s.Failed)
	assert.LessOrEqual(t, s.NotRun+s.Failed, uint64(cancelled.Load()))
	all, err := store.Snapshot(t.Context(), p.st)
	require.NoError(t, err)
	assert.Len(t, all, 3*n)
	for _, ids := range begun {
		// With two places the second of two may note its start first.
		for i := range max(0, len(ids)-perKey) {
			assert.Less(t, ids[i], slices.Max(ids[i+1:i+1+perKey]))
		}
	}
}

// With one place for each key, the order is that of the IDs, however many workers there are, and whichever of
// them wakes first.
func TestKeyedOrder(t *testing.T) {
	const n, keys = 3000, 3
	p := newKeyedPool(t, &pool.Options{Workers: 5}, false)
	var begun [keys][]store.ID // each written by one task at a time
	for i := range n {
		k := i % keys
		p.submit(t, fmt.Sprint(k), func(ctx context.Context) (int, error) {
			this, _ := pool.TaskFromContext(ctx)
			begun[k] = append(begun[k], this.ID)
			return 0, nil
		})
		if i%100 == 0 {
			require.NoError(t, p.Wait(t.Context())) // then they sleep
		}
	}
	require.NoError(t, p.Stop(t.Context()))
	for _, ids := range begun {
		assert.Len(t, ids, n/keys)
		assert.True(t, slices.IsSorted(ids))
	}
}

// The life-cycle table of docs/design.md, a task that waits for its key: what becomes of one that waits in the queue.
func TestParkedForKeyIsEnded(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, p keyedPool, gate chan struct{}) error{
		"Stop": func(_ *testing.T, p keyedPool, gate chan struct{}) error {
			begin(func() error { return p.Stop(context.Background()) })
			synctest.Wait()
			close(gate)
			return nil
		},
		"Cancel": func(t *testing.T, p keyedPool, _ chan struct{}) error {
			assert.True(t, p.Cancel(2, errCause))
			assert.False(t, p.Cancel(2, errCause))
			return errCause
		},
		"the pool's cancel": func(_ *testing.T, p keyedPool, _ chan struct{}) error { p.cancel(errCause); return errCause },
		"Resize(0), Stop": func(t *testing.T, p keyedPool, _ chan struct{}) error {
			require.NoError(t, p.Resize(0))
			begin(func() error { return p.Stop(context.Background()) })
			return pool.ErrNoWorkers
		},
	} {
		bubble(t, name, func(t *testing.T) {
			p := newKeyedPool(t, nil, false)
			gate := make(chan struct{})
			opensAtEnd(t, gate)
			p.submit(t, "a", gated(gate, 1))
			id := p.submit(t, "a", value(2))
			synctest.Wait()
			get := begin(func() error { _, err := p.Get(context.Background(), id); return err })
			get.waits(t)
			want := end(t, p, gate)
			err := get.returns(t)
			if want == nil {
				assert.NoError(t, err)
			} else {
				matchesAll(t, err, want, pool.ErrNotRun)
			}
			s := p.Stats()
			assert.Zero(t, s.Queued)
		})
	}
}

// A retry that waits keeps no key busy, and waits for its key when it comes again.
func TestRetryKeepsNoKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newKeyedPool(t, &pool.Options{Workers: 4}, false)
		retried := p.submit(t, "a", attempts(1, time.Second, value(1)))
		gate := make(chan struct{})
		long := p.submit(t, "a", gated(gate, 2))
		synctest.Wait()
		assert.Equal(t, []store.ID{long}, p.Running())
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, []store.ID{long}, p.Running(), "its time has come, and its key is busy")
		close(gate)
		require.NoError(t, p.Stop(t.Context()))
		assert.EqualValues(t, 2, p.Stats().Succeeded)
		_, err := p.Get(t.Context(), retried)
		assert.NoError(t, err)
	})
}

// A task that panics, fails or ends its goroutine gives its key free.
func TestKeyIsGivenFree(t *testing.T) {
	for _, do := range []task{panickingTask, failingTask, exitingTask} {
		bubble(t, "", func(t *testing.T) {
			p := newKeyedPool(t, &pool.Options{Workers: 2}, true)
			p.submit(t, "a", do)
			v, err := p.Get(t.Context(), p.submit(t, "a", value(2)))
			assert.NoError(t, err)
			assert.Equal(t, 2, v)
		})
	}
}

// Keys that cannot be had or looked up, wrong options, and a nil key function.
func TestKeyedBadInput(t *testing.T) {
	st := store.ResultStore[int](newTestStore(nil))
	one := func(context.Context, any) (int, error) { return 1, nil }
	p, err := pool.NewKeyed(t.Context(), one, func(in any) any {
		if do, ok := in.(func() any); ok {
			return do()
		}
		return in
	}, st, &pool.Options{Workers: 1})
	require.NoError(t, err)
	defer func() { assert.NoError(t, p.Stop(context.Background())) }()
	for name, c := range map[string]struct {
		in   any
		want string
	}{
		"NaN":        {math.NaN(), "NaN"},
		"no ==":      {[]int{1}, "uncomparable type []int"},
		"panic":      {func() any { panic("boom") }, "boom"},
		"Goexit":     {func() any { runtime.Goexit(); return 0 }, pool.ErrGoexit.Error()},
		"inside":     {[1]any{math.NaN()}, "NaN"},
		"panic(nil)": {func() any { panic(nil) }, "panic"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.Submit(t.Context(), c.in)
			assert.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, "pool: the key of the task at index 0: ")
			_, err = p.TrySubmit(c.in)
			assert.ErrorContains(t, err, c.want)
			ids, err := p.SubmitAll(t.Context(), []any{1, 2, c.in, 3})
			assert.ErrorContains(t, err, "at index 2: ")
			assert.Empty(t, ids)
		})
	}
	assert.Zero(t, p.Stats().Submitted)

	_, err = pool.NewKeyed[int](t.Context(), one, nil, st, nil)
	assert.ErrorContains(t, err, "nil key function")
	_, err = pool.NewKeyed(t.Context(), one, func(any) int { return 1 }, st, &pool.Options{PerKey: -1})
	assert.ErrorContains(t, err, "PerKey is -1, want 0 (1) or more")
	_, err = pool.NewKeyed(t.Context(), one, func(any) int { return 1 }, nil, nil)
	assert.Equal(t, pool.ErrNilStore, err)
	_, err = pool.NewKeyed[int, any, int](t.Context(), nil, func(any) int { return 1 }, st, nil)
	assert.Equal(t, pool.ErrNilFunc, err)
	_, err = pool.NewKeyed(nil, one, func(any) int { return 1 }, st, nil) //nolint:staticcheck // that is the test
	assert.ErrorContains(t, err, "nil context")
	_, err = pool.NewKeyed(t.Context(), one, func(any) int { return 1 }, st, &pool.Options{Queue: -1})
	assert.ErrorContains(t, err, "Queue is -1")
	for _, perKey := range []int{-1, 1} {
		want := fmt.Sprintf("PerKey is %d, want 0", perKey)
		_, err = pool.New(t.Context(), one, st, &pool.Options{PerKey: perKey})
		assert.ErrorContains(t, err, want)
		_, err = pool.Map(t.Context(), []any{1}, one, &pool.Options{PerKey: perKey})
		assert.ErrorContains(t, err, want)
	}
}
