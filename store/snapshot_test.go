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
