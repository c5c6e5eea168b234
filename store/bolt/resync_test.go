package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/store"
)

var errDisk = errors.New("the disk does not answer")

func openInts(t *testing.T) *Store[int] {
	st, err := Open[int](filepath.Join(t.TempDir(), "results.db"), nil)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, st.Close()) })
	return st
}

func one(id store.ID) store.Result[int] { return store.Result[int]{ID: id, Value: int(id)} }

// failVisibly has the next commit fail at its end, as it does if the disk fails between
// the meta page and the answer: all is written, and visible.
func failVisibly(f *file) {
	f.commit = func(tx *bbolt.Tx) error {
		f.commit = (*bbolt.Tx).Commit
		if err := tx.Commit(); err != nil {
			return err
		}
		return errDisk
	}
}

// failInvisibly has it fail before anything is visible, as on a full disk.
func failInvisibly(f *file) {
	f.commit = func(tx *bbolt.Tx) error {
		f.commit = (*bbolt.Tx).Commit
		_ = tx.Rollback()
		return errDisk
	}
}

// TestNothingIsSaidAfterFailedCommit has a commit fail, and then the disk, for as long as
// nobody may say that a result is there, or not there.
func TestNothingIsSaidAfterFailedCommit(t *testing.T) {
	ctx := t.Context()
	st := openInts(t)
	f := st.file
	require.NoError(t, st.Put(ctx, one(1)))

	failVisibly(f)
	assert.ErrorIs(t, st.Put(ctx, one(2)), errDisk)

	sound := f.osFile
	readOnly, err := os.Open(f.path) // writing to it fails
	require.NoError(t, err)
	f.osFile = readOnly
	for range 3 {
		errs := []error{st.Put(ctx, one(2)), st.Put(ctx, one(3)), st.PutBatch(ctx, []store.Result[int]{one(2)}),
			st.Delete(ctx, 1), st.Delete(ctx, 4)}
		_, err := st.Get(ctx, 1)
		errs = append(errs, err)
		_, err = st.Get(ctx, 2)
		errs = append(errs, err)
		_, err = st.ReserveIDs(ctx, 1)
		errs = append(errs, err)
		for _, err := range st.All(ctx) {
			errs = append(errs, err)
		}
		assert.Len(t, errs, 9)
		for _, err := range errs {
			assert.ErrorContains(t, err, "where a write has failed before")
			assert.NotErrorIs(t, err, store.ErrExists)
			assert.NotErrorIs(t, err, store.ErrNotFound)
			assert.NotErrorIs(t, err, store.ErrRejected)
		}
	}
	require.NoError(t, readOnly.Close())
	f.osFile = sound

	assert.ErrorIs(t, st.Put(ctx, one(2)), store.ErrExists) // now it is on the disk
	res, err := st.Get(ctx, 2)
	assert.NoError(t, err)
	assert.Equal(t, one(2), res)
	assert.NoError(t, st.Put(ctx, one(3)))
}

// TestFailedCommitIsForgotten has a commit fail that nobody sees: the retry stores.
func TestFailedCommitIsForgotten(t *testing.T) {
	ctx := t.Context()
	st := openInts(t)
	failInvisibly(st.file)
	assert.ErrorIs(t, st.PutBatch(ctx, []store.Result[int]{one(1), one(2)}), errDisk)
	_, err := st.Get(ctx, 1)
	assert.ErrorIs(t, err, store.ErrNotFound)
	assert.NoError(t, st.PutBatch(ctx, []store.Result[int]{one(1), one(2)}))
	res, err := st.Get(ctx, 2)
	assert.NoError(t, err)
	assert.Equal(t, one(2), res)
}

// TestFailedReservationIsNotReused has IDs reserved and not handed out.
func TestFailedReservationIsNotReused(t *testing.T) {
	ctx := t.Context()
	st := openInts(t)
	failVisibly(st.file)
	_, err := st.ReserveIDs(ctx, 10)
	assert.ErrorIs(t, err, errDisk)
	first, err := st.ReserveIDs(ctx, 10)
	assert.NoError(t, err)
	assert.Equal(t, store.ID(11), first)
}

// TestMetaIsWrittenAgain looks at the bytes: nothing changes, and the file is sound.
func TestMetaIsWrittenAgain(t *testing.T) {
	ctx := t.Context()
	st := openInts(t)
	for id := range store.ID(50) {
		failVisibly(st.file)
		assert.ErrorIs(t, st.Put(ctx, one(2*id+1)), errDisk)
		before, err := os.ReadFile(st.file.path)
		require.NoError(t, err)
		_, err = st.Get(ctx, 2*id+1)
		assert.NoError(t, err)
		after, err := os.ReadFile(st.file.path)
		require.NoError(t, err)
		assert.Equal(t, before, after)
		failInvisibly(st.file)
		assert.ErrorIs(t, st.Delete(ctx, 2*id+1), errDisk)
		assert.NoError(t, st.Put(ctx, one(2*id+2)))
	}
	assert.NoError(t, st.file.db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		return nil
	}))
}

// TestOpenAfterFailedCommit opens a file that another process may have left so.
func TestOpenAfterFailedCommit(t *testing.T) {
	ctx := t.Context()
	st := openInts(t)
	failVisibly(st.file)
	assert.ErrorIs(t, st.Put(ctx, one(1)), errDisk)
	require.NoError(t, st.Close())
	again, err := Open[int](st.file.path, nil)
	require.NoError(t, err)
	assert.ErrorIs(t, again.Put(ctx, one(1)), store.ErrExists)
	assert.NoError(t, again.Close())
}

// TestPanicInWriteIsFinal has bbolt panic with its locks held. Nobody may wait for them.
func TestPanicInWriteIsFinal(t *testing.T) {
	ctx := t.Context()
	st := openInts(t)
	require.NoError(t, st.Put(ctx, one(1)))
	st.file.commit = func(*bbolt.Tx) error { panic("page 7 already freed") }
	err := st.Put(ctx, one(2))
	assert.ErrorContains(t, err, st.file.path+" is damaged, or cannot be read: page 7 already freed")
	for range 2 {
		assert.Equal(t, err, st.Put(ctx, one(3)))
		_, got := st.Get(ctx, 1)
		assert.Equal(t, err, got)
	}
	assert.NoError(t, st.Close())
	again, err := Open[int](st.file.path, nil)
	require.NoError(t, err)
	_, err = again.Get(ctx, 1)
	assert.NoError(t, err)
	_, err = again.Get(ctx, 2)
	assert.ErrorIs(t, err, store.ErrNotFound)
	assert.NoError(t, again.Close())
}
