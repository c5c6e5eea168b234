package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/optional"
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

// TestWithFaultsKeepsOptionalInterfaces tries two stores: TestOf tries all combinations.
func TestWithFaultsKeepsOptionalInterfaces(t *testing.T) {
	assert.Implements(t, (*optional.All[int])(nil), WithFaults(newReference(), Faults{}))
	bare := WithFaults(struct{ store.ResultStore[int] }{newReference()}, Faults{})
	assert.NotImplements(t, (*store.BatchPutter[int])(nil), bare)
	assert.NotImplements(t, (*store.BatchDeleter[int])(nil), bare)
	assert.NotImplements(t, (*store.IDReserver)(nil), bare)
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
		saw("DeleteBatch", st.(store.BatchDeleter[int]).DeleteBatch(ctx, []store.ID{2, 3}))
		return failed
	}
	assert.Equal(t, seen{}, call(func(Fault) Faults { return Faults{} }))
	assert.Equal(t, seen{"Get": {1}}, call(func(f Fault) Faults { return Faults{Get: f} }))
	assert.Equal(t, seen{"Delete": {1}, "DeleteBatch": {2, 3}}, call(func(f Fault) Faults { return Faults{Delete: f} }))
	assert.Equal(t, seen{"DeleteBatch": {2, 3}}, call(func(f Fault) Faults { return Faults{DeleteBatch: f} }))
	assert.Equal(t, seen{"All": nil}, call(func(f Fault) Faults { return Faults{All: f} }))
	assert.Equal(t, seen{"All": {1}}, call(func(f Fault) Faults { return Faults{Each: f} }))
	assert.Equal(t, seen{"PutBatch": {2, 3}, "PutRecords": {4, 5}}, call(func(f Fault) Faults { return Faults{PutBatch: f} }))
	assert.Equal(t, seen{"ReserveIDs": nil}, call(func(f Fault) Faults { return Faults{ReserveIDs: f} }))
	assert.Equal(t, seen{"Put": {1}, "PutBatch": {2, 3}, "PutRecords": {4, 5}},
		call(func(f Fault) Faults { return Faults{Put: f} }), "a batch does not get round Put's fault")
	assert.Equal(t, seen{"Put": {1}}, call(func(f Fault) Faults { return Faults{Put: f, PutBatch: Chain()} }))
}

// TestFaults: they are those of package kit, by the same names. Three calls are made.
func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, row := range map[string]struct {
			f       Fault
			failed  string
			put     int
			elapsed time.Duration
		}{
			"Fail":  {Fail(io.EOF), "[EOF EOF EOF]", 0, 0},
			"Lose":  {Lose(io.EOF), "[EOF EOF EOF]", 3, 0},
			"Slow":  {Slow(time.Minute), "[<nil> <nil> <nil>]", 3, 3 * time.Minute},
			"Block": {Block(), "[a fault a fault a fault]", 0, 3 * time.Hour},
			"late":  {Slow(2 * time.Hour), "[a fault a fault a fault]", 0, 3 * time.Hour},
			"First": {First(2, Fail(io.EOF)), "[EOF EOF <nil>]", 1, 0},
			"For":   {Chain(Slow(time.Second), For(2*time.Second, Fail(io.EOF))), "[EOF EOF <nil>]", 1, 3 * time.Second},
			"Only":  {Only(Fail(io.EOF), 2), "[<nil> EOF <nil>]", 2, 0},
		} {
			start := time.Now()
			inner := newReference()
			st := WithFaults(inner, Faults{Put: row.f})
			var failed []error
			for id := range store.ID(3) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errFault)
				failed = append(failed, st.Put(ctx, result(id+1, 0)))
				cancel()
			}
			assert.Equal(t, row.failed, fmt.Sprint(failed), name)
			assert.Len(t, inner.m, row.put, name)
			assert.Equal(t, row.elapsed, time.Since(start), name)
		}
		st := WithFaults(newReference(), Faults{Put: Panic("boom")})
		assert.PanicsWithValue(t, "boom", func() { _ = st.Put(t.Context(), result(1, 0)) })
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
