package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store/bolt"
)

func TestSecondRunReadsNothing(t *testing.T) {
	makeOldTree(t, "a", "b/c", "b/d", "e")
	want := sums("./a", "tree/a", "./b/c", "tree/b/c", "./b/d", "tree/b/d", "./e", "tree/e")
	first := keep(t, ".")
	assert.Equal(t, exitOK, first.status)
	assert.Equal(t, want, first.out.String())
	assertKept(t, first.err.String(), 0, 4, 0, 0)

	for range 2 {
		again := keep(t, ".")
		assert.Equal(t, exitOK, again.status)
		assert.Equal(t, want, again.out.String())
		assert.Empty(t, again.opened)
		assertKept(t, again.err.String(), 4, 0, 0, 0)
	}
}

// Also a tree that was made just now is not read again: see settle.
func TestSecondRunOnANewTreeReadsNothing(t *testing.T) {
	makeTree(t, "tree/a", "tree/b")
	t.Chdir("tree")
	keep(t, ".")
	assert.Empty(t, keep(t, ".").opened)
}

func TestChangedNewAndRemovedFiles(t *testing.T) {
	makeOldTree(t, "other-size", "other-mtime", "same", "removed", "dir/removed-with-it")
	keep(t, ".")
	write(t, "other-size", "other")
	write(t, "other-mtime", "tree/OTHER-mtime")
	write(t, "new", "new")
	require.NoError(t, os.Remove("removed"))
	require.NoError(t, os.RemoveAll("dir"))

	second := keep(t, ".")
	assert.Equal(t, sums("./new", "new", "./other-mtime", "tree/OTHER-mtime", "./other-size", "other", "./same", "tree/same"),
		second.out.String())
	assert.ElementsMatch(t, []string{"new", "other-mtime", "other-size"}, second.opened)
	assertKept(t, second.err.String(), 1, 3, 0, 0)

	results := inFile(t)
	assert.Len(t, results, 4)
	for name, of := range results {
		assert.Len(t, of, 1, name)
	}
	assert.Empty(t, keep(t, ".").opened)
}

// An mtime that goes back is a change too.
func TestOlderFileIsAnother(t *testing.T) {
	makeOldTree(t, "a")
	keep(t, ".")
	age(t, "a", 2*time.Hour)
	assert.Equal(t, []string{"a"}, keep(t, ".").opened)
}

func TestFailedFileIsTriedAgain(t *testing.T) {
	makeOldTree(t, "a", "b", "c")
	first := newKeepingRun()
	open := first.open
	first.open = func(path string) (io.ReadCloser, error) {
		switch filepath.Base(path) {
		case "b":
			return nil, fs.ErrPermission
		case "c":
			panic("no such luck")
		}
		return open(path)
	}
	first.keep(".")
	assert.Equal(t, exitFailed, first.status)
	assertKept(t, first.err.String(), 0, 1, 2, 0)
	results := inFile(t)
	require.Len(t, results["b"], 1)
	assert.Error(t, results["b"][0].Err)

	second := keep(t, ".")
	assert.Equal(t, exitOK, second.status)
	assert.ElementsMatch(t, []string{"b", "c"}, second.opened)
	assertKept(t, second.err.String(), 1, 2, 0, 0)
	for name, of := range inFile(t) {
		require.Len(t, of, 1, name)
		assert.NoError(t, of[0].Err)
	}
}

// The same files are known by every name of their folder, from every other folder.
func TestSameTreeByOtherNames(t *testing.T) {
	makeOldTree(t, "a", "b/c")
	keep(t, ".")
	dir, err := os.Getwd()
	require.NoError(t, err)
	for _, name := range []string{"./", "../tree", dir, "b/.."} {
		r := keep(t, name)
		assert.Empty(t, r.opened, name)
		assert.Contains(t, r.out.String(), "  "+join(name, "a")+"\n")
	}
	assert.Empty(t, keep(t, "b").opened, "a part of it")
	assert.Empty(t, keep(t, ".", "b", "./b").opened, "more than once")
	assert.Len(t, inFile(t), 2)

	if err := os.Symlink("tree", "../link"); err != nil {
		t.Skip("SKIPPED: no symbolic links here:", err)
	}
	assert.Empty(t, keep(t, "../link").opened)
}

// Files of another tree are not taken for these, and these are not forgotten.
func TestAnotherTreeInTheSameFile(t *testing.T) {
	makeOldTree(t, "a/x", "b/x", "ab/x")
	mtime := time.Now().Add(-time.Hour)
	for _, name := range []string{"a/x", "b/x"} { // the same size
		require.NoError(t, os.Chtimes(name, mtime, mtime))
	}
	keep(t, "a")
	assert.Equal(t, []string{"x"}, keep(t, "b").opened)
	keep(t, "ab")
	require.NoError(t, os.Remove("a/x"))
	keep(t, "a")
	assert.Len(t, inFile(t)["x"], 2, "a/x is forgotten, the others are not")
	assert.Empty(t, keep(t, "b", "ab").opened)
}

// The same name in two folders, relative to each, is two files.
func TestRelativePathsElsewhere(t *testing.T) {
	makeOldTree(t, "one/x", "two/x")
	mtime := time.Now().Add(-time.Hour)
	for _, name := range []string{"one/x", "two/x"} {
		require.NoError(t, os.Chtimes(name, mtime, mtime))
		t.Chdir(filepath.Dir(name))
		r := newKeepingRun()
		assert.Equal(t, exitOK, r.run([]string{"-store", "bolt:../../kept.db", "."}))
		assert.Equal(t, sums("./x", "tree/"+name), r.out.String())
		t.Chdir("..")
	}
}

// What lies below a folder that cannot be read just now is not gone.
func TestFolderThatCannotBeReadIsNotForgotten(t *testing.T) {
	makeOldTree(t, "a", "locked/b", "locked/c/d")
	keep(t, ".")
	r := newKeepingRun()
	read := r.readDir
	r.readDir = func(path string) ([]os.DirEntry, error) {
		if path == "./locked" {
			return nil, fs.ErrPermission
		}
		return read(path)
	}
	r.keep(".")
	assert.Equal(t, exitFailed, r.status)
	assert.Empty(t, keep(t, ".").opened)
}

func TestNamesThatAreNotUTF8(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: file systems here may not have such names")
	}
	makeOldTree(t, "\xff", "\xfe", "new\nline", `"quoted\`)
	keep(t, ".")
	assert.Empty(t, keep(t, ".").opened)
}

// FILE changes while it would be hashed, and would never be the same.
func TestFileInsideOfTheTree(t *testing.T) {
	makeOldTree(t, "a", "sub/b")
	require.NoError(t, os.Mkdir("sub/dbs", 0o777))
	for _, tt := range []struct {
		want string
		kept int
	}{{sums("./a", "tree/a", "./sub/b", "tree/sub/b"), 0}, {sums("./a", "tree/a", "./sub/b", "tree/sub/b"), 2}} {
		stdout, stderr, status := execute(t, "-store", "bolt:sub/dbs/kept.db", ".")
		assert.Equal(t, exitOK, status)
		assert.Equal(t, tt.want, stdout)
		assertKept(t, stderr, tt.kept, 2-tt.kept, 0, 0)
	}
	assert.FileExists(t, "sub/dbs/kept.db")
}

func TestBelow(t *testing.T) {
	for _, tt := range []struct {
		dir, file string
		want      bool
	}{
		{"/a", "/a/b", true}, {"/a", "/ab", false}, {"/", "/a", true}, {"/a/b", "/a", false}, {"/a", "/a/b/c", true},
	} {
		assert.Equal(t, tt.want, below(filepath.FromSlash(tt.dir), filepath.FromSlash(tt.file)), "%v", tt)
	}
}

func TestKeptSummary(t *testing.T) {
	out := outcome{kept: make([]hashed, 1200), done: make([]hashed, 3), remembers: true}
	assert.Equal(t, "1203 files, 0 B in 0.0s: 1200 kept, 3 done, 0 failed, 0 not run", summary(1203, out, 0))
}

// A run that was killed while it forgot leaves results that count for nothing.
func TestOfTwoResultsTheLastCounts(t *testing.T) {
	makeOldTree(t, "a")
	keep(t, ".")
	old := inFile(t)["a"][0]
	write(t, "a", "other")
	keep(t, ".")
	st, err := bolt.Open[record]("../kept.db", nil)
	require.NoError(t, err)
	require.NoError(t, st.Put(t.Context(), old))
	require.NoError(t, st.Close())
	require.Len(t, inFile(t)["a"], 2)

	r := keep(t, ".")
	assert.Empty(t, r.opened)
	assert.Equal(t, sums("./a", "other"), r.out.String())
	assert.Len(t, inFile(t)["a"], 1)
}
