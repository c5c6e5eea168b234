package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// childVar makes the test binary behave as hashtree.
const childVar = "HASHTREE_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVar) {
	case "1":
		go announce()
		main()
	case "noting":
		noting()
	case "stepping":
		stepping()
	}
	goleak.VerifyTestMain(m)
}

// announced is what a child prints on standard error when it is reading a file.
// From then on it hears signals.
const announced = "test: reading\n"

// announce looks at the stacks, since nothing that hashtree prints tells.
func announce() {
	stacks := make([]byte, 1<<20)
	for !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte(".(*reader).sum(")) {
		time.Sleep(time.Millisecond)
	}
	fmt.Fprint(os.Stderr, announced)
}

// noting is main, and prints a line on standard error before it reads a file.
func noting() {
	h := newProcess()
	open := h.open
	h.open = func(path string) (io.ReadCloser, error) {
		fmt.Fprint(os.Stderr, noted(path))
		return open(path)
	}
	os.Exit(h.run(os.Args[1:]))
}

// leaseVar is the lease of a child that steps.
const leaseVar = "HASHTREE_TEST_LEASE"

// stepping is noting, and waits for a byte of standard input before it reads a file, or for
// its end.
func stepping() {
	h := newProcess()
	var err error
	if h.lease, err = time.ParseDuration(os.Getenv(leaseVar)); err != nil {
		panic(err)
	}
	open := h.open
	var mu sync.Mutex
	h.open = func(path string) (io.ReadCloser, error) {
		fmt.Fprint(os.Stderr, noted(path))
		mu.Lock()
		_, _ = os.Stdin.Read(make([]byte, 1))
		mu.Unlock()
		return open(path)
	}
	os.Exit(h.run(os.Args[1:]))
}

func noted(path string) string { return "test: reading " + path + "\n" }

// A testRun is a run of hashtree in this process.
type testRun struct {
	*hashtree
	out, err bytes.Buffer // standard output and error
}

func newRun() *testRun {
	r := new(testRun)
	r.hashtree = newHashtree(&r.out, &r.err, make(chan os.Signal, 3))
	return r
}

// newRunOver is newRun with other files below ".": so many that making them would
// take long.
func newRunOver(files fstest.MapFS) *testRun {
	r := newRun()
	r.open = func(name string) (io.ReadCloser, error) { return files.Open(path.Clean(name)) }
	r.readDir = func(name string) ([]os.DirEntry, error) { return files.ReadDir(path.Clean(name)) }
	return r
}

// execute runs hashtree with nothing replaced.
func execute(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	r := newRun()
	status = r.run(args)
	return r.out.String(), r.err.String(), status
}

// assertCounts checks the numbers in the summary, which must add up.
func assertCounts(t *testing.T, stderr string, done, failed, notRun int) {
	t.Helper()
	m := regexp.MustCompile(`\nhashtree: (\d+) files?, [^\n]*: (\d+) done, (\d+) failed, (\d+) not run\n$`).
		FindStringSubmatch("\n" + stderr)
	require.NotNil(t, m, "no summary at the end of %q", stderr)
	var got []int
	for _, number := range m[1:] {
		n, err := strconv.Atoi(number)
		require.NoError(t, err)
		got = append(got, n)
	}
	assert.Equal(t, []int{done + failed + notRun, done, failed, notRun}, got, "files, done, failed, not run")
}

// makeTree makes a directory with the given files, each with its own name for
// content, and makes it the current one.
func makeTree(t *testing.T, names ...string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o777))
		require.NoError(t, os.WriteFile(file, []byte(name), 0o666))
	}
	t.Chdir(dir)
}

// sums is the output for files with the given paths and contents, which must
// need no escapes.
func sums(pathsAndContents ...string) string {
	var lines strings.Builder
	for pair := range slices.Chunk(pathsAndContents, 2) {
		fmt.Fprintf(&lines, "%x  %s\n", sha256.Sum256([]byte(pair[1])), pair[0])
	}
	return lines.String()
}

func TestTrees(t *testing.T) {
	makeTree(t, "d/b", "d/a", "d/c/x", "d/c/y", "d/c0", "e/z", "e/-n", "e/with space")
	require.NoError(t, os.MkdirAll("empty/er", 0o777))
	require.NoError(t, os.Mkdir("zero", 0o777))
	require.NoError(t, os.WriteFile("zero/0", nil, 0o666))
	large := strings.Repeat("0123456789", 100_000)
	require.NoError(t, os.Mkdir("large", 0o777))
	require.NoError(t, os.WriteFile("large/1", []byte(large), 0o666))

	tests := []struct {
		name string
		args []string
		want string
	}{
		{"sorted bytewise", []string{"d"},
			sums("d/a", "d/a", "d/b", "d/b", "d/c/x", "d/c/x", "d/c/y", "d/c/y", "d/c0", "d/c0")},
		{"a slash at the end", []string{"d/c/"}, sums("d/c/x", "d/c/x", "d/c/y", "d/c/y")},
		{"two slashes", []string{"d//c//"}, sums("d//c//x", "d/c/x", "d//c//y", "d/c/y")},
		{"a dot in front", []string{"./d/c"}, sums("./d/c/x", "d/c/x", "./d/c/y", "d/c/y")},
		{"several directories", []string{"e", "d/c"},
			sums("d/c/x", "d/c/x", "d/c/y", "d/c/y", "e/-n", "e/-n", "e/with space", "e/with space", "e/z", "e/z")},
		{"overlap", []string{"d/c", "d", "d/", "d/c"},
			sums("d/a", "d/a", "d/b", "d/b", "d/c/x", "d/c/x", "d/c/y", "d/c/y", "d/c0", "d/c0")},
		{"the same by other names", []string{"d/c", "./d/c"},
			sums("./d/c/x", "d/c/x", "./d/c/y", "d/c/y", "d/c/x", "d/c/x", "d/c/y", "d/c/y")},
		{"one worker", []string{"-workers", "1", "d/c"}, sums("d/c/x", "d/c/x", "d/c/y", "d/c/y")},
		{"more workers than files", []string{"-workers=100", "d/c"}, sums("d/c/x", "d/c/x", "d/c/y", "d/c/y")},
		{"no files", []string{"empty"}, ""},
		{"an empty file", []string{"zero"}, sums("zero/0", "")},
		{"a file of many reads", []string{"large"}, sums("large/1", large)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stdout, stderr, status := execute(t, tt.args...)
			assert.Equal(t, tt.want, stdout)
			assertCounts(t, stderr, strings.Count(tt.want, "\n"), 0, 0)
			assert.Equal(t, exitOK, status)
		})
	}
}

func TestStoresAgree(t *testing.T) {
	files := make(fstest.MapFS)
	var pathsAndContents []string // in the order of the paths
	for i := range 2500 {         // more than two segments of dense
		name := fmt.Sprintf("d%d/f%04d", i/1000, i)
		files[name] = &fstest.MapFile{Data: []byte(name)}
		pathsAndContents = append(pathsAndContents, "./"+name, name)
	}
	want := sums(pathsAndContents...)
	for name := range stores {
		t.Run(name, func(t *testing.T) {
			r := newRunOver(files)
			assert.Equal(t, exitOK, r.run([]string{"-store", name, "-workers", "4", "."}))
			assert.Equal(t, want, r.out.String())
			assertCounts(t, r.err.String(), len(files), 0, 0)
		})
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	makeTree(t, "a", "b", "c", "d", "e")
	r := newRun()
	r.open = func(path string) (io.ReadCloser, error) {
		switch filepath.Base(path) {
		case "b": // vanishes after it was found
			require.NoError(t, os.Remove(path))
		case "c":
			return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrPermission}
		case "d":
			return &brokenFile{content: "half a file"}, nil
		}
		return openFile(path)
	}
	status := r.run([]string{"."})
	assert.Equal(t, sums("./a", "a", "./e", "e"), r.out.String())
	assert.Regexp(t, `^hashtree: \./b: \S.*\nhashtree: \./c: permission denied\nhashtree: \./d: the disk is on fire\n`, r.err.String())
	assertCounts(t, r.err.String(), 2, 3, 0)
	assert.Equal(t, exitFailed, status)
}

// A brokenFile fails when its content has been read.
type brokenFile struct{ content string }

func (f *brokenFile) Read(p []byte) (int, error) {
	if f.content == "" {
		return 0, &os.PathError{Op: "read", Path: "d", Err: fmt.Errorf("the disk is on fire")}
	}
	n := copy(p, f.content)
	f.content = f.content[n:]
	return n, nil
}

func (f *brokenFile) Close() error { return nil }

// A panic in a task is that file's failure, as the pool promises.
func TestPanicIsAFailure(t *testing.T) {
	makeTree(t, "a", "b")
	r := newRun()
	r.open = func(path string) (io.ReadCloser, error) {
		if path == "./a" {
			panic("no such luck")
		}
		return openFile(path)
	}
	assert.Equal(t, exitFailed, r.run([]string{"."}))
	assert.Equal(t, sums("./b", "b"), r.out.String())
	assert.Contains(t, r.err.String(), "hashtree: ./a: pool: recovered panic: no such luck\n")
	assertCounts(t, r.err.String(), 1, 1, 0)
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	makeTree(t, "a", "b")
	r := newRun()
	r.stdout = brokenWriter{}
	assert.Equal(t, exitFailed, r.run([]string{"."}))
	assert.Contains(t, r.err.String(), "hashtree: standard output: no space left\n")
	assertCounts(t, r.err.String(), 2, 0, 0)
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "stdout", Err: fmt.Errorf("no space left")}
}
