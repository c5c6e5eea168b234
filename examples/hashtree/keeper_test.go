package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
)

// A failingStore fails until it is mended.
type failingStore struct {
	fileStore
	mu  sync.Mutex
	err error
}

var _ fileStore = (*failingStore)(nil)

func (s *failingStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *failingStore) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *failingStore) Put(ctx context.Context, res store.Result[record]) error {
	if err := s.failed(); err != nil {
		return err
	}
	return s.fileStore.Put(ctx, res)
}

func (s *failingStore) PutBatch(ctx context.Context, res []store.Result[record]) error {
	if err := s.failed(); err != nil {
		return err
	}
	return s.fileStore.PutBatch(ctx, res)
}

func (s *failingStore) Delete(ctx context.Context, id store.ID) error {
	if err := s.failed(); err != nil {
		return err
	}
	return s.fileStore.Delete(ctx, id)
}

func (s *failingStore) ReserveIDs(ctx context.Context, n uint64) (store.ID, error) {
	if err := s.failed(); err != nil {
		return 0, err
	}
	return s.fileStore.ReserveIDs(ctx, n)
}

var errFull = errors.New("no space left")

// fails makes the run's store fail, with the results of tasks or from the beginning.
func (r *keepingRun) fails(s *failingStore) {
	r.openStore = func(path string) (fileStore, error) {
		st, err := openStore(path)
		s.fileStore = st
		return s, err
	}
}

// failsFrom makes it fail when the named file is about to be read.
func (r *keepingRun) failsFrom(s *failingStore, name string) {
	open := r.open
	r.open = func(path string) (io.ReadCloser, error) {
		if filepath.Base(path) == name {
			s.fail(errFull)
		}
		return open(path)
	}
}

func TestFullDiskIsTold(t *testing.T) {
	makeOldTree(t, "a", "b", "c")
	full := new(failingStore)
	r := newKeepingRun()
	r.fails(full)
	r.failsFrom(full, "a")
	r.console.w = writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), "will try again") {
			full.fail(nil)
		}
		return r.err.Write(p)
	})
	assert.Equal(t, exitOK, r.run([]string{"-store", "bolt:../kept.db", "-workers", "1", "."}))
	assert.Regexp(t, `^hashtree: no space left\nhashtree: will try again until it works; press Ctrl-C twice to give up\n`+
		`hashtree: sums are saved again\n`, r.err.String())
	assertKept(t, r.err.String(), 0, 3, 0, 0)
	assert.Empty(t, keep(t, ".").opened)
}

// Sums that could not be saved are printed, and hashed again next time.
func TestFullDiskIsGivenUp(t *testing.T) {
	makeOldTree(t, "a", "b", "c")
	full := new(failingStore)
	r := newKeepingRun()
	r.fails(full)
	r.failsFrom(full, "a")
	r.console.w = writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), "will try again") {
			r.signals <- os.Interrupt
			r.signals <- os.Interrupt
		}
		return r.err.Write(p)
	})
	assert.Equal(t, exitInterrupted, r.run([]string{"-store", "bolt:../kept.db", "-workers", "1", "."}))
	assert.Contains(t, r.out.String(), sums("./a", "tree/a"))
	assert.Regexp(t, `\nhashtree: not saved for the next run: \d sums?: no space left\b`, r.err.String())
	assert.Contains(t, keep(t, ".").opened, "a")
}

func TestFullDiskFromTheBeginning(t *testing.T) {
	makeOldTree(t, "a", "b")
	full := &failingStore{err: errFull}
	r := newKeepingRun()
	r.fails(full)
	r.keep(".")
	assert.Equal(t, exitFailed, r.status)
	assert.Contains(t, r.err.String(), "hashtree: pool: reserving IDs: no space left\n")
	assertKept(t, r.err.String(), 0, 0, 0, 2)
}

// What is known can be printed without writing to FILE.
func TestFullDiskWhenForgetting(t *testing.T) {
	makeOldTree(t, "a", "b")
	keep(t, ".")
	require.NoError(t, os.Remove("b"))
	full := &failingStore{err: errFull}
	r := newKeepingRun()
	r.fails(full)
	r.keep(".")
	assert.Equal(t, exitFailed, r.status)
	assert.Equal(t, sums("./a", "tree/a"), r.out.String())
	assert.Contains(t, r.err.String(), "hashtree: no space left\n")
	assert.Len(t, inFile(t), 2)
}

func TestWrongFiles(t *testing.T) {
	makeTree(t, "dir/a", "text", "folder/b")
	other, err := bolt.Open[int]("ints.db", nil)
	require.NoError(t, err)
	require.NoError(t, other.Close())
	for _, tt := range []struct{ name, file, want string }{
		{"no database", "text", "-store bolt:text: .*no database"},
		{"another database", "ints.db", "-store bolt:ints.db: .*ints.db has results that are int as json, want .*record as json"},
		{"a folder", "folder", "-store bolt:folder: .*folder is a folder"},
		{"in no folder", "none/x.db", "-store bolt:none/x.db: .*none/x.db.*"},
		{"odd", "none\n/x.db", `-store "bolt:none\\n/x.db": .*`},
		{"no name", "", `invalid value "bolt:" for flag -store: want a file after bolt:, for example bolt:sums.db\n`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stdout, stderr, status := execute(t, "-store", "bolt:"+tt.file, "dir")
			assert.Equal(t, exitUsage, status)
			assert.Empty(t, stdout)
			assert.Regexp(t, `^hashtree: `+tt.want, stderr)
			assert.Regexp(t, `\nhashtree: see hashtree -h\n$`, stderr)
		})
	}
	assert.NoFileExists(t, "none")
}

// A wrong call makes no FILE.
func TestWrongCallMakesNoFile(t *testing.T) {
	makeTree(t, "dir/a")
	_, _, status := execute(t, "-store", "bolt:x.db", "gone")
	assert.Equal(t, exitUsage, status)
	assert.NoFileExists(t, "x.db")
}

func TestLastStoreCounts(t *testing.T) {
	makeTree(t, "dir/a")
	_, stderr, status := execute(t, "-store", "bolt:x.db", "-store", "dense", "dir")
	assert.Equal(t, exitOK, status)
	assertCounts(t, stderr, 1, 0, 0)
	assert.NoFileExists(t, "x.db")
}
