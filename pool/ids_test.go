package pool_test

import (
	"context"
	"io"
	"math"
	"slices"
	"sync"
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

// reservingStore is an IDReserver whose answer can be replaced.
type reservingStore struct {
	*hookStore
	reserve func(ctx context.Context, n uint64) (store.ID, error)
}

func (s *reservingStore) ReserveIDs(ctx context.Context, n uint64) (store.ID, error) {
	return s.reserve(ctx, n)
}

// newReservingStore hands out ranges from first on.
func newReservingStore(first store.ID) *reservingStore {
	st := &reservingStore{hookStore: &hookStore{ResultStore: rwmutex.New[int]()}}
	var mu sync.Mutex
	st.reserve = func(_ context.Context, n uint64) (store.ID, error) {
		mu.Lock()
		defer mu.Unlock()
		if n > math.MaxUint64-uint64(first) {
			return 0, io.ErrShortBuffer
		}
		id := first
		first += store.ID(n)
		return id, nil
	}
	return st
}

// The IDs are those that the store reserves, also around the numbers at which a
// smaller counter would turn over.
func TestReservedIDs(t *testing.T) {
	for _, first := range []store.ID{1, 1<<31 - 50, 1<<32 - 50, 1<<63 - 50} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, nil, newReservingStore(first))
			for i := range 100 {
				assert.Equal(t, first+store.ID(i), submit(t, p, value(i)))
			}
			for i := range 100 {
				v, err := p.Get(t.Context(), first+store.ID(i))
				assert.NoError(t, err)
				assert.Equal(t, i, v)
			}
			_, err := p.Get(t.Context(), first-1)
			assert.Equal(t, store.ErrNotFound, err)
			assert.NoError(t, p.Stop(t.Context()))
			assert.Equal(t, 100, holds(t, p))
		})
	}
}

// The largest ID is used, and then Submit says that there are no more, whether the
// store does so as well or begins again at the lowest.
func TestIDsRunOut(t *testing.T) {
	const first store.ID = math.MaxUint64 - reservedAtOnce + 1
	once := func(next func() (store.ID, error)) store.ResultStore[int] {
		st, asked := newReservingStore(1), false
		st.reserve = func(context.Context, uint64) (store.ID, error) {
			if asked {
				return next()
			}
			asked = true
			return first, nil
		}
		return st
	}
	almostUsedUp := dense.New[int]()
	_, err := almostUsedUp.ReserveIDs(t.Context(), uint64(first)-1)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		st   store.ResultStore[int]
		want string
	}{
		"error":        {once(func() (store.ID, error) { return 0, errDown }), "pool: reserving IDs: " + errDown.Error()},
		"from 0":       {once(func() (store.ID, error) { return 0, nil }), "IDs from 0, want a range above 18446744073709551615"},
		"from 1":       {once(func() (store.ID, error) { return 1, nil }), "IDs from 1, want a range above 18446744073709551615"},
		"from the end": {once(func() (store.ID, error) { return math.MaxUint64, nil }), "want a range above 18446744073709551615"},
		"dense":        {almostUsedUp, "pool: reserving IDs: store: 0 IDs are left"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, nil, c.st)
				ids, err := p.SubmitAll(t.Context(), slices.Repeat([]task{value(1)}, reservedAtOnce-2))
				require.NoError(t, err)
				assert.Equal(t, first, ids[0])
				ids, err = p.SubmitAll(t.Context(), slices.Repeat([]task{value(1)}, 3))
				assert.ErrorContains(t, err, c.want, "two IDs for three tasks")
				assert.Empty(t, ids)
				submit(t, p, value(1))
				last := submit(t, p, value(2))
				assert.EqualValues(t, uint64(math.MaxUint64), last)
				for range 3 {
					_, err = p.Submit(t.Context(), value(3))
					assert.ErrorContains(t, err, c.want)
					_, err = p.TrySubmit(value(3))
					assert.ErrorContains(t, err, c.want)
					_, err = p.SubmitAll(t.Context(), []task{value(3)})
					assert.ErrorContains(t, err, c.want)
				}
				v, err := p.Get(t.Context(), last)
				assert.NoError(t, err)
				assert.Equal(t, 2, v)
				_, err = p.Get(t.Context(), 1)
				assert.Equal(t, store.ErrNotFound, err)
				require.NoError(t, p.Stop(t.Context()))
				assert.EqualValues(t, reservedAtOnce, p.Stats().Submitted)
				assert.Equal(t, reservedAtOnce, holds(t, p))
			})
		})
	}
}

// reservedAtOnce is how many IDs a pool reserves.
const reservedAtOnce = 1 << 16

// Two pools on one store, at once, with more tasks than are reserved in one go,
// from many submitters: every ID is used once.
func TestReservedIDsOfTwoPools(t *testing.T) {
	checkGoroutines(t)
	st := newReservingStore(1)
	pools := []taskPool{newPool(t, nil, st), newPool(t, nil, st)}
	const each = 40_000
	var wg sync.WaitGroup
	for i, p := range pools {
		for range 2 {
			wg.Go(func() {
				many := make([]task, 100)
				for j := range many {
					many[j] = value(i)
				}
				for range each / len(many) {
					ids, err := p.SubmitAll(t.Context(), many)
					assert.NoError(t, err)
					assert.Len(t, ids, len(many))
				}
			})
		}
	}
	wg.Wait()
	for _, p := range pools {
		assert.NoError(t, p.Stop(t.Context()))
	}
	assert.Equal(t, 4*each, holds(t, pools[0]))
	count := 0
	for res := range st.All(t.Context()) {
		count += res.Value
	}
	assert.Equal(t, 2*each, count, "results of the second pool")
}

// The stores of this module can be shared, by pools that follow each other and by
// pools at the same time.
func TestStoresAreShared(t *testing.T) {
	for name, newStore := range stores {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newStore()
				first := newPool(t, nil, st)
				id1 := submit(t, first, value(1))
				require.NoError(t, first.Stop(t.Context()))
				second, third := newPool(t, nil, st), newPool(t, nil, st)
				id2, id3 := submit(t, second, value(2)), submit(t, third, value(3))
				require.NoError(t, second.Stop(t.Context()))
				require.NoError(t, third.Stop(t.Context()))
				assert.EqualValues(t, 1, id1)
				for i, id := range []store.ID{id1, id2, id3} {
					v, err := second.Get(t.Context(), id) // any of them answers
					assert.NoError(t, err)
					assert.Equal(t, i+1, v)
				}
				assert.Equal(t, 3, holds(t, first))
			})
		})
	}
}

// A store that cannot reserve: an error from New, and from a Submit that needs
// more; the tasks before it are none the worse, and the next Submit tries again.
func TestReserveFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newReservingStore(1)
		good := st.reserve
		bad := func(context.Context, uint64) (store.ID, error) { return 0, errDown }
		st.reserve = bad
		_, err := pool.New(t.Context(), pool.Call[int], st, nil)
		assert.ErrorIs(t, err, errDown)
		assert.ErrorContains(t, err, "pool: reserving IDs")

		st.reserve = good
		p := newPool(t, nil, st)
		st.reserve = bad
		accepted := 0
		for {
			if _, err = p.Submit(t.Context(), value(1)); err != nil {
				break
			}
			accepted++
		}
		assert.ErrorIs(t, err, errDown)
		assert.Positive(t, accepted)
		_, err = p.TrySubmit(value(1))
		assert.ErrorIs(t, err, errDown)
		_, err = p.SubmitAll(t.Context(), []task{value(1)})
		assert.ErrorIs(t, err, errDown)
		st.reserve = good
		submit(t, p, value(2))
		assert.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, accepted+1, holds(t, p))
		st.reserve = func(context.Context, uint64) (store.ID, error) { panic("a closed pool needs no IDs") }
		for range 70_000 {
			_, err = p.Submit(t.Context(), value(1))
		}
		assert.Equal(t, pool.ErrClosed, err)
	})
}

// A store that reserves what was given out already is caught: an ID that is used
// twice would cost a result.
func TestReserveRepeats(t *testing.T) {
	for _, again := range []store.ID{0, 1, 7, math.MaxUint64 - 7} {
		synctest.Test(t, func(t *testing.T) {
			st := newReservingStore(10)
			if again == 0 {
				st.reserve = func(context.Context, uint64) (store.ID, error) { return again, nil }
				_, err := pool.New(t.Context(), pool.Call[int], st, nil)
				assert.ErrorContains(t, err, "IDs from 0, want a range above 0")
				return
			}
			p := newPool(t, nil, st)
			st.reserve = func(context.Context, uint64) (store.ID, error) { return again, nil }
			ids, err := p.SubmitAll(t.Context(), slices.Repeat([]task{value(1)}, 70_000))
			assert.ErrorContains(t, err, "the store reserved 70000 IDs from")
			assert.Empty(t, ids)
			assert.NoError(t, p.Stop(t.Context()))
		})
	}
}

// While one submitter waits for the store to reserve IDs, others do not ask too,
// and each stops waiting when its ctx ends.
func TestReserveBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newReservingStore(1)
		p := newPool(t, &pool.Options{Queue: 100_000}, st)
		good, gate, asked := st.reserve, make(chan struct{}), 0
		st.reserve = func(ctx context.Context, n uint64) (store.ID, error) {
			asked++
			select {
			case <-gate:
				return good(ctx, n)
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
		}
		many := slices.Repeat([]task{value(1)}, 60_000)
		_, err := p.SubmitAll(t.Context(), many)
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		impatient := call(func() error { _, err := p.SubmitAll(ctx, many[:10_000]); return err })
		synctest.Wait()
		var patient []func() (error, bool)
		for range 3 {
			patient = append(patient, call(func() error { _, err := p.SubmitAll(t.Context(), many[:10_000]); return err }))
		}
		synctest.Wait()
		assert.Equal(t, 1, asked)
		cancel(io.EOF)
		synctest.Wait()
		err, returned := impatient()
		assert.True(t, returned)
		assert.ErrorIs(t, err, io.EOF)
		assert.Equal(t, 2, asked)
		close(gate)
		synctest.Wait()
		for _, c := range patient {
			err, returned := c()
			assert.True(t, returned)
			assert.NoError(t, err)
		}
		assert.Equal(t, 2, asked)
		assert.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 90_000, holds(t, p))
	})
}

// A submitter that waits for the store to reserve IDs wakes as one does that waits
// for room, also TrySubmit, which has no context of its own.
func TestReserveRefused(t *testing.T) {
	ends := map[string]struct {
		end  func(p taskPool)
		want error
	}{
		"Stop":      {func(p taskPool) { _ = p.Stop(doneContext()) }, pool.ErrClosed},
		"cancel":    {func(p taskPool) { p.cancel(errCause) }, errCause},
		"Resize(0)": {func(p taskPool) { _ = p.Resize(0) }, pool.ErrNoWorkers},
	}
	for name, c := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newReservingStore(1)
				p := newPool(t, &pool.Options{Queue: 100_000}, st)
				good := st.reserve
				gate := make(chan struct{})
				defer close(gate) // until then the pool cannot end
				_, err := p.SubmitAll(t.Context(), append(slices.Repeat([]task{value(1)}, 1<<16-1), gated(gate, 1)))
				require.NoError(t, err)
				st.reserve = func(ctx context.Context, _ uint64) (store.ID, error) {
					<-ctx.Done()
					return 0, ctx.Err()
				}
				asking := call(func() error { _, err := p.TrySubmit(value(1)); return err })
				synctest.Wait()
				queueing := call(func() error { _, err := p.Submit(context.Background(), value(1)); return err })
				synctest.Wait()
				_, returned := asking()
				assert.False(t, returned)
				c.end(p)
				synctest.Wait()
				for _, submitted := range []func() (error, bool){asking, queueing} {
					err, returned := submitted()
					assert.True(t, returned, "still waits for the store")
					assert.ErrorIs(t, err, c.want)
				}
				if name == "Resize(0)" {
					st.reserve = func(ctx context.Context, n uint64) (store.ID, error) {
						time.Sleep(time.Second)
						return must(good(ctx, n)), ctx.Err()
					}
					require.NoError(t, p.Resize(1))
					submit(t, p, value(1))
				}
			})
		})
	}
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

// The IDs that a submitter has claimed and does not use are there for others.
func TestReserveNoMoreThanNeeded(t *testing.T) {
	ends := map[string]func(ctx, inTask context.Context, p taskPool, many []task){
		"ctx": func(ctx, _ context.Context, p taskPool, many []task) {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := p.SubmitAll(ctx, many)
			assert.Equal(t, context.DeadlineExceeded, err)
		},
		"Resize(0)": func(ctx, _ context.Context, p taskPool, many []task) {
			submitted := call(func() error { _, err := p.SubmitAll(ctx, many); return err })
			synctest.Wait()
			assert.NoError(t, p.Resize(0))
			synctest.Wait()
			err, _ := submitted()
			assert.Equal(t, pool.ErrNoWorkers, err)
			assert.NoError(t, p.Resize(1))
		},
		"in a task": func(_, inTask context.Context, p taskPool, many []task) {
			_, err := p.SubmitAll(inTask, many)
			assert.Equal(t, pool.ErrQueueFull, err)
		},
	}
	for name, refused := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newReservingStore(1)
				p := newPool(t, &pool.Options{Workers: 1, Queue: 1}, st)
				gate := make(chan struct{})
				defer close(gate)
				asked, good := 0, st.reserve
				st.reserve = func(ctx context.Context, n uint64) (store.ID, error) { asked++; return good(ctx, n) }
				var inTask context.Context
				submit(t, p, func(ctx context.Context) (int, error) {
					inTask = ctx
					<-gate
					return 0, nil
				})
				synctest.Wait()
				submit(t, p, value(1)) // fills the queue
				for range 10 {
					refused(t.Context(), inTask, p, slices.Repeat([]task{value(1)}, 50_000))
				}
				assert.Zero(t, asked, "the store was asked for more IDs")
			})
		})
	}
}
