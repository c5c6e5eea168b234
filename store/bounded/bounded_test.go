package bounded

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/optional"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/storetest"
)

func newLimited(tb testing.TB, st store.ResultStore[int], opts Options) store.ResultStore[int] {
	tb.Helper()
	limited, err := New(st, opts)
	require.NoError(tb, err)
	return limited
}

func one(id store.ID) store.Result[int] { return store.Result[int]{ID: id, Value: int(id)} }

func put(t *testing.T, st store.ResultStore[int], ids ...store.ID) {
	t.Helper()
	for _, id := range ids {
		require.NoError(t, st.Put(t.Context(), one(id)))
	}
}

// assertHeld wants All to yield these results, and Get to find them.
func assertHeld(t *testing.T, st store.ResultStore[int], want ...store.ID) {
	t.Helper()
	var got []store.ID
	for res, err := range st.All(t.Context()) {
		assert.NoError(t, err)
		assert.Equal(t, one(res.ID), res)
		got = append(got, res.ID)
	}
	slices.Sort(got)
	assert.Equal(t, want, got)
	for id := store.ID(1); id <= 20; id++ {
		_, err := st.Get(t.Context(), id)
		if slices.Contains(want, id) {
			assert.NoError(t, err)
		} else {
			assert.ErrorIs(t, err, store.ErrNotFound)
		}
	}
}

// all is a store with all optional interfaces.
type all struct {
	*rwmutex.Store[int]
	mu sync.Mutex // locked while a batch is put, and whatever else may come between
}

var _ optional.All[int] = (*all)(nil)

func (a *all) Put(ctx context.Context, res store.Result[int]) error {
	return a.PutBatch(ctx, []store.Result[int]{res})
}

func (a *all) PutBatch(ctx context.Context, res []store.Result[int]) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, one := range res {
		if err := a.Store.Put(ctx, one); err != nil {
			for _, before := range res[:i] {
				_ = a.Delete(ctx, before.ID)
			}
			return err
		}
	}
	return nil
}

func (a *all) DeleteBatch(ctx context.Context, ids []store.ID) error {
	for _, id := range ids {
		_ = a.Delete(ctx, id)
	}
	return nil
}

func (a *all) Encode(res store.Result[int]) ([]byte, error) { return []byte{byte(res.Value)}, nil }

func (a *all) PutRecords(ctx context.Context, recs []store.Record) error {
	var res []store.Result[int]
	for _, rec := range recs {
		res = append(res, store.Result[int]{ID: rec.ID, Value: int(rec.Data[0])})
	}
	return a.PutBatch(ctx, res)
}

func newAll() *all { return &all{Store: rwmutex.New[int]()} }

// newBatching returns a store for the kit, of which Encode of all would know too little.
func newBatching() store.ResultStore[int] {
	a := newAll()
	return struct {
		store.ResultStore[int]
		store.BatchPutter[int]
		store.BatchDeleter[int]
	}{a, a, a}
}

// TestConformance has limits that are far away: what is left is the contract of a store. The kit of
// package bolt does the same over a RecordPutter.
func TestConformance(t *testing.T) {
	for name, st := range map[string]func() store.ResultStore[int]{
		"bare":    func() store.ResultStore[int] { return struct{ store.ResultStore[int] }{rwmutex.New[int]()} },
		"dense":   func() store.ResultStore[int] { return dense.New[int]() },
		"batches": func() store.ResultStore[int] { return newBatching() },
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(tb testing.TB) store.ResultStore[int] {
				return newLimited(tb, st(), Options{MaxResults: 1 << 30, MaxAge: time.Hour})
			})
		})
	}
}

func BenchmarkStore(b *testing.B) {
	storetest.RunBenchmarks(b, func(tb testing.TB) store.ResultStore[int] {
		return newLimited(tb, dense.New[int](), Options{MaxResults: 1 << 20})
	})
}

func TestBadInput(t *testing.T) {
	for _, row := range []struct {
		st   store.ResultStore[int]
		opts Options
		says string
	}{
		{nil, Options{}, "bounded: nil store"},
		{(*dense.Store[int])(nil), Options{MaxResults: 1}, "bounded: nil store"},
		{dense.New[int](), Options{MaxResults: -1}, "bounded: MaxResults is -1, want 0 or more"},
		{dense.New[int](), Options{MaxResults: 1, MaxAge: -1}, "bounded: MaxAge is -1ns, want 0 or more"},
		{
			storetest.WithFaults[int](dense.New[int](), storetest.Faults{All: storetest.Fail(io.EOF)}),
			Options{MaxResults: 1}, "bounded: reading what the store holds: EOF",
		},
	} {
		st, err := New(row.st, row.opts)
		assert.Nil(t, st)
		assert.EqualError(t, err, row.says)
	}
}

func TestNoLimit(t *testing.T) {
	in := dense.New[int]()
	assert.Same(t, in, newLimited(t, in, Options{}))
	put(t, newLimited(t, in, Options{MaxResults: math.MaxInt, MaxAge: math.MaxInt64}), 1, 2, 3)
	assertHeld(t, in, 1, 2, 3)
}

// TestOptionalInterfaces tries two stores: optional.TestOf tries all combinations.
func TestOptionalInterfaces(t *testing.T) {
	assert.Implements(t, (*optional.All[int])(nil), newLimited(t, newAll(), Options{MaxResults: 1}))
	bare := newLimited(t, struct{ store.ResultStore[int] }{dense.New[int]()}, Options{MaxResults: 1})
	assert.NotImplements(t, (*store.BatchPutter[int])(nil), bare)
	assert.NotImplements(t, (*store.BatchDeleter[int])(nil), bare)
	assert.NotImplements(t, (*store.IDReserver)(nil), bare)
}

func TestOldestAreDeletedFirst(t *testing.T) {
	in := dense.New[int]()
	st := newLimited(t, in, Options{MaxResults: 3})
	put(t, st, 9, 2, 7)
	assertHeld(t, st, 2, 7, 9)
	put(t, st, 1, 8)
	assertHeld(t, st, 1, 7, 8)
	assertHeld(t, in, 1, 7, 8)
	put(t, st, 9)
	assertHeld(t, in, 1, 8, 9)
}

func TestDeletedDoNotCount(t *testing.T) {
	for _, opts := range []Options{{MaxResults: 3}, {MaxResults: 3, MaxAge: time.Hour}} {
		in := newAll()
		st := newLimited(t, in, opts)
		put(t, st, 1, 2, 3)
		require.NoError(t, st.Delete(t.Context(), 2))
		put(t, st, 4)
		assertHeld(t, in, 1, 3, 4)
		require.NoError(t, store.DeleteAll(t.Context(), st, []store.ID{1, 4, 17, 1}))
		put(t, st, 5, 1)
		assertHeld(t, in, 1, 3, 5)
		put(t, st, 6)
		assertHeld(t, in, 1, 5, 6)
	}
}

func TestBatches(t *testing.T) {
	in := newAll()
	st := newLimited(t, in, Options{MaxResults: 3}).(optional.All[int])
	ctx := t.Context()
	require.NoError(t, st.PutBatch(ctx, []store.Result[int]{one(1), one(2)}))
	require.NoError(t, st.PutRecords(ctx, []store.Record{{ID: 3, Data: []byte{3}}, {ID: 4, Data: []byte{4}}}))
	assertHeld(t, in, 2, 3, 4)
	assert.ErrorIs(t, st.PutBatch(ctx, []store.Result[int]{one(5), one(4)}), store.ErrExists)
	assertHeld(t, in, 2, 3, 4)

	var batch []store.Result[int]
	for id := store.ID(10); id < 20; id++ {
		batch = append(batch, one(id))
	}
	require.NoError(t, st.PutBatch(ctx, batch))
	assertHeld(t, in, 17, 18, 19)
}

// TestHeldBefore: what the store holds when New is called is in order of the IDs, and New deletes none.
func TestHeldBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newAll()
		put(t, in, 4, 1, 5, 3, 2)
		st := newLimited(t, in, Options{MaxResults: 3, MaxAge: time.Hour})
		assertHeld(t, st, 3, 4, 5)
		assertHeld(t, in, 1, 2, 3, 4, 5)
		assert.ErrorIs(t, st.Put(t.Context(), one(3)), store.ErrExists)
		assertHeld(t, in, 3, 4, 5)
		time.Sleep(time.Hour - 1)
		put(t, st, 6)
		assertHeld(t, st, 4, 5, 6)
		time.Sleep(time.Nanosecond)
		assertHeld(t, st, 6)
	})
}

func TestHeldButUnreadable(t *testing.T) {
	in := dense.New[int]()
	put(t, in, 1, 2)
	fault := storetest.Only(storetest.Fail(io.EOF), 1)
	st := newLimited(t, storetest.WithFaults[int](in, storetest.Faults{Get: fault, Each: fault}), Options{MaxResults: 2})
	_, err := store.Snapshot(t.Context(), st)
	assert.ErrorIs(t, err, io.EOF)
	put(t, st, 3)
	assertHeld(t, in, 2, 3)
}

// TestTooOld: nobody is shown what is too old, and the next Put deletes it.
func TestTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newAll()
		st := newLimited(t, in, Options{MaxAge: time.Hour})
		put(t, st, 1, 2)
		time.Sleep(30 * time.Minute)
		put(t, st, 3)
		time.Sleep(30*time.Minute - 1)
		assertHeld(t, st, 1, 2, 3)
		time.Sleep(time.Nanosecond)
		assertHeld(t, st, 3)
		assertHeld(t, in, 1, 2, 3)
		put(t, st, 4)
		assertHeld(t, in, 3, 4)

		time.Sleep(time.Hour)
		assertHeld(t, st)
		put(t, st, 3) // is not held, to all who look
		assertHeld(t, st, 3)
		assertHeld(t, in, 3)
		require.NoError(t, st.Delete(t.Context(), 3))
		assertHeld(t, in)
	})
}

// TestRefusedPutDeletesNothing: no result goes for another that does not come.
func TestRefusedPutDeletesNothing(t *testing.T) {
	in := dense.New[int]()
	st := newLimited(t, storetest.WithFaults[int](in, storetest.Faults{Put: storetest.Only(storetest.Fail(store.ErrRejected), 9)}),
		Options{MaxResults: 2})
	put(t, st, 1, 2)
	assert.ErrorIs(t, st.Put(t.Context(), one(9)), store.ErrRejected)
	assert.ErrorIs(t, st.Put(t.Context(), one(2)), store.ErrExists)
	assertHeld(t, in, 1, 2)
}

// TestStoreDoesNotDelete: the limit holds also while the store puts and does not delete. Then
// nothing comes until it does.
func TestStoreDoesNotDelete(t *testing.T) {
	down := errors.New("down")
	for name, in := range map[string]store.ResultStore[int]{"one by one": dense.New[int](), "at once": newAll()} {
		t.Run(name, func(t *testing.T) {
			fails := true
			st := newLimited(t, storetest.WithFaults(in, storetest.Faults{
				Delete: func(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
					if fails {
						return down
					}
					return do(ctx)
				},
			}), Options{MaxResults: 2})
			put(t, st, 1, 2, 3)
			assertHeld(t, st, 2, 3)
			assertHeld(t, in, 1, 2, 3)
			for range 2 {
				assert.ErrorIs(t, st.Put(t.Context(), one(4)), down)
				assertHeld(t, st, 2, 3)
			}
			assert.ErrorIs(t, st.Put(t.Context(), one(1)), down)
			assert.ErrorIs(t, st.Delete(t.Context(), 2), down)
			assertHeld(t, st, 2, 3)
			fails = false
			put(t, st, 1)
			assertHeld(t, st, 1, 3)
			assertHeld(t, in, 1, 3)
			put(t, st, 2, 4)
			assertHeld(t, in, 2, 4)
		})
	}
}

// TestAnswersAreLost: a Put that has failed and worked is known as soon as it is repeated, as a
// pool does; and so is a Delete.
func TestAnswersAreLost(t *testing.T) {
	lost := errors.New("connection lost")
	in := dense.New[int]()
	st := newLimited(t, storetest.WithFaults[int](in, storetest.Faults{
		Put:    storetest.Only(storetest.First(1, storetest.Lose(lost)), 2),
		Delete: storetest.Only(storetest.First(1, storetest.Lose(lost)), 1),
	}), Options{MaxResults: 3})
	put(t, st, 1)
	assert.Equal(t, lost, st.Put(t.Context(), one(2)))
	assert.ErrorIs(t, st.Put(t.Context(), one(2)), store.ErrExists)
	put(t, st, 3)
	assert.Equal(t, lost, st.Delete(t.Context(), 1))
	put(t, st, 1) // it is the youngest now
	put(t, st, 4, 5)
	assertHeld(t, in, 1, 4, 5)
}

// TestBusyID: a Put and a Delete of one ID do not overlap, and the wait ends with the context.
func TestBusyID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := dense.New[int]()
		gate := make(chan struct{})
		st := newLimited(t, storetest.WithFaults[int](in, storetest.Faults{
			Put: storetest.Only(func(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
				<-gate
				return do(ctx)
			}, 1),
		}), Options{MaxResults: 1})
		go func() { assert.NoError(t, st.Put(t.Context(), one(1))) }()
		synctest.Wait()

		enough := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, enough)
		defer cancel()
		assert.Equal(t, enough, st.Delete(ctx, 1))
		assert.Equal(t, enough, st.Put(ctx, one(1)))

		go func() { assert.NoError(t, st.Delete(t.Context(), 1)) }()
		synctest.Wait()
		put(t, st, 2) // is in nobody's way
		close(gate)
		synctest.Wait()
		assertHeld(t, in)
	})
}

// TestPanicsOfTheStore leave no ID busy and nothing counted that is not held.
func TestPanicsOfTheStore(t *testing.T) {
	in := dense.New[int]()
	boom := storetest.First(1, storetest.Panic("boom"))
	st := newLimited(t, storetest.WithFaults[int](in, storetest.Faults{
		Put:    storetest.Only(boom, 2),
		Delete: storetest.Only(storetest.First(2, storetest.Panic("boom")), 1),
	}), Options{MaxResults: 2})
	put(t, st, 1)
	assert.PanicsWithValue(t, "boom", func() { _ = st.Put(t.Context(), one(2)) })
	assert.PanicsWithValue(t, "boom", func() { _ = st.Delete(t.Context(), 1) })
	put(t, st, 2)
	assert.PanicsWithValue(t, "boom", func() { _ = st.Put(t.Context(), one(3)) })
	assertHeld(t, st, 2, 3)
	put(t, st, 4)
	assertHeld(t, in, 3, 4)
}

// TestManyAtOnce has goroutines put, read, delete and sweep. In the end the store holds what is
// counted, and no more than it may.
func TestManyAtOnce(t *testing.T) {
	const most = 50
	for name, in := range map[string]store.ResultStore[int]{"dense": dense.New[int](), "batches": newAll()} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			st, err := limit(in, Options{MaxResults: most, MaxAge: 200 * time.Microsecond})
			require.NoError(t, err)
			var wg sync.WaitGroup
			for g := range store.ID(4) {
				wg.Go(func() {
					for id := 1 + g; id < 3000; id += 4 {
						assert.NoError(t, st.Put(ctx, one(id)))
						if id%3 == 0 {
							assert.NoError(t, st.Delete(ctx, id))
						}
						_, _ = st.Get(ctx, id-g)
					}
				})
			}
			wg.Go(func() {
				for range 50 {
					for res, err := range st.All(ctx) {
						assert.NoError(t, err)
						if res.ID%5 == 0 {
							assert.NoError(t, st.Delete(ctx, res.ID))
						}
					}
				}
			})
			wg.Wait()
			held, err := store.Snapshot(ctx, in)
			assert.NoError(t, err)
			assert.LessOrEqual(t, len(held), most)
			assert.Equal(t, len(held), st.room.held.len())
			assert.Empty(t, st.room.busy)
			assert.Empty(t, st.room.gone)
		})
	}
}
