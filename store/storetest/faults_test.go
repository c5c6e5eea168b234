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
	faults := Faults{
		Put: Chain(First(0, Fail(io.EOF)), First(3, nil), nil), Get: For(0, Fail(io.EOF)), Delete: Chain(),
		All: Only(Fail(io.EOF), 1), ReserveIDs: Slow(0),
	}
	Run(t, func(testing.TB) store.ResultStore[int] { return WithFaults(newReference(), faults) })
}

func TestWithFaultsKeepsOptionalInterfaces(t *testing.T) {
	type (
		base     = store.ResultStore[int]
		batcher  = store.BatchPutter[int]
		recorder = store.RecordPutter[int]
		reserver = store.IDReserver
	)
	r := newReference()
	for _, st := range []base{
		r,
		struct{ base }{r},
		struct {
			base
			batcher
		}{r, r},
		struct {
			base
			reserver
		}{r, r},
		struct {
			base
			recorder
		}{r, r},
		struct {
			base
			batcher
			reserver
		}{r, r, r},
	} {
		offers := func(st base) (all [3]bool) {
			_, all[0] = st.(batcher)
			_, all[1] = st.(recorder)
			_, all[2] = st.(reserver)
			return all
		}
		assert.Equal(t, offers(st), offers(WithFaults(st, Faults{})), "%T", st)
	}
}

// TestEachMethodHasItsFault calls every method of a store in which one is faulty, and sees
// which IDs the call is about.
func TestEachMethodHasItsFault(t *testing.T) {
	type seen = map[string][]store.ID
	call := func(faults func(Fault) Faults) (failed seen) {
		failed = make(seen)
		var ids []store.ID
		st := WithFaults(newReference(), faults(func(ctx context.Context, of []store.ID, do func(context.Context) error) error {
			ids = of
			return Lose(errFault)(ctx, of, do) // so that the others have something to do
		}))
		saw := func(method string, err error) {
			if err != nil {
				assert.Equal(t, errFault, err)
				failed[method] = ids
			}
		}
		ctx := t.Context()
		saw("Put", st.Put(ctx, result(1, 0)))
		res, err := st.Get(ctx, 1)
		saw("Get", err)
		assert.True(t, err == nil || res == store.Result[int]{}, "%v", res)
		for _, err := range st.All(ctx) {
			saw("All", err)
		}
		saw("PutBatch", st.(store.BatchPutter[int]).PutBatch(ctx, batch(2, 2)))
		saw("PutRecords", st.(store.RecordPutter[int]).PutRecords(ctx, (&script{st: st}).encode(batch(4, 2)...)))
		first, err := st.(store.IDReserver).ReserveIDs(ctx, 3)
		saw("ReserveIDs", err)
		assert.Equal(t, err != nil, first == 0)
		saw("Delete", st.Delete(ctx, 1))
		return failed
	}
	assert.Equal(t, seen{}, call(func(Fault) Faults { return Faults{} }))
	assert.Equal(t, seen{"Get": {1}}, call(func(f Fault) Faults { return Faults{Get: f} }))
	assert.Equal(t, seen{"Delete": {1}}, call(func(f Fault) Faults { return Faults{Delete: f} }))
	assert.Equal(t, seen{"All": nil}, call(func(f Fault) Faults { return Faults{All: f} }))
	assert.Equal(t, seen{"All": {1}}, call(func(f Fault) Faults { return Faults{Each: f} }))
	assert.Equal(t, seen{"PutBatch": {2, 3}, "PutRecords": {4, 5}}, call(func(f Fault) Faults { return Faults{PutBatch: f} }))
	assert.Equal(t, seen{"ReserveIDs": nil}, call(func(f Fault) Faults { return Faults{ReserveIDs: f} }))
	assert.Equal(t, seen{"Put": {1}, "PutBatch": {2, 3}, "PutRecords": {4, 5}},
		call(func(f Fault) Faults { return Faults{Put: f} }), "a batch does not get round Put's fault")
	assert.Equal(t, seen{"Put": {1}}, call(func(f Fault) Faults { return Faults{Put: f, PutBatch: Chain()} }))
}

// TestFaults: they are those of package kit, by the same names.
func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, row := range map[string]struct {
			f       Fault
			errs    [3]error
			done    [3]bool
			elapsed time.Duration
		}{
			"Fail":  {Fail(io.EOF), [3]error{io.EOF, io.EOF, io.EOF}, [3]bool{}, 0},
			"Lose":  {Lose(io.EOF), [3]error{io.EOF, io.EOF, io.EOF}, [3]bool{true, true, true}, 0},
			"Slow":  {Slow(time.Minute), [3]error{}, [3]bool{true, true, true}, 3 * time.Minute},
			"Block": {Block(), [3]error{errFault, errFault, errFault}, [3]bool{}, 3 * time.Hour},
			"First": {First(2, Fail(io.EOF)), [3]error{io.EOF, io.EOF}, [3]bool{2: true}, 0},
			"For":   {Chain(For(time.Minute, Fail(io.EOF)), Slow(time.Second)), [3]error{io.EOF, io.EOF, io.EOF}, [3]bool{}, 0},
			"Only":  {Only(Fail(io.EOF), 2), [3]error{1: io.EOF}, [3]bool{true, false, true}, 0},
		} {
			start := time.Now()
			for i, want := range row.errs {
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errFault)
				inner := newReference()
				id := store.ID(i + 1)
				assert.Equal(t, want, WithFaults(inner, Faults{Put: row.f}).Put(ctx, result(id, 0)), "%s, call %d", name, i)
				assert.Equal(t, row.done[i], len(inner.m) == 1, "%s, call %d", name, i)
				cancel()
			}
			assert.Equal(t, row.elapsed, time.Since(start), name)
		}
	})
}

// TestFaultsOfAll: an error of All ends it, and one that is about a result does not keep it
// from the others.
func TestFaultsOfAll(t *testing.T) {
	ctx := t.Context()
	inner := newReference()
	require.NoError(t, inner.PutBatch(ctx, batch(1, 3)))
	type pair struct {
		res store.Result[int]
		err error
	}
	pairs := func(st store.ResultStore[int], most int) (all []pair) {
		for res, err := range st.All(ctx) {
			if all = append(all, pair{res, err}); len(all) == most {
				break
			}
		}
		return all
	}
	one, two, three := pair{res: result(1, 0)}, pair{res: result(2, 0)}, pair{res: result(3, 0)}
	failed := pair{err: errFault}

	failing := WithFaults(inner, Faults{All: Fail(errFault)})
	assert.Equal(t, []pair{failed}, pairs(failing, 9))
	assert.Equal(t, []pair{failed}, pairs(WithFaults(failing, Faults{}), 9), "the store's own error")
	losing := WithFaults(inner, Faults{All: Lose(errFault)})
	assert.Equal(t, []pair{one, two, three, failed}, pairs(losing, 9))
	assert.Equal(t, []pair{one, two}, pairs(losing, 2), "nothing is yielded after a break")

	fault := Only(Fail(errFault), 2)
	unreadable := WithFaults(inner, Faults{Get: fault, Each: fault})
	want := []pair{one, {store.Result[int]{ID: 2}, errFault}, three}
	assert.Equal(t, want, pairs(unreadable, 9))
	assert.Equal(t, want, pairs(WithFaults(unreadable, Faults{}), 9), "the store's own error")
	_, err := unreadable.Get(ctx, 2)
	assert.Equal(t, errFault, err)
	assert.NoError(t, unreadable.Delete(ctx, 2))
}
