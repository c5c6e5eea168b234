package pool_test

import (
	"context"
	"errors"
	"fmt"
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
)

// reservedAtOnce is how many IDs a pool reserves.
const reservedAtOnce = 1 << 16

// reserveFunc is a ReserveIDs.
type reserveFunc = func(context.Context, uint64) (store.ID, error)

func reserveFails(context.Context, uint64) (store.ID, error) { return 0, errDown }

// exhaustedPool is a pool with a worker that has used the IDs of its first range, and
// whose store has to be asked for the next, by reserve. Its tasks wait for gate.
func exhaustedPool(t *testing.T, reserve reserveFunc) (p taskPool, gate chan struct{}, st *reserver) {
	t.Helper()
	st = newReserver(1, 0)
	p = newPool(t, &pool.Options{Workers: 1, Queue: 1 << 17}, st)
	gate = make(chan struct{})
	opensAtEnd(t, gate)
	_, err := p.SubmitAll(context.Background(), repeat(reservedAtOnce, gated(gate, 1)))
	require.NoError(t, err)
	st.reserve = reserve
	return p, gate, st
}

// The IDs are those that the store reserves, also around the numbers at which a
// smaller counter would turn over.
func TestReservedIDs(t *testing.T) {
	for _, first := range []store.ID{1, 1<<31 - 50, 1<<32 - 50, 1<<63 - 50} {
		p := newPool(t, nil, newReserver(first, 0))
		for i := range 100 {
			id := submit(t, p, value(i))
			assert.Equal(t, first+store.ID(i), id)
			v, err := p.Get(t.Context(), id)
			assert.NoError(t, err)
			assert.Equal(t, i, v)
		}
		_, err := p.Get(t.Context(), first-1)
		assert.Equal(t, store.ErrNotFound, err)
		assert.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 100, holds(t, p))
	}
}

// While a task runs its ID is known, however many ranges have been reserved since; and
// an ID in the gap between two is not that of a task.
func TestRangesWithGaps(t *testing.T) {
	for _, gap := range []store.ID{0, 1, 1000} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 2, Queue: 1 << 18}, newReserver(5, gap))
			open := make(chan struct{})
			long := submit(t, p, gated(open, 42))
			assert.EqualValues(t, 5, long)
			synctest.Wait()
			var ids []store.ID
			for range 5 {
				more, err := p.SubmitAll(t.Context(), repeat(30_000, value(1)))
				require.NoError(t, err)
				ids = append(ids, more...)
			}
			assert.True(t, slices.IsSorted(ids))
			gaps := 0
			for i := range len(ids) - 1 {
				if ids[i+1] == ids[i]+1 {
					continue
				}
				gaps++
				require.Equal(t, ids[i]+gap+1, ids[i+1])
				_, err := p.Get(t.Context(), ids[i]+1)
				assert.Equal(t, store.ErrNotFound, err, "an ID in a gap")
			}
			assert.Equal(t, gap > 0, gaps > 1)
			for _, id := range ids[len(ids)-3:] {
				v, err := p.Get(t.Context(), id)
				assert.NoError(t, err)
				assert.Equal(t, 1, v)
			}
			get := p.getting(long)
			get.waits(t)
			close(open)
			assert.NoError(t, get.returns(t))
			// With the first task the old ranges can be forgotten, when there are new ones.
			for range 3 {
				_, err := p.SubmitAll(t.Context(), repeat(reservedAtOnce, value(1)))
				require.NoError(t, err)
				require.NoError(t, p.Wait(t.Context()))
			}
			assert.Equal(t, 42, held(t, p, long).Value)
			assert.LessOrEqual(t, p.IDBlocks(), 3)
		})
	}
}

// A store that has no more IDs, or reserves what was given out already, is caught, as often as it
// comes: an ID that is used twice would cost a result. What it gave before is used up, the largest ID
// too.
func TestReserveRepeats(t *testing.T) {
	const high store.ID = math.MaxUint64 - reservedAtOnce + 1
	from := func(id store.ID) reserveFunc {
		return func(context.Context, uint64) (store.ID, error) { return id, nil }
	}
	usedUp := dense.New[int]()
	_, err := usedUp.ReserveIDs(t.Context(), math.MaxUint64)
	require.NoError(t, err)
	bad := newReserver(1, 0)
	bad.reserve = from(0)
	_, err = pool.New(t.Context(), pool.Call[int], bad, nil)
	assert.ErrorContains(t, err, "IDs from 0, want a range above 0")
	for _, c := range []struct {
		first store.ID
		then  reserveFunc
		want  string
	}{
		{high, reserveFails, "pool: reserving IDs: " + errDown.Error()},
		{high, usedUp.ReserveIDs, "pool: reserving IDs: store: 0 IDs are left"},
		{high, from(0), "IDs from 0, want a range above 18446744073709551615"},
		{high, from(1), "IDs from 1, want a range above 18446744073709551615"},
		{high, from(math.MaxUint64), ", want a range above 18446744073709551615"},
		{10, from(1), "the store reserved 65536 IDs from 1, want a range above 65545"},
		{10, from(10), "want a range above 65545"},
		{10, from(10 + reservedAtOnce - 1), "want a range above 65545"},
		{10, from(math.MaxUint64 - 7), "want a range above 65545"},
	} {
		bubble(t, c.want, func(t *testing.T) {
			st := newReserver(c.first, 0)
			p := newPool(t, nil, st)
			st.reserve = c.then
			ids, err := p.SubmitAll(t.Context(), repeat(reservedAtOnce-2, value(1)))
			require.NoError(t, err)
			assert.Equal(t, c.first, ids[0])
			ids, err = p.SubmitAll(t.Context(), repeat(3, value(1)))
			assert.ErrorContains(t, err, c.want, "two IDs for three tasks")
			assert.Empty(t, ids)
			submit(t, p, value(1))
			last := submit(t, p, value(2))
			assert.Equal(t, c.first+reservedAtOnce-1, last)
			for range 3 {
				for _, err := range submitEachWay(p, value(3)) {
					assert.ErrorContains(t, err, c.want)
				}
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
	}
}

// Two pools on one store, at once, with more tasks than are reserved in one go,
// from many submitters: every ID is used once.
func TestReservedIDsOfTwoPools(t *testing.T) {
	st := newReserver(1, 0)
	pools := []taskPool{newPool(t, nil, st), newPool(t, nil, st)}
	const each = 80_000
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range each / 2 / 100 {
				ids, err := pools[i%2].SubmitAll(t.Context(), repeat(100, value(i%2)))
				assert.NoError(t, err)
				assert.Len(t, ids, 100)
			}
		})
	}
	wg.Wait()
	for _, p := range pools {
		assert.NoError(t, p.Stop(t.Context()))
	}
	assert.Equal(t, 2*each, holds(t, pools[0]))
	count := 0
	for res := range st.All(t.Context()) {
		count += res.Value
	}
	assert.Equal(t, each, count, "results of the second pool")
}

// The stores of this module can be shared, by pools that follow each other and by
// pools at the same time.
func TestStoresAreShared(t *testing.T) {
	for name, newStore := range stores {
		bubble(t, name, func(t *testing.T) {
			st := newStore()
			first := newPool(t, nil, st)
			ids := []store.ID{submit(t, first, value(1))}
			require.NoError(t, first.Stop(t.Context()))
			second, third := newPool(t, nil, st), newPool(t, nil, st)
			ids = append(ids, submit(t, second, value(2)), submit(t, third, value(3)))
			require.NoError(t, second.Stop(t.Context()))
			require.NoError(t, third.Stop(t.Context()))
			assert.EqualValues(t, 1, ids[0])
			for i, id := range ids {
				v, err := second.Get(t.Context(), id) // any of them answers
				assert.NoError(t, err)
				assert.Equal(t, i+1, v)
			}
			assert.Equal(t, 3, holds(t, first))
		})
	}
}

// A store that cannot reserve: an error from New, and from a Submit that needs
// more; the tasks before it are none the worse, and the next Submit tries again.
func TestReserveFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newReserver(1, 0)
		good := st.reserve
		st.reserve = reserveFails
		_, err := pool.New(t.Context(), pool.Call[int], st, nil)
		assert.ErrorIs(t, err, errDown)
		assert.ErrorContains(t, err, "pool: reserving IDs")

		p, gate, st := exhaustedPool(t, reserveFails)
		for _, err := range submitEachWay(p, value(1)) {
			assert.ErrorIs(t, err, errDown)
		}
		st.reserve = func(ctx context.Context, n uint64) (store.ID, error) { // the first reserver's
			id, err := good(ctx, n)
			return id + reservedAtOnce, err
		}
		submit(t, p, value(2))
		close(gate)
		assert.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, reservedAtOnce+1, holds(t, p))
		st.reserve = func(context.Context, uint64) (store.ID, error) { panic("a closed pool needs no IDs") }
		for range 70_000 {
			_, err = p.Submit(t.Context(), value(1))
		}
		assert.Equal(t, pool.ErrClosed, err)
	})
}

// While one submitter waits for the store to reserve IDs, others do not ask too,
// and each stops waiting when its ctx ends, with the cause.
func TestReserveBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, st := exhaustedPool(t, nil)
		good, reserved, asked := newReserver(reservedAtOnce+1, 0).reserve, make(chan struct{}), 0
		st.reserve = func(ctx context.Context, n uint64) (store.ID, error) {
			asked++
			select {
			case <-reserved:
				return good(ctx, n)
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
		}
		impatient := func() (*pending, context.CancelCauseFunc) {
			ctx, cancel := context.WithCancelCause(t.Context())
			c := begin(func() error { _, err := p.Submit(ctx, value(1)); return err })
			c.waits(t)
			return c, cancel
		}
		asking, cancelAsking := impatient()
		queueing, cancelQueueing := impatient()
		var patient []*pending
		for range 3 {
			patient = append(patient, p.submittingAll(repeat(10_000, value(1))))
		}
		cancelQueueing(io.ErrNoProgress)
		assert.Equal(t, io.ErrNoProgress, queueing.returns(t))
		asking.waits(t)
		assert.Equal(t, 1, asked)
		cancelAsking(io.EOF)
		assert.Equal(t, io.EOF, asking.returns(t))
		assert.Equal(t, 2, asked)
		close(reserved)
		for _, c := range patient {
			assert.NoError(t, c.returns(t))
		}
		assert.Equal(t, 2, asked)
		close(gate)
		assert.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, reservedAtOnce+30_000, holds(t, p))
	})
}

// A submitter that waits for the store to reserve IDs wakes as one does that waits for room, also
// TrySubmit, which has no context of its own, whatever the store says then. What it reserves all the
// same is not needed, and disturbs nobody.
func TestReserveRefused(t *testing.T) {
	for name, c := range endings {
		if name == "its own ctx" {
			continue // TrySubmit has none; see TestReserveBlocks
		}
		for _, late := range []bool{false, true} {
			if late && name == "Resize(0) and (1)" {
				continue // there are workers when the IDs are there
			}
			bubble(t, fmt.Sprintf("%s, reserves late: %v", name, late), func(t *testing.T) {
				good := newReserver(reservedAtOnce+1, 0).reserve
				p, gate, st := exhaustedPool(t, func(ctx context.Context, n uint64) (store.ID, error) {
					if <-ctx.Done(); late {
						return good(ctx, n)
					}
					return 0, ctx.Err()
				})
				asking := begin(func() error { _, err := p.TrySubmit(value(1)); return err })
				asking.waits(t)
				queueing := p.submitting(value(1))
				queueing.waits(t)
				c.end(p, nil)
				matchesAll(t, asking.returns(t), c.want...)
				matchesAll(t, queueing.returns(t), c.want...)
				if errors.Is(c.want[0], pool.ErrNoWorkers) {
					st.reserve = func(ctx context.Context, n uint64) (store.ID, error) {
						time.Sleep(time.Second)
						id, _ := good(ctx, n)
						return id, ctx.Err()
					}
					require.NoError(t, p.Resize(1))
					submit(t, p, value(1))
				}
				close(gate)
				_ = p.Stop(t.Context())
				assert.EqualValues(t, p.Stats().Submitted, holds(t, p))
			})
		}
	}
}

// The IDs that a submitter has claimed and does not use are there for others.
func TestReserveNoMoreThanNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newReserver(1, 0)
		p := newPool(t, &pool.Options{Workers: 1, Queue: 1}, st)
		gate := make(chan struct{})
		defer close(gate)
		st.reserve = func(context.Context, uint64) (store.ID, error) { panic("the store was asked for more IDs") }
		var inTask context.Context
		submit(t, p, func(ctx context.Context) (int, error) { inTask = ctx; <-gate; return 0, nil })
		synctest.Wait()
		submit(t, p, value(1)) // fills the queue
		in := repeat(50_000, value(1))
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := p.SubmitAll(ctx, in)
			assert.Equal(t, context.DeadlineExceeded, err)
			cancel()
			_, err = p.SubmitAll(inTask, in)
			assert.Equal(t, pool.ErrQueueFull, err)
			submitted := p.submittingAll(in)
			synctest.Wait()
			assert.NoError(t, p.Resize(0))
			assert.Equal(t, pool.ErrNoWorkers, submitted.returns(t))
			assert.NoError(t, p.Resize(1))
		}
	})
}

// Submitters that need IDs, others that wait for room, and Resize do not disturb each
// other. (For the race detector.)
func TestReserveRacesResize(t *testing.T) {
	st := newReserver(1, 0)
	p := newPool(t, &pool.Options{Workers: 1, Queue: 1}, st)
	st.reserve = reserveFails
	in := repeat(reservedAtOnce+1, value(1))
	var wg sync.WaitGroup
	for _, f := range []func(){
		func() { _, err := p.SubmitAll(context.Background(), in); assert.Error(t, err) },
		func() { _, _ = p.SubmitAll(context.Background(), in[:3]) },
		func() { assert.NoError(t, p.Resize(0)); assert.NoError(t, p.Resize(1)) },
	} {
		wg.Go(func() {
			for range 100 {
				f()
			}
		})
	}
	wg.Wait()
	assert.NoError(t, p.Stop(context.Background()))
}
