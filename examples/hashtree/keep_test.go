package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/examples/internal/process"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
)

// inKept are the arguments of runs with one FILE, which lies outside of the trees.
func inKept(args ...string) []string { return append([]string{"-store", "bolt:../kept.db"}, args...) }

// makeKeptTree is makeTree with a folder around it, for FILE.
func makeKeptTree(t *testing.T, names ...string) {
	t.Helper()
	makeTree(t)
	require.NoError(t, os.Mkdir("tree", 0o777))
	t.Chdir("tree")
	for _, name := range names {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o777))
		write(t, name, name)
	}
}

// numbered returns n names, and what hashtree prints for files with these below ".".
func numbered(n int) (names []string, want string) {
	var pairs []string
	for i := range n {
		names = append(names, fmt.Sprintf("f%04d", i))
		pairs = append(pairs, "./"+names[i], names[i])
	}
	return names, sums(pairs...)
}

// openKept opens FILE.
func openKept(t *testing.T) *bolt.Store[sum] {
	t.Helper()
	st, err := bolt.Open[sum]("../kept.db", nil)
	require.NoError(t, err)
	return st
}

// inFile returns the results that FILE has, by name; "" is that of a task without a sum.
func inFile(t *testing.T) map[string][]store.Result[sum] {
	t.Helper()
	st := openKept(t)
	defer st.Close()
	results := make(map[string][]store.Result[sum])
	for res, err := range st.All(t.Context()) {
		require.NoError(t, err)
		name := strings.TrimPrefix(filepath.Base(string(res.Value.Path)), ".")
		results[name] = append(results[name], res)
	}
	return results
}

func TestSecondRunReadsNothing(t *testing.T) {
	names := []string{"a", "b/c", "b/d"}
	if runtime.GOOS == "linux" { // other file systems may not have such names
		names = append(names, "\xff", "\xfe", "new\nline", `"quoted\`)
	}
	makeKeptTree(t, names...)
	first := run(t, 0, len(names), inKept(".")...)
	assert.Len(t, first.Opened, len(names))
	for range 2 {
		again := run(t, len(names), 0, inKept(".")...)
		assert.Empty(t, again.Opened)
		assert.Equal(t, first.Out.String(), again.Out.String())
	}
}

func TestChangedNewAndRemovedFiles(t *testing.T) {
	makeKeptTree(t, "older", "other-size", "other-mtime", "same", "removed", "dir/removed-with-it")
	run(t, 0, 6, inKept(".")...)
	age(t, "older", 2*time.Hour)
	write(t, "other-size", "other")
	write(t, "other-mtime", "OTHER-mtime")
	write(t, "new", "new")
	require.NoError(t, os.Remove("removed"))
	require.NoError(t, os.RemoveAll("dir"))

	p := run(t, 1, 4, inKept(".")...)
	assert.Equal(t, sums("./new", "new", "./older", "older", "./other-mtime", "OTHER-mtime", "./other-size", "other", "./same", "same"),
		p.Out.String())
	assert.ElementsMatch(t, []string{"new", "older", "other-mtime", "other-size"}, p.Opened)
	results := inFile(t)
	assert.Len(t, results, 5)
	for name, of := range results {
		assert.Len(t, of, 1, name)
	}
	assert.Empty(t, run(t, 5, 0, inKept(".")...).Opened)
}

// The same files are known by every name of their folder, from every other folder. Other
// folders have others.
func TestNamesOfFolders(t *testing.T) {
	makeKeptTree(t, "one/x", "two/x")
	mtime := time.Now().Add(-time.Hour)
	for _, name := range []string{"one/x", "two/x"} { // the same size and mtime
		require.NoError(t, os.Chtimes(name, mtime, mtime))
	}
	dir, err := os.Getwd()
	require.NoError(t, err)
	names := []string{"one/", "../tree/one", dir + "/one", "two/../one"}
	if err := os.Symlink("one", "link"); err == nil { // Windows may have none
		names = append(names, "link")
	}

	run(t, 0, 1, inKept("one")...)
	assert.Equal(t, sums("two/x", "two/x"), run(t, 0, 1, inKept("two")...).Out.String())
	for _, name := range names {
		assert.Equal(t, sums(strings.TrimSuffix(name, "/")+"/x", "one/x"), run(t, 1, 0, inKept(name)...).Out.String())
	}
	run(t, 2, 0, inKept(".")...)
	t.Chdir("two")
	run(t, 1, 0, "-store", "bolt:../../kept.db", ".")
	t.Chdir("..")
	require.NoError(t, os.Remove("two/x"))
	run(t, 1, 0, inKept("one")...)
	assert.Len(t, inFile(t)["x"], 2, "nobody has looked at two")
	run(t, 0, 0, inKept("two")...)
	assert.Len(t, inFile(t)["x"], 1)
}

// A sum that cannot be read is told of and made again, and the others are kept. Of two for one
// file, as a run that was killed may leave them, the last one counts.
func TestKeepingUnreadable(t *testing.T) {
	makeKeptTree(t, "a", "b", "c")
	run(t, 0, 3, inKept(".")...)
	old := inFile(t)["c"][0]
	write(t, "c", "other")
	age(t, "c", time.Minute)
	run(t, 2, 1, inKept(".")...)
	damaged := inFile(t)["b"][0].ID
	st := openKept(t)
	require.NoError(t, st.Put(t.Context(), old))
	require.NoError(t, st.Delete(t.Context(), damaged))
	require.NoError(t, st.PutRecords(t.Context(), []store.Record{{ID: damaged, Data: []byte("damaged")}}))
	require.NoError(t, st.Close())

	p := run(t, 2, 1, inKept(".")...)
	assert.Equal(t, []string{"b"}, p.Opened)
	assert.Regexp(t, `^hashtree: bolt: \.\./kept\.db: .*\n`, p.Said)
	assert.Equal(t, sums("./a", "a", "./b", "b", "./c", "other"), p.Out.String())
	results := inFile(t)
	assert.Len(t, results["c"], 1, "the old one is forgotten")
	assert.Len(t, results["b"], 1, "and the unreadable one")
	run(t, 3, 0, inKept(".")...)
}

func TestFileIsInUse(t *testing.T) {
	makeKeptTree(t, "a")
	st := openKept(t)
	defer st.Close()
	p := finish(t, process.New(t, "", inKept(".")...).Begin(t), 2, 0, 0, 0, 0)
	assert.Contains(t, p.Said, "kept.db is in use by another process")
}
