package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
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
