package optional_test

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/internal/optional"
	"github.com/resultpool/resultpool/store"
)

type (
	base    = store.ResultStore[int]
	batches = store.BatchPutter[int]
	records = store.RecordPutter[int]
	deletes = store.BatchDeleter[int]
	ids     = store.IDReserver
)

// whole is a store with all interfaces. It remembers which method was called last.
type whole struct{ called *string }

func (w whole) call(method string) { *w.called = method }

func (w whole) Put(context.Context, store.Result[int]) error { w.call("Put"); return nil }
func (w whole) Get(context.Context, store.ID) (res store.Result[int], err error) {
	w.call("Get")
	return res, nil
}
func (w whole) Delete(context.Context, store.ID) error                  { w.call("Delete"); return nil }
func (w whole) All(context.Context) iter.Seq2[store.Result[int], error] { w.call("All"); return nil }
func (w whole) PutBatch(context.Context, []store.Result[int]) error     { w.call("PutBatch"); return nil }
func (w whole) Encode(store.Result[int]) ([]byte, error)                { w.call("Encode"); return nil, nil }
func (w whole) PutRecords(context.Context, []store.Record) error        { w.call("PutRecords"); return nil }
func (w whole) DeleteBatch(context.Context, []store.ID) error           { w.call("DeleteBatch"); return nil }
func (w whole) ReserveIDs(context.Context, uint64) (first store.ID, err error) {
	w.call("ReserveIDs")
	return 1, nil
}

func TestOf(t *testing.T) {
	type offers struct{ batches, records, deletes, ids bool }
	in := whole{new(string)}
	stores := map[offers]base{
		{}: struct{ base }{in},
		{ids: true}: struct {
			base
			ids
		}{in, in},
		{deletes: true}: struct {
			base
			deletes
		}{in, in},
		{deletes: true, ids: true}: struct {
			base
			deletes
			ids
		}{in, in, in},
		{batches: true}: struct {
			base
			batches
		}{in, in},
		{batches: true, ids: true}: struct {
			base
			batches
			ids
		}{in, in, in},
		{batches: true, deletes: true}: struct {
			base
			batches
			deletes
		}{in, in, in},
		{batches: true, deletes: true, ids: true}: struct {
			base
			batches
			deletes
			ids
		}{in, in, in, in},
		{batches: true, records: true}: struct {
			base
			records
		}{in, in},
		{batches: true, records: true, ids: true}: struct {
			base
			records
			ids
		}{in, in, in},
		{batches: true, records: true, deletes: true}: struct {
			base
			records
			deletes
		}{in, in, in},
		{batches: true, records: true, deletes: true, ids: true}: in,
	}
	assert.Len(t, stores, 3*2*2)
	for want, st := range stores {
		w := whole{new(string)}
		of := optional.Of(st, optional.All[int](w))
		ctx := t.Context()
		var got offers
		calls := func(method string) { assert.Equal(t, method, *w.called, "%+v", want) }

		assert.NoError(t, of.Put(ctx, store.Result[int]{}))
		calls("Put")
		if b, ok := of.(batches); ok {
			got.batches = true
			assert.NoError(t, b.PutBatch(ctx, nil))
			calls("PutBatch")
		}
		if r, ok := of.(records); ok {
			got.records = true
			assert.NoError(t, r.PutRecords(ctx, nil))
			calls("PutRecords")
		}
		if d, ok := of.(deletes); ok {
			got.deletes = true
			assert.NoError(t, d.DeleteBatch(ctx, nil))
			calls("DeleteBatch")
		}
		if r, ok := of.(ids); ok {
			got.ids = true
			_, err := r.ReserveIDs(ctx, 1)
			assert.NoError(t, err)
			calls("ReserveIDs")
		}
		assert.Equal(t, want, got)
		assert.Empty(t, *in.called)
	}
}
