package pool_test

import (
	"context"
	"os"
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
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// New starts no goroutine, and a pool only as many as there is work for.
func TestWorkersStartWhenNeeded(t *testing.T) {
	require.Empty(t, goroutinesLeft(), "of another test")
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 100})
		assert.Empty(t, poolGoroutines(), "after New")
		for range 50 {
			submit(t, p, value(1))
			synctest.Wait()
		}
		assert.Equal(t, 1, countGoroutines(), "after tasks one by one")
		gate := make(chan struct{})
		for range 7 {
			submit(t, p, gated(gate, 1))
		}
		synctest.Wait()
		assert.Equal(t, 7, countGoroutines(), "with seven tasks that run")
		close(gate)
		require.NoError(t, p.Stop(t.Context()))
		synctest.Wait()
		assert.Empty(t, poolGoroutines(), "after Stop")
	})
}

// The only goroutines of a pool are its workers, one that settles what a cancel has left, and one
// that hears of the cancel. What wakes others is done by those who have the news: a goroutine for
// it could be left when Done is closed.
func TestPoolStartsOnlyWorkers(t *testing.T) {
	const rounds, callers = 100, 2
	for name, c := range map[string]struct {
		cancels bool
		want    float64
	}{"stopped": {false, callers + 1}, "cancelled": {true, callers + 3}} {
		t.Run(name, func(t *testing.T) {
			started := goroutinesCreated(t)
			for range rounds {
				ctx, cancel := context.WithCancel(context.Background())
				p, gate := fullPool(t, ctx)
				calls := []*pending{p.getting(1), p.submittingAll(values(3))}
				for p.Waiting() < 3 {
					runtime.Gosched()
				}
				if c.cancels {
					cancel()
					for p.Stats().NotRun == 0 || p.Resize(1) == nil {
						runtime.Gosched()
					}
				}
				close(gate)
				for _, c := range calls {
					<-c.done
				}
				for range 5 { // the worker goes to sleep, and wakes
					_, _ = p.Submit(t.Context(), value(1))
					_ = p.Wait(t.Context())
				}
				_ = p.Stop(t.Context())
				cancel()
			}
			assert.InDelta(t, c.want, float64(started())/rounds, 0.5)
		})
	}
}

// A task that blocks never delays one that waits while a worker is idle.
func TestNoHeadOfLineBlocking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 4})
		gate := make(chan struct{})
		defer close(gate)
		var ids []store.ID
		for i := range 99 {
			if i%33 == 0 {
				submit(t, p, gated(gate, 0))
			}
			ids = append(ids, submit(t, p, value(i)))
		}
		synctest.Wait()
		for i, id := range ids {
			assert.Equal(t, i, held(t, p, id).Value)
		}
		assert.EqualValues(t, 3, p.Stats().Running)
	})
}

// So it is with tasks that workers have claimed many at a time, and with each way to block: those behind
// in the claim are run by others.
func TestNoHeadOfLineBlockingInClaims(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	var over atomic.Bool
	var mu sync.Mutex
	gate := make(chan struct{})
	for name, block := range map[string]func(){
		"channel": func() { <-gate },
		"mutex":   func() { mu.Lock(); mu.Unlock() }, //nolint:staticcheck // it was to wait
		"read":    func() { _, _ = r.Read(make([]byte, 1)) },
		"sleep": func() {
			for !over.Load() {
				time.Sleep(time.Millisecond)
			}
		},
		"spin": func() {
			for !over.Load() {
			}
		},
		"Put": nil,
	} {
		t.Run(name, func(t *testing.T) {
			over.Store(false)
			gate = make(chan struct{})
			mu.Lock()
			p := newPool(t, &pool.Options{Workers: 2, Queue: 4000}, putBlocks{rwmutex.New[int](), gate})
			const n = 3000
			var ran atomic.Int64
			tasks := slices.Repeat([]task{func(context.Context) (int, error) { ran.Add(1); return 1, nil }}, n)
			tasks[n/2] = func(context.Context) (int, error) {
				if block == nil {
					return -1, nil
				}
				block()
				return 1, nil
			}
			_, err := p.SubmitAll(t.Context(), tasks)
			require.NoError(t, err)
			assert.Eventually(t, func() bool { return ran.Load() == n-1 }, time.Minute, time.Millisecond)
			mu.Unlock()
			over.Store(true)
			close(gate)
			_, _ = w.Write([]byte{1})
			require.NoError(t, p.Stop(t.Context()))
		})
	}
}

// putBlocks is a store whose Put of -1 waits for gate.
type putBlocks struct {
	store.ResultStore[int]
	gate <-chan struct{}
}

func (s putBlocks) Put(ctx context.Context, res store.Result[int]) error {
	if res.Value == -1 {
		<-s.gate
	}
	return s.ResultStore.Put(ctx, res)
}

// What waits is never more than Queue and what workers have claimed to run next.
func TestQueuedIsBounded(t *testing.T) {
	for _, c := range []struct{ workers, queue, most int }{{2, 15, 15}, {2, 1024, 1024 + 2*32}, {1, 100, 100 + 12}} {
		p := newPool(t, &pool.Options{Workers: c.workers, Queue: c.queue})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range 100 {
					_, err := p.SubmitAll(t.Context(), repeat(300, value(1)))
					assert.NoError(t, err)
				}
			})
		}
		var over atomic.Bool
		looked := make(chan struct{})
		go func() {
			defer close(looked)
			for !over.Load() {
				if s := p.Stats(); s.Queued > uint64(c.most) {
					t.Errorf("%+v: %d are queued", c, s.Queued)
				}
				runtime.Gosched()
			}
		}()
		wg.Wait()
		over.Store(true)
		<-looked
		require.NoError(t, p.Stop(t.Context()))
	}
}

// Workers take tasks in the order of their IDs, whichever way these came in.
func TestTasksStartInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1, Queue: 3})
		var started []store.ID // by the only worker
		next := store.ID(0)
		note := func() task {
			next++
			id := next
			return func(context.Context) (int, error) { started = append(started, id); return 0, nil }
		}
		for range 300 {
			submit(t, p, note())
			_, err := p.SubmitAll(t.Context(), []task{note(), note(), note(), note(), note(), note(), note()})
			require.NoError(t, err)
			require.NoError(t, p.Wait(t.Context()))
			_, err = p.TrySubmit(note())
			require.NoError(t, err)
		}
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, idsFromTo(1, next), started)
	})
}

// The next worker goes on where the last one has left, also in the middle of a claim.
func TestTasksStartInOrderAfterResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1})
		var started []store.ID // by the only worker
		var tasks []task
		for i := range 600 {
			tasks = append(tasks, func(context.Context) (int, error) {
				if started = append(started, store.ID(i+1)); i%50 == 7 {
					return 0, p.Resize(0)
				}
				return 0, nil
			})
		}
		_, err := p.SubmitAll(t.Context(), tasks)
		require.NoError(t, err)
		for range 12 {
			synctest.Wait()
			require.NoError(t, p.Resize(1))
		}
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, idsFromTo(1, 600), started)
	})
}

// ants #26, #70, #154, #336, #374: never more tasks at once than workers, also
// while their number changes. Counted inside the tasks.
func TestNeverMoreThanWorkers(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 1})
	var running, limit, over atomic.Int64
	limit.Store(1)
	busy := func(context.Context) (int, error) {
		if running.Add(1) > limit.Load() {
			over.Add(1)
		}
		runtime.Gosched()
		running.Add(-1)
		return 0, nil
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				_, err := p.Submit(t.Context(), busy)
				assert.NoError(t, err)
			}
		})
	}
	for i := range 50 {
		more := int64(2 + i%7)
		limit.Store(more)
		require.NoError(t, p.Resize(int(more)))
		runtime.Gosched()
		require.NoError(t, p.Resize(1)) // those that run may finish, so limit stays
		for p.Stats().Running > 1 {
			runtime.Gosched()
		}
	}
	wg.Wait()
	require.NoError(t, p.Stop(t.Context()))
	assert.Zero(t, over.Load(), "tasks that found too many running")
}

// A task runs under the pool's context: it sees the values of New's, and its
// submitter's ends the wait for room and nothing else.
func TestTaskContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key string
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key("of"), 42))
		defer cancel()
		p := newPoolIn(t, ctx, &pool.Options{Workers: 1})
		submitter, leave := context.WithTimeout(context.WithValue(t.Context(), key("by"), "Submit"), time.Second)
		gate := make(chan struct{})
		id, err := p.Submit(submitter, func(ctx context.Context) (int, error) {
			<-gate
			assert.Nil(t, ctx.Value(key("by")))
			_, bounded := ctx.Deadline()
			assert.False(t, bounded)
			return ctx.Value(key("of")).(int), ctx.Err()
		})
		require.NoError(t, err)
		leave()
		close(gate)
		v, err := p.Get(t.Context(), id)
		assert.NoError(t, err)
		assert.Equal(t, 42, v)
		assert.NoError(t, p.Stop(t.Context()))
	})
}

// panickingNil runs test as programs are now, where recover gives a runtime.PanicNilError
// for a panic(nil), and as they were before Go 1.21, and are on demand: there it looks
// like no panic at all.
func panickingNil(t *testing.T, test func(t *testing.T)) {
	for _, godebug := range []string{"panicnil=0", "panicnil=1"} {
		t.Run(godebug, func(t *testing.T) {
			t.Setenv("GODEBUG", godebug)
			test(t)
		})
	}
}

func panicsNil(context.Context) (int, error) { panic(nil) }

// In a task, in Map, and in a store, which has not stored a result then.
func TestPanicNil(t *testing.T) {
	panickingNil(t, func(t *testing.T) {
		var panicked *pool.PanicError
		p := newPool(t, nil)
		_, err := p.Get(t.Context(), submit(t, p, panicsNil))
		assert.ErrorAs(t, err, &panicked)
		require.NoError(t, p.Stop(t.Context()))
		assert.EqualValues(t, 1, p.Stats().Panicked)

		out, err := pool.Map(t.Context(), []task{value(1), panicsNil, value(3)}, pool.Call[int], nil)
		assert.Equal(t, []int{1, 0, 3}, out)
		assert.ErrorAs(t, err, &panicked)
		assert.ErrorContains(t, err, "input 1: ")

		for _, batch := range []bool{false, true} {
			st := newTestStore(func(context.Context, []store.ID, func(context.Context) error) error { panic(nil) })
			p := newPool(t, nil, st.as(batch))
			id := submit(t, p, value(7))
			err := p.Stop(t.Context())
			assert.Equal(t, []store.Result[int]{{ID: id, Value: 7}}, handedBack(t, err, 1))
			assert.ErrorIs(t, err, store.ErrRejected)
			assert.ErrorAs(t, err, &panicked)
		}
	})
}

// Submit, run and Put allocate nothing in the steady state, with dense.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const n = 10_000 // also the queue: a Submit that has to wait does allocate
	p, err := pool.New(t.Context(), func(_ context.Context, i int) (int, error) { return i, nil }, dense.New[int](), &pool.Options{Workers: 1, Queue: n})
	require.NoError(t, err)
	defer func() { assert.NoError(t, p.Stop(context.Background())) }()
	run := func() {
		for i := range n {
			if _, err := p.Submit(t.Context(), i); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run()
	perTask := testing.AllocsPerRun(5, run) / n
	// A segment of dense is one allocation for 1,024 results, each Wait is a few.
	assert.Less(t, perTask, 0.01)
}

// Time passes in a pool only for what waits: nothing polls.
func TestIdlePoolSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 3})
		for range 10 {
			submit(t, p, value(1))
		}
		synctest.Wait()
		// In a bubble, time passes at once while all goroutines are blocked. With a
		// poll each millisecond this would take 360 billion steps, and not end.
		begun := time.Now()
		time.Sleep(100_000 * time.Hour)
		assert.Equal(t, 100_000*time.Hour, time.Since(begun))
		submit(t, p, value(1))
		require.NoError(t, p.Stop(t.Context()))
	})
}
