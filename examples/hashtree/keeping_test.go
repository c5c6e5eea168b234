package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
)

// A keepingRun is a run of hashtree with -store bolt:FILE that notes what it reads.
type keepingRun struct {
	*testRun
	mu     sync.Mutex
	opened []string // names without the folders
	status int
}

func newKeepingRun() *keepingRun {
	r := &keepingRun{testRun: newRun()}
	r.open = func(path string) (io.ReadCloser, error) {
		r.mu.Lock()
		r.opened = append(r.opened, filepath.Base(path))
		r.mu.Unlock()
		return openFile(path)
	}
	return r
}

// keep runs hashtree on dirs with the same FILE each time, outside of them.
func keep(t *testing.T, dirs ...string) *keepingRun {
	t.Helper()
	r := newKeepingRun()
	r.keep(dirs...)
	return r
}

func (r *keepingRun) keep(dirs ...string) {
	r.status = r.run(append([]string{"-store", "bolt:../kept.db"}, dirs...))
}

// makeOldTree is makeTree in a folder of its own, with files that are an hour old.
func makeOldTree(t *testing.T, names ...string) {
	t.Helper()
	var paths []string
	for _, name := range names {
		paths = append(paths, "tree/"+name)
	}
	makeTree(t, paths...)
	for _, path := range paths {
		age(t, path, time.Hour)
	}
	t.Chdir("tree")
}

// age makes a file that old.
func age(t *testing.T, name string, old time.Duration) {
	t.Helper()
	mtime := time.Now().Add(-old)
	require.NoError(t, os.Chtimes(name, mtime, mtime))
}

// write changes a file, whose mtime is then a minute ago.
func write(t *testing.T, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(content), 0o666))
	age(t, name, time.Minute)
}

// assertKept is assertCounts for runs that keep.
func assertKept(t *testing.T, stderr string, kept, done, failed, notRun int) {
	t.Helper()
	m := regexp.MustCompile(`\nhashtree: (\d+) files?, [^\n]*: (\d+) kept, (\d+) done, (\d+) failed, (\d+) not run\n$`).
		FindStringSubmatch("\n" + stderr)
	require.NotNil(t, m, "no summary at the end of %q", stderr)
	var got []int
	for _, number := range m[1:] {
		n, err := strconv.Atoi(number)
		require.NoError(t, err)
		got = append(got, n)
	}
	assert.Equal(t, []int{kept + done + failed + notRun, kept, done, failed, notRun}, got, "files, kept, done, failed, not run")
}

// inFile returns the results that FILE has, by name; "" is that of a task without one.
func inFile(t *testing.T) map[string][]store.Result[record] {
	t.Helper()
	st, err := bolt.Open[record]("../kept.db", nil)
	require.NoError(t, err)
	defer st.Close()
	results := make(map[string][]store.Result[record])
	for res, err := range st.All(t.Context()) {
		require.NoError(t, err)
		name := ""
		if res.Value.File != "" {
			name = filepath.Base(string(res.Value.File))
		}
		results[name] = append(results[name], res)
	}
	return results
}

// TestKeepingUnreadable: a sum that cannot be read is told of and made again, and the others
// are kept.
func TestKeepingUnreadable(t *testing.T) {
	makeOldTree(t, "a", "b", "c")
	r := keep(t, ".")
	assertKept(t, r.err.String(), 0, 3, 0, 0)

	st, err := bolt.Open[record]("../kept.db", nil)
	require.NoError(t, err)
	for res, err := range st.All(t.Context()) {
		require.NoError(t, err)
		if filepath.Base(string(res.Value.File)) == "b" {
			require.NoError(t, st.Delete(t.Context(), res.ID))
			require.NoError(t, st.PutRecords(t.Context(), []store.Record{{ID: res.ID, Data: []byte("damaged")}}))
		}
	}
	require.NoError(t, st.Close())

	r = keep(t, ".")
	assert.Equal(t, exitOK, r.status)
	assert.Equal(t, []string{"b"}, r.opened)
	assertKept(t, r.err.String(), 2, 1, 0, 0)
	assert.Contains(t, r.err.String(), "hashtree: 1 sum of earlier runs cannot be read; their files are read again: bolt: ../kept.db: ")
	assert.Len(t, inFile(t), 3, "the unreadable one is forgotten")

	r = keep(t, ".")
	assertKept(t, r.err.String(), 3, 0, 0, 0)
	assert.NotContains(t, r.err.String(), "cannot be read")
}
