package pool_test

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/resultpool/resultpool/store/rwmutex"
)

// rejectingStore rejects the results that keep says are bad, until they are replaced.
func rejectingStore(bad func(store.Result[int]) error) (plain *hookStore, batch *batchStore) {
	hooks := &hookStore{ResultStore: rwmutex.New[int]()}
	hooks.put = func(ctx context.Context, res store.Result[int]) error {
		if err := bad(res); err != nil {
			return err
		}
		return hooks.ResultStore.Put(ctx, res)
	}
	return hooks, &batchStore{hookStore: hooks, putBatch: func(_ context.Context, res []store.Result[int]) error {
		for _, r := range res {
			if err := bad(r); err != nil {
				return err
			}
		}
		return putAllOrNone(hooks.ResultStore, res)
	}}
}

// One result that the store fails to take, and does not reject, does not hold up the
// others: doc.go and docs/design.md say so. Over a store without batches it holds one
// worker's slot, and the others go on.
func TestBatchFailingResultHoldsUpNobody(t *testing.T) {
	const tasks, bad = 5000, 10
	for _, batch := range []bool{false, true} {
		t.Run(fmt.Sprintf("batch %v", batch), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plain, batches := rejectingStore(func(res store.Result[int]) error {
					if res.ID == bad {
						return errDown
					}
					return nil
				})
				var st store.ResultStore[int] = plain
				if batch {
					st = batches
				}
				p := newPool(t, &pool.Options{Workers: 4}, st)
				stored := call(func() error {
					for i := range tasks {
						if _, err := p.Submit(t.Context(), value(i)); err != nil {
							return err
						}
					}
					return nil
				})
				time.Sleep(time.Hour)
				synctest.Wait()
				_, returned := stored()
				assert.True(t, returned, "Submit is blocked after an hour")
				assert.Equal(t, tasks-1, holds(t, p), "results stored after an hour")
				s := p.Stats()
				checkStats(t, s)
				assert.EqualValues(t, 1, s.Unsaved)
				assert.EqualValues(t, 1, s.Running)
				get := call(func() error { _, err := p.Get(context.Background(), bad); return err })
				synctest.Wait()
				_, returned = get()
				assert.False(t, returned)
				p.cancel(errCause)
				var unsaved *pool.UnsavedError[int]
				require.ErrorAs(t, p.Stop(t.Context()), &unsaved)
				synctest.Wait()
				assert.Empty(t, poolGoroutines())
				err, returned := get()
				assert.True(t, returned)
				assert.ErrorIs(t, err, errDown)
				assert.Equal(t, []store.Result[int]{{ID: bad, Value: bad - 1}}, unsaved.Results[:1])
			})
		})
	}
}

// But a store that is down does not have everything set aside: no more than there are
// workers are tried beside the writer.
func TestBatchSetAsideIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls, most atomic.Int64
		st := newRecordingStore(func([]store.ID) error {
			most.Store(max(most.Load(), calls.Add(1)))
			time.Sleep(time.Minute)
			calls.Add(-1)
			return errDown
		})
		p := newPool(t, &pool.Options{Workers: 3, Queue: 10}, st)
		submitN(t, p, 13)
		time.Sleep(24 * time.Hour)
		assert.EqualValues(t, 1+3, most.Load())
		checkStats(t, p.Stats())
		assert.EqualValues(t, 13, p.Stats().Unsaved)
		require.NoError(t, p.Resize(0))
		p.cancel(errCause)
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, p.Stop(t.Context()), &unsaved)
		assert.Len(t, unsaved.Results, 13)
	})
}

// A result of somebody else is not taken for the pool's own because a batch with its
// ID in it has failed once, and has stored nothing, as a PutBatch that fails does.
func TestBatchForeignResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const foreign = 7
		first := true
		st := newRecordingStore(func(ids []store.ID) error {
			if len(ids) > 1 && first {
				first = false
				return errDown
			}
			time.Sleep(time.Millisecond)
			return nil
		})
		require.NoError(t, st.ResultStore.Put(t.Context(), store.Result[int]{ID: foreign, Value: 42}))
		p := newPool(t, &pool.Options{Workers: 1}, st)
		submitN(t, p, 10)
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, p.Stop(t.Context()), &unsaved, "the result of task %d is nowhere", foreign)
		require.Len(t, unsaved.Results, 1)
		assert.Equal(t, store.Result[int]{ID: foreign, Value: foreign - 1}, unsaved.Results[0])
		assert.Equal(t, 10, holds(t, p))
	})
}

// After a cancel, a store that takes its time to fail, as one does that waits for a
// connection, does not keep the pool from ending for half an hour. If it does not look at
// its context, each part of a batch that there is costs that time once.
func TestBatchCancelWhileFailingSlowly(t *testing.T) {
	for name, c := range map[string]struct {
		heeds bool
		most  time.Duration
	}{
		"heeds its context": {true, 15 * time.Second},
		"does not":          {false, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fail := func(ctx context.Context) error {
					done := ctx.Done()
					if !c.heeds {
						done = nil
					}
					select {
					case <-done:
						return ctx.Err()
					case <-time.After(3 * time.Second):
						return errDown
					}
				}
				hooks := &hookStore{ResultStore: rwmutex.New[int]()}
				hooks.put = func(ctx context.Context, _ store.Result[int]) error { return fail(ctx) }
				st := &batchStore{hookStore: hooks, putBatch: func(ctx context.Context, _ []store.Result[int]) error { return fail(ctx) }}
				p := newPool(t, &pool.Options{Workers: 2}, st)
				submitN(t, p, 1000)
				time.Sleep(time.Hour)
				begun := time.Now()
				p.cancel(errCause)
				var unsaved *pool.UnsavedError[int]
				require.ErrorAs(t, p.Stop(t.Context()), &unsaved)
				assert.Len(t, unsaved.Results, 1000)
				assert.LessOrEqual(t, time.Since(begun), c.most)
			})
		})
	}
}

// A store that changes the slice and then fails loses nothing: what TestBatchIsTheStores
// says, for the case that matters.
func TestBatchStoreSortsAndFails(t *testing.T) {
	for name, change := range map[string]func([]store.Result[int]){
		"reverse": slices.Reverse[[]store.Result[int]],
		"clear":   func(res []store.Result[int]) { clear(res) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hooks := &hookStore{ResultStore: rwmutex.New[int]()}
				hooks.put = func(ctx context.Context, res store.Result[int]) error {
					time.Sleep(time.Millisecond)
					return hooks.ResultStore.Put(ctx, res)
				}
				st := &batchStore{hookStore: hooks}
				calls := 0
				st.putBatch = func(_ context.Context, res []store.Result[int]) error {
					time.Sleep(time.Millisecond)
					if calls++; calls == 1 {
						change(res)
						return errDown
					}
					return putAllOrNone(hooks.ResultStore, res)
				}
				p := newPool(t, &pool.Options{Workers: 1}, st)
				for i, id := range submitN(t, p, 100) {
					v, err := p.Get(t.Context(), id)
					require.NoError(t, err)
					require.Equal(t, i, v)
				}
			})
		})
	}
}

// A result that is stored is not kept until the last one of its batch is.
func TestBatchStoredAreFreed(t *testing.T) {
	type big struct{ p *[8]int } // too large to share memory with another
	const n = 64
	freed := make(chan struct{}, n)
	gate := make(chan struct{})
	st := &lastFailsStore[big]{gate: gate, last: n}
	ctx, cancel := context.WithCancel(t.Context())
	p, err := pool.New(ctx, func(_ context.Context, i int) (big, error) {
		v := new([8]int)
		if i != n-1 {
			runtime.AddCleanup(v, func(c chan struct{}) { c <- struct{}{} }, freed)
		}
		return big{v}, nil
	}, st, &pool.Options{Workers: 1})
	require.NoError(t, err)
	for i := range n {
		_, err := p.Submit(t.Context(), i)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return p.Stats().Running == n }, 5*time.Second, time.Millisecond)
	close(gate)
	require.Eventually(t, func() bool { return p.Stats().Succeeded == n-1 }, 10*time.Second, time.Millisecond)
	assert.Eventually(t, func() bool { runtime.GC(); return len(freed) == n-1 }, 2*time.Second, time.Millisecond,
		"of those that are stored, only some are free")
	t.Log("freed", len(freed), "of", n-1)
	cancel()
	<-p.Done()
}

// lastFailsStore keeps nothing, and fails for one ID.
type lastFailsStore[R any] struct {
	store.ResultStore[R]
	gate <-chan struct{}
	last store.ID
}

func (s *lastFailsStore[R]) Put(ctx context.Context, res store.Result[R]) error {
	return s.PutBatch(ctx, []store.Result[R]{res})
}

func (s *lastFailsStore[R]) PutBatch(_ context.Context, res []store.Result[R]) error {
	<-s.gate
	for _, r := range res {
		if r.ID == s.last {
			return errDown
		}
	}
	return nil
}

// Get, while the blocks of IDs of what was handed over are long forgotten.
func TestBatchPendingInForgottenBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var shut atomic.Bool
		rs := newReservingStore(1)
		next := store.ID(1)
		rs.reserve = func(_ context.Context, n uint64) (store.ID, error) { // with gaps, so blocks are not joined
			first := next
			next += store.ID(n) + 1000
			return first, nil
		}
		st := &reservingBatchStore{rs, func(res []store.Result[int]) error {
			if shut.Load() {
				<-gate
			}
			return putAllOrNone(rs.ResultStore, res)
		}}
		p := newPool(t, &pool.Options{Workers: 2, Queue: 1 << 10}, st)
		var ids []store.ID
		for len(ids) < 1<<16-500 {
			got, err := p.SubmitAll(t.Context(), slices.Repeat([]task{value(1)}, min(1000, 1<<16-500-len(ids))))
			require.NoError(t, err)
			ids = append(ids, got...)
		}
		require.NoError(t, p.Wait(t.Context()))
		shut.Store(true)
		var handed []store.ID
		for range 500 { // the last of the first block
			id, err := p.Submit(t.Context(), value(1))
			require.NoError(t, err)
			handed = append(handed, id)
		}
		synctest.Wait()
		for range 500 { // of the next; the first block is forgotten
			id, err := p.Submit(t.Context(), value(1))
			require.NoError(t, err)
			handed = append(handed, id)
		}
		synctest.Wait()
		require.EqualValues(t, 1000, p.Stats().Running)
		var gets []func() (error, bool)
		for _, id := range handed {
			gets = append(gets, call(func() error { _, err := p.Get(context.Background(), id); return err }))
		}
		synctest.Wait()
		for i, g := range gets {
			err, returned := g()
			require.False(t, returned, "Get of %d: %v", handed[i], err)
		}
		_, err := p.Get(t.Context(), 1<<16+5) // in the gap
		assert.ErrorIs(t, err, store.ErrNotFound)
		close(gate)
		synctest.Wait()
		for _, g := range gets {
			err, returned := g()
			require.True(t, returned)
			require.NoError(t, err)
		}
	})
}

type reservingBatchStore struct {
	*reservingStore
	putBatch func([]store.Result[int]) error
}

func (s *reservingBatchStore) Put(_ context.Context, res store.Result[int]) error {
	return s.putBatch([]store.Result[int]{res})
}

func (s *reservingBatchStore) PutBatch(_ context.Context, res []store.Result[int]) error {
	return s.putBatch(res)
}

// Whatever a store does, within the contract, each result is stored or handed back, once,
// and the numbers add up all the time.
func TestBatchChaos(t *testing.T) {
	seeds := 30
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 77))
			var mu sync.Mutex
			roll := func(n int) int { mu.Lock(); defer mu.Unlock(); return rng.IntN(n) }
			chance := func(n int) bool { return roll(n) == 0 }
			inner := rwmutex.New[int]()
			puts := map[store.ID]int{}
			lied := map[store.ID]bool{} // stored by a call that did not say so
			trouble := 1 + roll(6)
			put := func(ctx context.Context, res []store.Result[int]) error {
				if chance(2) {
					time.Sleep(time.Duration(roll(20)) * time.Millisecond)
				}
				if chance(3 * trouble) {
					switch roll(5) {
					case 0:
						return errDown
					case 1:
						return store.ErrRejected
					case 2:
						panic("boom")
					case 3:
						runtime.Goexit()
					case 4:
						select {
						case <-ctx.Done():
							return ctx.Err()
						case <-time.After(time.Second):
						}
					}
				}
				if err := putAllOrNone(inner, res); err != nil {
					return err
				}
				for _, r := range res {
					puts[r.ID]++
				}
				if len(res) > 1 && chance(4*trouble) {
					for _, r := range res {
						lied[r.ID] = true
					}
					switch roll(3) {
					case 0:
						return errDown
					case 1:
						panic("boom, but stored")
					case 2:
						runtime.Goexit()
					}
				}
				return nil
			}
			turn := make(chan struct{}, 1) // and no mutex, which would stop the bubble's clock
			locked := func(ctx context.Context, res []store.Result[int]) error {
				turn <- struct{}{}
				defer func() { <-turn }()
				return put(ctx, res)
			}
			hooks := &hookStore{ResultStore: inner}
			hooks.put = func(ctx context.Context, res store.Result[int]) error { return locked(ctx, []store.Result[int]{res}) }
			st := &batchStore{hookStore: hooks, putBatch: locked}
			p := newPool(t, &pool.Options{Workers: 1 + roll(8), Queue: 1 + roll(200)}, st)
			n := 1 + roll(3000)
			stop := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				for !isClosed(stop) {
					s := p.Stats()
					checkStats(t, s)
					if s.Unsaved > s.Submitted {
						t.Errorf("%+v", s)
						return
					}
					time.Sleep(3 * time.Millisecond)
				}
			})
			var accepted sync.Map
			var count atomic.Int64
			for g := range 3 {
				wg.Go(func() {
					for i := range n / 3 {
						var in task
						switch chanceN := (i*7 + g) % 23; chanceN {
						case 1:
							in = func(context.Context) (int, error) { panic("task") }
						case 2:
							in = func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }
						case 3:
							in = func(ctx context.Context) (int, error) {
								if id, err := p.Submit(ctx, value(1)); err == nil {
									accepted.Store(id, true)
									count.Add(1)
								}
								return 0, nil
							}
						default:
							in = value(i)
						}
						id, err := p.Submit(context.Background(), in)
						if err != nil {
							if errors.Is(err, pool.ErrNoWorkers) {
								time.Sleep(time.Millisecond)
								continue
							}
							return
						}
						accepted.Store(id, true)
						count.Add(1)
						if i%50 == 0 {
							wg.Go(func() {
								if _, err := p.Get(context.Background(), id); errors.Is(err, store.ErrNotFound) {
									t.Errorf("Get of %d: %v", id, err)
								}
							})
						}
					}
				})
			}
			var end time.Duration
			if roll(2) == 0 {
				end = time.Duration(roll(3000)) * time.Millisecond
			}
			resize := roll(2) == 0
			if resize {
				wg.Go(func() {
					for i := range 20 {
						time.Sleep(7 * time.Millisecond)
						_ = p.Resize(i % 4)
					}
					_ = p.Resize(2)
				})
			}
			if end > 0 {
				time.Sleep(end)
				p.cancel(errCause)
			} else {
				time.Sleep(time.Duration(1) * time.Second)
			}
			err := p.Stop(t.Context())
			synctest.Wait()
			assert.Empty(t, poolGoroutines())
			close(stop)
			wg.Wait()
			var unsaved *pool.UnsavedError[int]
			handed := map[store.ID]int{}
			if errors.As(err, &unsaved) {
				for _, r := range unsaved.Results {
					handed[r.ID]++
				}
			}
			s := p.Stats()
			checkStats(t, s)
			require.EqualValues(t, len(handed), s.Unsaved)
			require.EqualValues(t, count.Load(), s.Submitted)
			accepted.Range(func(k, _ any) bool {
				id := k.(store.ID)
				if got := puts[id] + handed[id]; got != 1 && (!lied[id] || got != 2) {
					t.Errorf("seed %d: result %d: stored %d times, handed back %d times", seed, id, puts[id], handed[id])
				}
				return true
			})
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
