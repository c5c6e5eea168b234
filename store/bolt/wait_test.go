package bolt

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/store"
)

// holdCommits has commits wait until the returned function is called.
func holdCommits(f *file) (release func()) {
	gate := make(chan struct{})
	f.commit = func(tx *bbolt.Tx) error {
		<-gate
		return tx.Commit()
	}
	return func() { close(gate) }
}

// TestWaitEndsWithContext has every method that writes wait for a write that takes long.
func TestWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := openInts(t)
		assert.NoError(t, st.Put(t.Context(), one(1)))
		release := holdCommits(st.file)
		go func() { assert.NoError(t, st.Put(t.Context(), one(2))) }()
		synctest.Wait()

		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("why")
		for _, wait := range []func() error{
			func() error { return st.Put(ctx, one(3)) },
			func() error { return st.PutBatch(ctx, []store.Result[int]{one(4), one(5)}) },
			func() error { return st.Delete(ctx, 1) },
			func() error { _, err := st.ReserveIDs(ctx, 1); return err },
		} {
			go func() { assert.ErrorIs(t, wait(), why) }()
		}
		synctest.Wait()
		cancel(why)
		synctest.Wait() // they have returned, while the first still waits

		release()
		synctest.Wait()
		held, err := store.Snapshot(t.Context(), st)
		assert.NoError(t, err)
		assert.Equal(t, map[store.ID]store.Result[int]{1: one(1), 2: one(2)}, held)
		first, err := st.ReserveIDs(t.Context(), 1)
		assert.NoError(t, err)
		assert.Equal(t, store.ID(3), first) // after those that are held
	})
}

// TestDoneContext writes with a context that is done, as a cancelled pool may have to: what
// need not wait is done all the same.
func TestDoneContext(t *testing.T) {
	st := openInts(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.NoError(t, st.Put(ctx, one(1)))
	assert.NoError(t, st.PutBatch(ctx, []store.Result[int]{one(2), one(3)}))
	assert.NoError(t, st.Delete(ctx, 2))
	_, err := st.ReserveIDs(ctx, 1)
	assert.NoError(t, err)
	held, err := store.Snapshot(t.Context(), st)
	assert.NoError(t, err)
	assert.Equal(t, map[store.ID]store.Result[int]{1: one(1), 3: one(3)}, held)
}

// TestReadsDoNotWait reads while a write takes long.
func TestReadsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := openInts(t)
		assert.NoError(t, st.Put(t.Context(), one(1)))
		release := holdCommits(st.file)
		put := make(chan error)
		go func() { put <- st.Put(t.Context(), one(2)) }()
		synctest.Wait()

		res, err := st.Get(t.Context(), 1)
		assert.NoError(t, err)
		assert.Equal(t, one(1), res)
		_, err = st.Get(t.Context(), 2)
		assert.ErrorIs(t, err, store.ErrNotFound)
		n := 0
		for range st.All(t.Context()) {
			n++
		}
		assert.Equal(t, 1, n)

		release()
		assert.NoError(t, <-put)
	})
}

// TestCloseWaits closes while one call writes and others wait for it.
func TestCloseWaits(t *testing.T) {
	st := openInts(t)
	path := st.file.path
	release := holdCommits(st.file)
	ctx := t.Context()
	first := make(chan error)
	go func() { first <- st.Put(ctx, one(1)) }()
	for len(st.file.turn) == 0 { // the first has the turn
	}
	others := make(chan error, 3)
	for i := range cap(others) {
		go func() { others <- st.Put(ctx, one(store.ID(i+2))) }()
	}
	closed := make(chan error, 2)
	for range cap(closed) {
		go func() { closed <- st.Close() }()
	}
	for !st.file.closed.Load() {
	}
	_, err := st.Get(ctx, 1)
	assert.ErrorIs(t, err, ErrClosed, "while Close waits")
	assert.Empty(t, closed, "Close has not waited for a Put")

	release()
	assert.NoError(t, <-first)
	assert.NoError(t, <-closed)
	assert.NoError(t, <-closed)
	for range cap(others) {
		err := <-others
		assert.ErrorIs(t, err, ErrClosed)
		assert.ErrorIs(t, err, store.ErrClosed, "what a pool knows it by")
		assert.EqualError(t, err, "bolt: store is closed")
	}

	assert.ErrorIs(t, st.Put(ctx, one(9)), ErrClosed)
	assert.ErrorIs(t, st.PutBatch(ctx, nil), ErrClosed)
	assert.ErrorIs(t, st.PutRecords(ctx, nil), ErrClosed)
	assert.ErrorIs(t, st.Delete(ctx, 1), ErrClosed)
	_, err = st.ReserveIDs(ctx, 1)
	assert.ErrorIs(t, err, ErrClosed)
	for _, err := range st.All(ctx) {
		assert.ErrorIs(t, err, ErrClosed)
	}
	assert.NoError(t, st.Close())

	again, err := Open[int](path, nil)
	assert.NoError(t, err)
	held, err := store.Snapshot(ctx, again)
	assert.NoError(t, err)
	assert.Equal(t, map[store.ID]store.Result[int]{1: one(1)}, held)
	assert.NoError(t, again.Close())
}

// TestCloseInBody closes while a loop over All is under way, from its body.
func TestCloseInBody(t *testing.T) {
	st := openInts(t)
	var batch []store.Result[int]
	for id := range store.ID(3 * chunkResults) {
		batch = append(batch, one(id+1))
	}
	assert.NoError(t, st.PutBatch(t.Context(), batch))
	n := 0
	var last error
	for _, err := range st.All(t.Context()) {
		n++
		last = err
		assert.NoError(t, st.Close())
	}
	assert.Equal(t, chunkResults+1, n)
	assert.ErrorIs(t, last, ErrClosed)
}

// TestNotVisibleBeforeSynced has bbolt show what is not yet on the disk.
func TestNotVisibleBeforeSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		st := openInts(t)
		assert.NoError(t, st.Put(ctx, one(5)))
		gate := make(chan struct{})
		st.file.commit = func(tx *bbolt.Tx) error {
			err := tx.Commit()
			<-gate
			return err
		}
		large := make([]store.Result[int], 0, 3*chunkResults)
		for id := range store.ID(cap(large)) {
			large = append(large, one(id+10))
		}
		put := make(chan error)
		go func() { put <- st.PutBatch(ctx, append(large, one(3), one(1<<63))) }()
		synctest.Wait()
		for _, id := range []store.ID{3, 10, 500, 1 << 63} {
			_, err := st.Get(ctx, id)
			assert.ErrorIs(t, err, store.ErrNotFound)
		}
		held, err := store.Snapshot(ctx, st)
		assert.NoError(t, err)
		assert.Equal(t, map[store.ID]store.Result[int]{5: one(5)}, held)

		close(gate)
		assert.NoError(t, <-put)
		for _, id := range []store.ID{3, 10, 500, 1 << 63} {
			_, err := st.Get(ctx, id)
			assert.NoError(t, err)
		}
		held, err = store.Snapshot(ctx, st)
		assert.NoError(t, err)
		assert.Len(t, held, len(large)+3)
	})
}
