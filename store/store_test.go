package store_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

func TestSnapshotIsTheCallers(t *testing.T) {
	st := rwmutex.New[int]()
	want := make(map[store.ID]store.Result[int])
	for id := range store.ID(1000) {
		want[id+1] = store.Result[int]{ID: id + 1, Value: int(id)}
		assert.NoError(t, st.Put(t.Context(), want[id+1]))
	}
	got, err := store.Snapshot(t.Context(), st)
	assert.NoError(t, err)
	assert.Equal(t, want, got)

	clear(got)
	again, err := store.Snapshot(t.Context(), st)
	assert.NoError(t, err)
	assert.Equal(t, want, again)
}

func TestSnapshotOfNothing(t *testing.T) {
	got, err := store.Snapshot(t.Context(), rwmutex.New[int]())
	assert.NoError(t, err)
	assert.NotNil(t, got)
	assert.Empty(t, got)
}

// looping is a store of which only All is called: it yields each Result with the error at
// its place, and calls after behind each.
type looping struct {
	store.ResultStore[int]
	errs  []error // of the IDs from 1 on
	after func(store.ID)
	last  error // of a store that fails in the end
}

func (l looping) All(context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		for i, err := range l.errs {
			id := store.ID(i + 1)
			if !yield(store.Result[int]{ID: id, Value: int(id)}, err) {
				return
			}
			if l.after != nil {
				l.after(id)
			}
		}
		if l.last != nil {
			yield(store.Result[int]{}, l.last)
		}
	}
}

func TestSnapshotIsNilIfStoreFails(t *testing.T) {
	lost := errors.New("connection lost")
	got, err := store.Snapshot(t.Context(), looping{errs: []error{nil, errors.New("changed")}, last: lost})
	assert.Nil(t, got)
	assert.Equal(t, lost, err, "what of the others can be read is not all")
}

func TestSnapshotOfWhatCanBeRead(t *testing.T) {
	first, second := errors.New("result 2: changed"), errors.New("result 5: changed")
	got, err := store.Snapshot(t.Context(), looping{errs: []error{nil, first, nil, nil, second}})
	assert.Equal(t, map[store.ID]store.Result[int]{1: {ID: 1, Value: 1}, 3: {ID: 3, Value: 3}, 4: {ID: 4, Value: 4}}, got)
	assert.ErrorIs(t, err, first)
	assert.ErrorIs(t, err, second)
}

// TestSnapshotIsNilIfContextEnds ends the context before the loop, in the midst of it, and
// after the last result, when it is not over yet. The stores ignore it.
func TestSnapshotIsNilIfContextEnds(t *testing.T) {
	cause := errors.New("enough")
	for _, test := range []struct {
		held int
		ends store.ID // after this one
	}{{0, 0}, {3, 0}, {3, 1}, {1000, 10}, {3, 3}} {
		ctx, cancel := context.WithCancelCause(t.Context())
		if test.ends == 0 {
			cancel(cause)
		}
		most := store.ID(0)
		got, err := store.Snapshot(ctx, looping{errs: make([]error, test.held), after: func(id store.ID) {
			if most = id; id == test.ends {
				cancel(cause)
			}
		}})
		assert.Nil(t, got)
		assert.Equal(t, cause, err)
		assert.Equal(t, test.ends, most, "the loop goes on")
	}
}

func TestSnapshotNilContext(t *testing.T) {
	all, err := store.Snapshot(nil, rwmutex.New[int]()) //nolint:staticcheck // a nil context is what is tried
	assert.ErrorContains(t, err, "nil context")
	assert.Nil(t, all)
}

// endless panics with itself when its text is asked for, and fmt.Sprint with it.
type endless struct{}

func (e *endless) Error() string { panic(e) }

const noText = "(*store_test.endless, whose text cannot be had: the method that makes it panics)"

func TestPanicErrorTextPanics(t *testing.T) {
	assert.EqualError(t, &store.PanicError{Value: 7}, "pool: recovered panic: 7")
	assert.ErrorIs(t, &store.PanicError{Value: store.ErrExists}, store.ErrExists)
	assert.EqualError(t, &store.PanicError{Value: &endless{}}, "pool: recovered panic: "+noText)
}

// An error without a text does not hide those beside it.
func TestSnapshotTextPanics(t *testing.T) {
	bad, other := &endless{}, errors.New("cannot be read")
	all, err := store.Snapshot(t.Context(), looping{errs: []error{bad, nil, other}})
	assert.Len(t, all, 1)
	assert.ErrorIs(t, err, bad)
	assert.ErrorIs(t, err, other)
	assert.EqualError(t, err, noText+"\ncannot be read")
}

// deleting is a store of which only Delete is called: it returns the error of the ID.
type deleting struct {
	store.ResultStore[int]
	errs    map[store.ID]error
	after   func(store.ID)
	deleted []store.ID
}

func (d *deleting) Delete(_ context.Context, id store.ID) error {
	d.deleted = append(d.deleted, id)
	if d.after != nil {
		d.after(id)
	}
	return d.errs[id]
}

func TestDeleteAllOneByOne(t *testing.T) {
	lost := errors.New("connection lost")
	ids := []store.ID{5, 1, 9, 1, 7}
	d := &deleting{}
	assert.NoError(t, store.DeleteAll(t.Context(), d, ids))
	assert.Equal(t, ids, d.deleted)
	assert.NoError(t, store.DeleteAll(t.Context(), d, nil))

	d = &deleting{errs: map[store.ID]error{5: lost, 9: context.Canceled}}
	err := store.DeleteAll(t.Context(), d, ids)
	assert.Equal(t, ids, d.deleted, "it goes on")
	assert.ErrorIs(t, err, lost)
	assert.EqualError(t, err, "store: deleting result 5: connection lost\nstore: deleting result 9: context canceled")

	d = &deleting{errs: map[store.ID]error{5: lost, 9: store.ErrClosed}}
	err = store.DeleteAll(t.Context(), d, ids)
	assert.Equal(t, []store.ID{5, 1, 9}, d.deleted, "the others would say the same")
	assert.ErrorIs(t, err, store.ErrClosed)
	assert.EqualError(t, err, "store: deleting result 5: connection lost\nstore: 3 results are left to delete: store: closed")
}

func TestDeleteAllEndsWithContext(t *testing.T) {
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	d := &deleting{after: func(id store.ID) {
		if id == 2 {
			cancel(enough)
		}
	}}
	err := store.DeleteAll(ctx, d, []store.ID{1, 2, 3, 4, 5})
	assert.Equal(t, []store.ID{1, 2}, d.deleted)
	assert.ErrorIs(t, err, enough)
	assert.EqualError(t, err, "store: 3 results are left to delete: enough")

	d.after = func(store.ID) { t.Error("Delete is called with a context that is done") }
	assert.ErrorIs(t, store.DeleteAll(ctx, d, []store.ID{1}), enough)
	assert.NoError(t, store.DeleteAll(ctx, d, nil), "there is nothing to do")
}

// batchDeleting has DeleteBatch called, and nothing else.
type batchDeleting struct {
	store.ResultStore[int]
	err error
	ids *[]store.ID
}

func (d batchDeleting) DeleteBatch(_ context.Context, ids []store.ID) error {
	*d.ids = append(*d.ids, ids...)
	return d.err
}

func TestDeleteAllAtOnce(t *testing.T) {
	lost := errors.New("connection lost")
	d := batchDeleting{ids: new([]store.ID)}
	assert.NoError(t, store.DeleteAll(t.Context(), d, []store.ID{3, 1, 2}))
	assert.Equal(t, []store.ID{3, 1, 2}, *d.ids)
	d.err = lost
	assert.Equal(t, lost, store.DeleteAll(t.Context(), d, []store.ID{4}))
}
