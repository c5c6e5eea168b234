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

func TestSnapshotIsNilIfContextEnds(t *testing.T) {
	cause := errors.New("enough")
	for name, n := range map[string]store.ID{"empty": 0, "not empty": 3} {
		t.Run(name, func(t *testing.T) {
			st := rwmutex.New[int]() // ignores contexts: Snapshot has to look
			for id := range n {
				assert.NoError(t, st.Put(t.Context(), store.Result[int]{ID: id + 1}))
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(cause)
			got, err := store.Snapshot(ctx, st)
			assert.Nil(t, got)
			assert.Equal(t, cause, err)
		})
	}
}

// failing is a store whose loops fail after one result.
type failing struct {
	store.ResultStore[int]
	err error
}

func (f failing) All(context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		_ = yield(store.Result[int]{ID: 1}, nil) && yield(store.Result[int]{}, f.err)
	}
}

func TestSnapshotIsNilIfStoreFails(t *testing.T) {
	lost := errors.New("connection lost")
	got, err := store.Snapshot(t.Context(), failing{err: lost})
	assert.Nil(t, got)
	assert.Equal(t, lost, err)
}

// unreadable is a store that cannot read some of its results, and fails in the end if err
// is not nil.
type unreadable struct {
	store.ResultStore[int]
	why map[store.ID]error
	err error
}

func (u unreadable) All(context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		for id := store.ID(1); id <= 5; id++ {
			if !yield(store.Result[int]{ID: id, Value: int(id)}, u.why[id]) {
				return
			}
		}
		if u.err != nil {
			yield(store.Result[int]{}, u.err)
		}
	}
}

func TestSnapshotOfWhatCanBeRead(t *testing.T) {
	first, second, lost := errors.New("result 2: changed"), errors.New("result 5: changed"), errors.New("connection lost")
	why := map[store.ID]error{2: first, 5: second}
	got, err := store.Snapshot(t.Context(), unreadable{why: why})
	assert.Equal(t, map[store.ID]store.Result[int]{1: {ID: 1, Value: 1}, 3: {ID: 3, Value: 3}, 4: {ID: 4, Value: 4}}, got)
	assert.ErrorIs(t, err, first)
	assert.ErrorIs(t, err, second)

	got, err = store.Snapshot(t.Context(), unreadable{why: why, err: lost})
	assert.Nil(t, got)
	assert.Equal(t, lost, err, "the store has failed: what of the others can be read is not all")
}

// scripted is a store whose loops go on for ever, or until end results, and call at
// after each result.
type scripted struct {
	store.ResultStore[int]
	end int
	at  func(n int)
}

func (s scripted) All(context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		for n := 1; n <= s.end || s.end == 0; n++ {
			if !yield(store.Result[int]{ID: store.ID(n)}, nil) {
				return
			}
			s.at(n)
		}
	}
}

// TestSnapshotStopsWhenContextEnds copies a store that has no end: Snapshot must look
// at the context between results.
func TestSnapshotStopsWhenContextEnds(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	most := 0
	got, err := store.Snapshot(ctx, scripted{at: func(n int) {
		if most = n; n == 10 {
			cancel(cause)
		}
		if n > 1000 {
			panic("Snapshot goes on")
		}
	}})
	assert.Nil(t, got)
	assert.Equal(t, cause, err)
	assert.Equal(t, 10, most)
}

// TestSnapshotContextEndsAtTheEnd ends the context after the last result, when the loop
// is not over yet.
func TestSnapshotContextEndsAtTheEnd(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	got, err := store.Snapshot(ctx, scripted{end: 3, at: func(n int) {
		if n == 3 {
			cancel(cause)
		}
	}})
	assert.Nil(t, got)
	assert.Equal(t, cause, err)
}
