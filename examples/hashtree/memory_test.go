package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

func TestNotRunFilesAreTriedAgain(t *testing.T) {
	makeOldTree(t, "a", "b", "c", "d")
	r := newKeepingRun()
	open := r.open
	gate := make(chan struct{})
	r.open = func(path string) (io.ReadCloser, error) {
		f, err := open(path)
		if filepath.Base(path) == "b" {
			r.signals <- os.Interrupt
			<-gate
		}
		return f, err
	}
	r.console.w = writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), "finishing ") {
			close(gate)
		}
		return r.err.Write(p)
	})
	assert.Equal(t, exitInterrupted, r.run([]string{"-store", "bolt:../kept.db", "-workers", "1", "."}))
	assertKept(t, r.err.String(), 0, 2, 0, 2)

	second := keep(t, ".")
	assert.ElementsMatch(t, []string{"c", "d"}, second.opened)
	assertKept(t, second.err.String(), 2, 2, 0, 0)
	assert.Len(t, inFile(t), 4)
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A run that is interrupted prints what it knows from before.
func TestInterruptedRunPrintsKeptSums(t *testing.T) {
	makeOldTree(t, "a", "b")
	keep(t, ".")
	write(t, "c", "c")
	r := newKeepingRun()
	read := r.readDir
	r.readDir = func(path string) ([]os.DirEntry, error) {
		entries, err := read(path)
		r.signals <- os.Interrupt
		return entries, err
	}
	r.keep(".")
	assert.Equal(t, exitInterrupted, r.status)
	assert.Len(t, inFile(t), 2, "an interrupted search does not know what is gone")
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

// A file that changes while it is read is hashed as it was read, and again next time.
func TestFileThatChangesWhileItIsRead(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, path string){
		"it grows": func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(t, err)
			defer f.Close()
			_, err = f.WriteString("more")
			require.NoError(t, err)
		},
		"it grows and gets its old mtime": func(t *testing.T, path string) {
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, []byte("another text"), 0o666))
			require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
		},
		"only the mtime": func(t *testing.T, path string) { age(t, path, time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			makeOldTree(t, "a", "b")
			r := newKeepingRun()
			open := r.open
			r.open = func(path string) (io.ReadCloser, error) {
				f, err := open(path)
				if err == nil && filepath.Base(path) == "b" {
					f = &changingFile{f.(*os.File), func() { change(t, path) }}
				}
				return f, err
			}
			r.keep(".")
			assert.Equal(t, exitOK, r.status)
			assertKept(t, r.err.String(), 0, 2, 0, 0)
			age(t, "b", time.Minute)
			assert.Equal(t, []string{"b"}, keep(t, ".").opened)
			assert.Empty(t, keep(t, ".").opened)
		})
	}
}

// A changingFile is changed before its first read.
type changingFile struct {
	*os.File
	change func()
}

func (f *changingFile) Read(p []byte) (int, error) {
	if f.change != nil {
		f.change()
		f.change = nil
	}
	return f.File.Read(p)
}

// An agedFile has an mtime that it is given, and no content.
type agedFile struct {
	fs.File
	mtimes []time.Time // of each Stat; the last one stays
}

func (f *agedFile) Stat() (fs.FileInfo, error) {
	mtime := f.mtimes[0]
	if len(f.mtimes) > 1 {
		f.mtimes = f.mtimes[1:]
	}
	return agedInfo{mtime: mtime}, nil
}

type agedInfo struct {
	fs.FileInfo
	mtime time.Time
}

func (i agedInfo) Size() int64        { return 3 }
func (i agedInfo) ModTime() time.Time { return i.mtime }

func TestSettle(t *testing.T) {
	const whole, part = 2 * time.Second, 50 * time.Millisecond
	tests := []struct {
		name    string
		mtimes  []time.Duration // before now
		waits   time.Duration
		settled bool
	}{
		{"an old file", []time.Duration{time.Hour}, 0, true},
		{"exactly old enough", []time.Duration{whole}, 0, true},
		{"a moment ago", []time.Duration{part / 5}, part * 4 / 5, true},
		{"just now", []time.Duration{1}, part - 1, true},
		{"a whole second ago", []time.Duration{time.Second}, time.Second, true},
		{"written to again while it waits", []time.Duration{part / 5, -part / 2}, part * 4 / 5, false},
		{"in the future", []time.Duration{-time.Hour}, 0, false},
		{"in the near future", []time.Duration{-1}, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // in which now is a whole second
				began := time.Now()
				f := new(agedFile)
				for _, ago := range tt.mtimes {
					f.mtimes = append(f.mtimes, began.Add(-ago))
				}
				v, settled, err := settle(t.Context(), f)
				assert.NoError(t, err)
				assert.Equal(t, tt.settled, settled)
				assert.Equal(t, version{3, f.mtimes[0].UnixNano()}, v)
				assert.Equal(t, tt.waits, time.Since(began))
			})
		})
	}
}

func TestSettleIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errInterrupted) })
		_, _, err := settle(ctx, &agedFile{mtimes: []time.Time{time.Now()}})
		assert.ErrorIs(t, err, errInterrupted)
	})
}

func TestRecordText(t *testing.T) {
	var s sum
	assert.Error(t, s.UnmarshalText([]byte("00")))
	assert.Error(t, s.UnmarshalText([]byte(strings.Repeat("x", 64))))
	var q quoted
	assert.Error(t, q.UnmarshalText([]byte("no quotes")))
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

// A failingStore fails until it is mended.
type failingStore struct {
	fileStore
	mu  sync.Mutex
	err error
}

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

func TestKeptSummary(t *testing.T) {
	out := outcome{kept: make([]hashed, 1200), done: make([]hashed, 3), remembers: true}
	assert.Equal(t, "1203 files, 0 B in 0.0s: 1200 kept, 3 done, 0 failed, 0 not run", summary(1203, out, 0))
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
