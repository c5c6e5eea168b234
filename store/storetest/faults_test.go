package storetest

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

var errFault = errors.New("a fault")

// TestWithoutFaults: what is not faulty keeps the contract.
func TestWithoutFaults(t *testing.T) {
	for name, faults := range map[string]Faults{
		"no faults": {},
		"faults that are over": {
			Put: First(0, Fail(io.EOF)), Get: For(0, Panic(1)), Delete: Chain(),
			All: Only(Fail(io.EOF), 1), ReserveIDs: Slow(0),
		},
		"no fault inside another": {
			Put: First(3, nil), Get: For(time.Hour, nil), Delete: Only(nil, 1), All: Chain(nil, nil),
		},
	} {
		t.Run(name, func(t *testing.T) {
			Run(t, func(testing.TB) store.ResultStore[int] { return WithFaults(newReference(), faults) })
		})
	}
}

func TestWithFaultsKeepsOptionalInterfaces(t *testing.T) {
	r := newReference()
	for _, st := range []store.ResultStore[int]{
		r,
		struct{ store.ResultStore[int] }{r},
		struct {
			store.ResultStore[int]
			store.BatchPutter[int]
		}{r, r},
		struct {
			store.ResultStore[int]
			store.IDReserver
		}{r, r},
		struct {
			store.ResultStore[int]
			store.RecordPutter[int]
		}{r, r},
		struct {
			store.ResultStore[int]
			store.BatchPutter[int]
			store.IDReserver
		}{r, r, r},
	} {
		faulty := WithFaults(st, Faults{})
		_, want := st.(store.BatchPutter[int])
		_, got := faulty.(store.BatchPutter[int])
		assert.Equal(t, want, got)
		_, want = st.(store.RecordPutter[int])
		_, got = faulty.(store.RecordPutter[int])
		assert.Equal(t, want, got)
		_, want = st.(store.IDReserver)
		_, got = faulty.(store.IDReserver)
		assert.Equal(t, want, got)
	}
}

// TestEachMethodHasItsFault calls every method of a store in which one is faulty.
func TestEachMethodHasItsFault(t *testing.T) {
	type methods = map[string]error
	call := func(faults Faults) methods {
		st := WithFaults(newReference(), faults)
		ctx := t.Context()
		m := methods{}
		m["Put"] = st.Put(ctx, result(1, 0))
		_, m["Get"] = st.Get(ctx, 1)
		for _, err := range st.All(ctx) {
			m["All"] = err
		}
		m["PutBatch"] = st.(store.BatchPutter[int]).PutBatch(ctx, batch(2, 2))
		m["PutRecords"] = encoder{st.(store.RecordPutter[int])}.PutBatch(ctx, batch(4, 2))
		_, m["ReserveIDs"] = st.(store.IDReserver).ReserveIDs(ctx, 3)
		m["Delete"] = st.Delete(ctx, 1)
		return m
	}
	with := func(failing ...string) methods {
		m := methods{"Put": nil, "Get": nil, "All": nil, "PutBatch": nil, "PutRecords": nil, "ReserveIDs": nil, "Delete": nil}
		for _, name := range failing {
			m[name] = errFault
		}
		return m
	}
	fail := Lose(errFault) // so that the others have something to do
	assert.Equal(t, with(), call(Faults{}))
	assert.Equal(t, with("Get"), call(Faults{Get: fail}))
	assert.Equal(t, with("Delete"), call(Faults{Delete: fail}))
	assert.Equal(t, with("All"), call(Faults{All: fail}))
	assert.Equal(t, with("All"), call(Faults{Each: fail}))
	assert.Equal(t, with("PutBatch", "PutRecords"), call(Faults{PutBatch: fail}))
	assert.Equal(t, with("ReserveIDs"), call(Faults{ReserveIDs: fail}))
	assert.Equal(t, with("Put", "PutBatch", "PutRecords"), call(Faults{Put: fail}), "a batch does not get round Put's fault")
	assert.Equal(t, with("Put"), call(Faults{Put: fail, PutBatch: Chain()}))
}

func TestFaultKnowsTheIDs(t *testing.T) {
	var got [][]store.ID
	f := func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		got = append(got, ids)
		return do(ctx)
	}
	st := WithFaults(newReference(), Faults{Put: f, Get: f, Delete: f, All: f, ReserveIDs: f})
	ctx := t.Context()
	require.NoError(t, st.Put(ctx, result(5, 0)))
	require.NoError(t, st.(store.BatchPutter[int]).PutBatch(ctx, batch(7, 2)))
	res, err := st.Get(ctx, 7)
	require.NoError(t, err)
	assert.Equal(t, result(7, 0), res)
	require.NoError(t, st.Delete(ctx, 8))
	for range st.All(ctx) {
		break
	}
	_, err = st.(store.IDReserver).ReserveIDs(ctx, 1)
	require.NoError(t, err)
	assert.Equal(t, [][]store.ID{{5}, {7, 8}, {7}, {8}, nil, nil}, got)
}

func TestFailAndLose(t *testing.T) {
	ctx := t.Context()
	inner := newReference()
	st := WithFaults(inner, Faults{Put: Fail(errFault), Get: Lose(errFault), ReserveIDs: Lose(errFault)})
	assert.Equal(t, errFault, st.Put(ctx, result(1, 0)))
	assert.Empty(t, inner.m)

	require.NoError(t, inner.Put(ctx, result(1, 0)))
	res, err := st.Get(ctx, 1)
	assert.Equal(t, errFault, err)
	assert.Zero(t, res)
	first, err := st.(store.IDReserver).ReserveIDs(ctx, 3)
	assert.Equal(t, errFault, err)
	assert.Zero(t, first)
	assert.EqualValues(t, 3, inner.last)

	st = WithFaults(inner, Faults{Put: Lose(errFault)})
	assert.Equal(t, errFault, st.Put(ctx, result(2, 0)))
	assert.Contains(t, inner.m, store.ID(2))
}

func TestFaultsOfAll(t *testing.T) {
	ctx := t.Context()
	inner := newReference()
	require.NoError(t, inner.PutBatch(ctx, batch(1, 3)))
	pairs := func(st store.ResultStore[int], most int) (ids []store.ID, errs []error) {
		for res, err := range st.All(ctx) {
			if err != nil {
				errs = append(errs, err)
			} else {
				ids = append(ids, res.ID)
			}
			if len(ids) == most {
				break
			}
		}
		return ids, errs
	}

	ids, errs := pairs(WithFaults(inner, Faults{All: Fail(errFault)}), 3)
	assert.Empty(t, ids)
	assert.Equal(t, []error{errFault}, errs)
	ids, errs = pairs(WithFaults(inner, Faults{All: Lose(errFault)}), 9)
	assert.Equal(t, []store.ID{1, 2, 3}, ids)
	assert.Equal(t, []error{errFault}, errs)
	ids, errs = pairs(WithFaults(inner, Faults{All: Lose(errFault)}), 2)
	assert.Equal(t, []store.ID{1, 2}, ids)
	assert.Empty(t, errs, "nothing is yielded after a break")
	failing := WithFaults(inner, Faults{All: Fail(io.EOF)})
	ids, errs = pairs(WithFaults(failing, Faults{}), 3)
	assert.Empty(t, ids)
	assert.Equal(t, []error{io.EOF}, errs, "the store's own error")
}

// TestUnreadableResult: what All cannot read does not keep it from the rest.
func TestUnreadableResult(t *testing.T) {
	ctx := t.Context()
	inner := newReference()
	require.NoError(t, inner.PutBatch(ctx, batch(1, 5)))
	unreadable := Only(Fail(errFault), 2, 4)
	st := WithFaults(inner, Faults{Get: unreadable, Each: unreadable})
	type pair struct {
		res store.Result[int]
		err error
	}
	pairs := func(st store.ResultStore[int]) (all []pair) {
		for res, err := range st.All(ctx) {
			all = append(all, pair{res, err})
		}
		return all
	}
	want := []pair{
		{res: result(1, 0)},
		{store.Result[int]{ID: 2}, errFault},
		{res: result(3, 0)},
		{store.Result[int]{ID: 4}, errFault},
		{res: result(5, 0)},
	}
	assert.Equal(t, want, pairs(st))
	assert.Equal(t, want, pairs(WithFaults(st, Faults{})), "the store's own errors")
	_, err := st.Get(ctx, 2)
	assert.Equal(t, errFault, err)
	assert.NoError(t, st.Delete(ctx, 2))
	held, err := store.Snapshot(ctx, st)
	assert.Equal(t, byID([]store.Result[int]{result(1, 0), result(3, 0), result(5, 0)}), held)
	assert.ErrorIs(t, err, errFault)
}

func TestSlowAndBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		inner := newReference()
		st := WithFaults(inner, Faults{Put: Slow(time.Minute), Get: Block()})
		assert.NoError(t, st.Put(t.Context(), result(1, 0)))
		assert.Equal(t, time.Minute, time.Since(start))

		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errFault)
		defer cancel()
		assert.Equal(t, errFault, st.Put(ctx, result(2, 0)), "the cause, before it has begun")
		assert.Equal(t, time.Minute+time.Second, time.Since(start))
		assert.Len(t, inner.m, 1)

		ctx, cancel = context.WithTimeoutCause(t.Context(), time.Hour, errFault)
		defer cancel()
		_, err := st.Get(ctx, 1)
		assert.Equal(t, errFault, err)
		assert.Equal(t, time.Hour+time.Minute+time.Second, time.Since(start))
	})
}

func TestPanic(t *testing.T) {
	st := WithFaults(newReference(), Faults{Delete: Panic("boom")})
	assert.PanicsWithValue(t, "boom", func() { _ = st.Delete(t.Context(), 1) })
	assert.NoError(t, st.Put(t.Context(), result(1, 0)))
}

func TestFaultsThatEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		get := func(st store.ResultStore[int], id store.ID) error { _, err := st.Get(t.Context(), id); return err }
		inner := newReference()
		require.NoError(t, inner.PutBatch(t.Context(), batch(1, 3)))

		st := WithFaults(inner, Faults{Get: First(2, Fail(errFault))})
		for _, want := range []error{errFault, errFault, nil, nil} {
			assert.Equal(t, want, get(st, 1))
		}

		st = WithFaults(inner, Faults{Get: For(time.Minute, Fail(errFault))})
		time.Sleep(time.Hour) // before the first call
		assert.Equal(t, errFault, get(st, 1))
		time.Sleep(time.Minute - time.Nanosecond)
		assert.Equal(t, errFault, get(st, 1))
		time.Sleep(time.Nanosecond)
		assert.NoError(t, get(st, 1))
	})
}

func TestOnly(t *testing.T) {
	st := WithFaults(newReference(), Faults{Put: Only(Fail(store.ErrRejected), 3, 5)})
	for id := store.ID(1); id < 6; id++ {
		want := map[store.ID]error{3: store.ErrRejected, 5: store.ErrRejected}[id]
		assert.Equal(t, want, st.Put(t.Context(), result(id, 0)), "ID %d", id)
	}
	bp := st.(store.BatchPutter[int])
	assert.Equal(t, store.ErrRejected, bp.PutBatch(t.Context(), batch(5, 10)))
	assert.NoError(t, bp.PutBatch(t.Context(), batch(6, 10)))
}

func TestChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		st := WithFaults(newReference(), Faults{Put: Chain(Slow(time.Second), First(2, Fail(errFault)), Slow(time.Minute))})
		for _, want := range []error{errFault, errFault, nil} {
			assert.Equal(t, want, st.Put(t.Context(), result(1, 0)))
		}
		assert.Equal(t, time.Minute+3*time.Second, time.Since(start))
	})
}
