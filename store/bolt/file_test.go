package bolt

import (
	"context"
	"errors"
	"os"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/store"
)

var errDisk = errors.New("the disk does not answer")

// failVisibly has the next commit fail at its end, as it does if the disk fails between
// the meta page and the answer: all is written, and visible.
func failVisibly(f *file) {
	f.commit = func(tx *bbolt.Tx) error {
		f.commit = (*bbolt.Tx).Commit
		return errors.Join(tx.Commit(), errDisk)
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

// holdCommits has commits wait until the returned function is called, before they write or
// after.
func holdCommits(f *file, after bool) (release func()) {
	gate := make(chan struct{})
	f.commit = func(tx *bbolt.Tx) error {
		if after {
			defer func() { <-gate }()
		} else {
			<-gate
		}
		return tx.Commit()
	}
	return func() { close(gate) }
}

// each calls all methods with IDs that nobody has used, but for 1 and 2, and returns their
// errors.
func each(ctx context.Context, st *Store[int]) (errs []error) {
	for _, id := range []store.ID{1, 2} {
		_, err := st.Get(ctx, id)
		errs = append(errs, err)
	}
	for _, err := range st.All(ctx) {
		errs = append(errs, err)
	}
	_, err := st.ReserveIDs(ctx, 1)
	return append(errs, err, st.Put(ctx, one(2)), st.Put(ctx, one(3)), st.PutBatch(ctx, ones(2, 1)),
		st.PutRecords(ctx, nil), st.Delete(ctx, 1), st.Delete(ctx, 4))
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
	for i := range 3 {
		if i == 2 { // nor can it be read
			require.NoError(t, readOnly.Close())
		}
		errs := each(ctx, st)
		assert.Len(t, errs, 10)
		for _, err := range errs {
			assert.ErrorContains(t, err, "where a write has failed before")
			assert.NotErrorIs(t, err, store.ErrExists)
			assert.NotErrorIs(t, err, store.ErrNotFound)
			assert.NotErrorIs(t, err, store.ErrRejected)
		}
	}
	f.osFile = sound

	assert.ErrorIs(t, st.Put(ctx, one(2)), store.ErrExists) // now it is on the disk
	assert.NoError(t, st.Put(ctx, one(3)))
	assertHeld(t, st, ones(1, 3)...)
}

// TestFailedCommitIsForgotten has a commit fail that nobody sees: the retry stores. IDs that
// were reserved in one that failed are not given out.
func TestFailedCommitIsForgotten(t *testing.T) {
	ctx := t.Context()
	st := openInts(t)
	failInvisibly(st.file)
	assert.ErrorIs(t, st.PutBatch(ctx, ones(1, 2)), errDisk)
	assertHeld(t, st)
	assert.NoError(t, st.PutBatch(ctx, ones(1, 2)))
	assertHeld(t, st, ones(1, 2)...)

	failVisibly(st.file)
	_, err := st.ReserveIDs(ctx, 10)
	assert.ErrorIs(t, err, errDisk)
	first, err := st.ReserveIDs(ctx, 10)
	assert.NoError(t, err)
	assert.Equal(t, store.ID(13), first)
}

// TestMetaIsWrittenAgain looks at the bytes: nothing changes, and the file is sound, also
// for the next who opens it.
func TestMetaIsWrittenAgain(t *testing.T) {
	ctx := t.Context()
	st := openInts(t)
	for id := range store.ID(50) {
		failVisibly(st.file)
		assert.ErrorIs(t, st.Put(ctx, one(2*id+1)), errDisk)
		before := readFile(t, st.file.path)
		_, err := st.Get(ctx, 2*id+1)
		assert.NoError(t, err)
		assert.Equal(t, before, readFile(t, st.file.path))
		failInvisibly(st.file)
		assert.ErrorIs(t, st.Delete(ctx, 2*id+1), errDisk)
		assert.NoError(t, st.Put(ctx, one(2*id+2)))
	}
	failVisibly(st.file)
	assert.ErrorIs(t, st.Put(ctx, one(101)), errDisk)
	require.NoError(t, st.Close())
	assert.ErrorIs(t, st.Put(ctx, one(101)), ErrClosed)
	assert.Empty(t, checkPages(st.file.path))
	again := openAt[int](t, st.file.path, &Options{Check: true})
	assert.ErrorIs(t, again.Put(ctx, one(101)), store.ErrExists)
}

// checkPages has bbolt check every page of a file.
func checkPages(path string) (problems []error) {
	db, err := bbolt.Open(path, 0, &bbolt.Options{Timeout: defaultTimeout})
	if err != nil {
		return []error{err}
	}
	_ = db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			problems = append(problems, err)
		}
		return nil
	})
	if err := db.Close(); err != nil {
		problems = append(problems, err)
	}
	return problems
}

// TestPanicInWriteIsFinal has bbolt panic with its locks held. Nobody may wait for them.
func TestPanicInWriteIsFinal(t *testing.T) {
	ctx := t.Context()
	st := openInts(t)
	require.NoError(t, st.Put(ctx, one(1)))
	st.file.commit = func(*bbolt.Tx) error { panic("page 7 already freed") }
	err := st.Put(ctx, one(2))
	assert.ErrorContains(t, err, st.file.path+" is damaged, or cannot be read: page 7 already freed")
	for _, got := range each(ctx, st) {
		assert.Equal(t, err, got)
	}
	assert.NoError(t, st.Close())
	assertHeld(t, openAt[int](t, st.file.path, nil), one(1))
}

// TestWaitEndsWithContext has every method that writes wait for a write that takes long, and Get
// as well, as after a write that has failed.
func TestWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := openInts(t)
		assert.NoError(t, st.Put(t.Context(), one(1)))
		release := holdCommits(st.file, false)
		go func() { assert.NoError(t, st.Put(t.Context(), one(2))) }()
		synctest.Wait()
		st.file.suspect.Store(true)

		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("why")
		for _, wait := range []func() error{
			func() error { return st.Put(ctx, one(3)) },
			func() error { return st.PutBatch(ctx, ones(4, 2)) },
			func() error { return st.Delete(ctx, 1) },
			func() error { _, err := st.ReserveIDs(ctx, 1); return err },
			func() error { _, err := st.Get(ctx, 1); return err },
		} {
			go func() { assert.ErrorIs(t, wait(), why) }()
		}
		synctest.Wait()
		cancel(why)
		synctest.Wait() // they have returned, while the first still waits

		release()
		synctest.Wait()
		assertHeld(t, st, ones(1, 2)...)
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
	assert.NoError(t, st.PutBatch(ctx, ones(2, 2)))
	assert.NoError(t, st.Delete(ctx, 2))
	_, err := st.ReserveIDs(ctx, 1)
	assert.NoError(t, err)
	assertHeld(t, st, one(1), one(3))
}

// TestNotVisibleBeforeSynced reads while a write takes long, which nobody waits for. What is
// not on the disk yet is not there, though bbolt shows it as soon as it has written it.
func TestNotVisibleBeforeSynced(t *testing.T) {
	for _, written := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			st := openInts(t)
			assert.NoError(t, st.Put(ctx, one(5)))
			release := holdCommits(st.file, written)
			batch := append(ones(10, 3*chunkResults), one(3), one(1<<63))
			put := make(chan error)
			go func() { put <- st.PutBatch(ctx, batch) }()
			synctest.Wait()
			for _, id := range []store.ID{3, 10, 500, 1 << 63} {
				_, err := st.Get(ctx, id)
				assert.ErrorIs(t, err, store.ErrNotFound)
			}
			_, err := st.Get(ctx, 5)
			assert.NoError(t, err)
			assertHeld(t, st, one(5))

			release()
			assert.NoError(t, <-put)
			_, err = st.Get(ctx, 1<<63)
			assert.NoError(t, err)
			assertHeld(t, st, append(batch, one(5))...)
		})
	}
}

// TestCloseWaits closes while one call writes and others wait for it.
func TestCloseWaits(t *testing.T) {
	st := openInts(t)
	release := holdCommits(st.file, false)
	ctx := t.Context()
	first := make(chan error)
	go func() { first <- st.Put(ctx, one(1)) }()
	for len(st.file.turn) == 0 { // the first has the turn
		runtime.Gosched()
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
		runtime.Gosched()
	}
	_, err := st.Get(ctx, 1)
	assert.ErrorIs(t, err, ErrClosed, "while Close waits")
	assert.Empty(t, closed, "Close has not waited for a Put")

	release()
	assert.NoError(t, <-first)
	for range cap(closed) {
		assert.NoError(t, <-closed)
	}
	assert.NoError(t, st.Close())
	errs := each(ctx, st)
	for range cap(others) {
		errs = append(errs, <-others)
	}
	for _, err := range errs {
		assert.ErrorIs(t, err, ErrClosed)
		assert.ErrorIs(t, err, store.ErrClosed, "what a pool knows it by")
		assert.EqualError(t, err, "bolt: store is closed")
	}
	assertHeld(t, openAt[int](t, st.file.path, nil), one(1))
}

// TestCloseInBody closes while a loop over All is under way, from its body.
func TestCloseInBody(t *testing.T) {
	st := openInts(t)
	assert.NoError(t, st.PutBatch(t.Context(), ones(1, 3*chunkResults)))
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

// TestCloseOfALostFile has somebody remove the file, or put another in its place, while it
// is open: all that is written then is lost with it. To change the program's working folder
// loses nothing.
func TestCloseOfALostFile(t *testing.T) {
	for name, lose := range map[string]func() error{
		"removed":   func() error { return os.Remove("results.db") },
		"renamed":   func() error { return os.Rename("results.db", "old.db") },
		"replaced":  func() error { return errors.Join(os.WriteFile("new", nil, 0o600), os.Rename("new", "results.db")) },
		"elsewhere": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			st, err := Open[int]("results.db", nil)
			require.NoError(t, err)
			if lose == nil {
				t.Chdir(t.TempDir())
				assert.NoError(t, st.Close())
				return
			}
			if runtime.GOOS == "windows" {
				t.Skip("SKIPPED: Windows does not let a file be removed or replaced that is open")
			}
			require.NoError(t, lose())
			assert.NoError(t, st.Put(t.Context(), one(1)))
			err = st.Close()
			assert.ErrorContains(t, err, "bolt: results.db ")
			assert.ErrorContains(t, err, "removed")
			assert.NoError(t, st.Close(), "again")
		})
	}
}

// A Store that Open has not made is closed, and says why.
func TestZeroStore(t *testing.T) {
	st := new(Store[int])
	_, get := st.Get(t.Context(), 1)
	_, all := store.Snapshot(t.Context(), st)
	_, reserve := st.ReserveIDs(t.Context(), 1)
	for method, err := range map[string]error{
		"Get": get, "All": all, "ReserveIDs": reserve, "Delete": st.Delete(t.Context(), 1), "Close": st.Close(),
	} {
		assert.ErrorIs(t, err, ErrClosed, method)
		assert.ErrorContains(t, err, "bolt: this Store was not made by Open", method)
	}
	assert.Error(t, st.Put(t.Context(), one(1)))
}
