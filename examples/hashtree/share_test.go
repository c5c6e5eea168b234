package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine/enginetest"
)

// A meeting is an engine in memory that runs of hashtree in this process share.
type meeting struct {
	mu   sync.Mutex
	data map[string]*enginetest.Memory // by name
}

func newMeeting() *meeting { return &meeting{data: make(map[string]*enginetest.Memory)} }

func (m *meeting) open(name string, opts *enginetest.MemoryOptions) *enginetest.Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data[name] == nil {
		m.data[name] = enginetest.NewMemory(opts)
	}
	return m.data[name].Open()
}

// run returns a run that has joined. It begins with share.
func (m *meeting) run() *keepingRun {
	r := newKeepingRun()
	r.openSite = func(_ context.Context, opts siteOptions) (*site, error) {
		files := m.open(opts.name, &enginetest.MemoryOptions{QueueBound: bound, Lease: opts.lease})
		turns := m.open(opts.name+"-turn", &enginetest.MemoryOptions{QueueBound: 1, Lease: opts.lease})
		return &site{files: files, turns: turns, close: func() {
			_ = files.Close()
			_ = turns.Close()
		}}, nil
	}
	return r
}

func (r *keepingRun) share(args ...string) {
	r.status = r.run(append([]string{"-engine", "nats://in.memory"}, args...))
}

// share runs hashtree alone.
func (m *meeting) share(args ...string) *keepingRun {
	r := m.run()
	r.share(args...)
	return r
}

func TestShareAlone(t *testing.T) {
	makeOldTree(t, "a", "b/c", "d")
	m := newMeeting()
	want := sums("./a", "tree/a", "./b/c", "tree/b/c", "./d", "tree/d")

	first := m.share(".")
	assert.Equal(t, exitOK, first.status)
	assert.Equal(t, want, first.out.String())
	assertKept(t, first.err.String(), 0, 3, 0, 0)
	assert.Contains(t, first.err.String(), "hashtree: 3 files, 3 read here, 20 B in ")

	second := m.share(".")
	assert.Equal(t, exitOK, second.status)
	assert.Equal(t, want, second.out.String())
	assertKept(t, second.err.String(), 3, 0, 0, 0)
	assert.Empty(t, second.opened)
}

// barrier makes each of the runs wait at its first file until all have one.
func barrier(runs ...*keepingRun) {
	var all sync.WaitGroup
	all.Add(len(runs))
	for _, r := range runs {
		open := r.open
		var first sync.Once
		r.open = func(path string) (io.ReadCloser, error) {
			first.Do(func() {
				all.Done()
				all.Wait()
			})
			return open(path)
		}
	}
}

func TestWorkIsSplit(t *testing.T) {
	var names, want []string
	for _, c := range "abcdefghijklmnopqrstuvwxyz" {
		names = append(names, string(c))
		want = append(want, "./"+string(c), "tree/"+string(c))
	}
	makeOldTree(t, names...)
	m := newMeeting()
	runs := []*keepingRun{m.run(), m.run(), m.run()}
	barrier(runs...)
	var wg sync.WaitGroup
	for _, r := range runs {
		wg.Go(func() { r.share("-workers", "1", ".") })
	}
	wg.Wait()

	var opened []string
	for _, r := range runs {
		assert.Equal(t, exitOK, r.status)
		assert.Equal(t, sums(want...), r.out.String())
		assert.NotEmpty(t, r.opened, "each has hashed some")
		opened = append(opened, r.opened...)
	}
	assert.ElementsMatch(t, names, opened, "each file was read once")
}

// Whatever the order and the names of the directories, they are the same.
func TestShareByOtherNames(t *testing.T) {
	makeOldTree(t, "a/x", "b/y", "c/z")
	m := newMeeting()
	m.share("a", "b")
	dir, err := os.Getwd()
	require.NoError(t, err)
	assert.Empty(t, m.share("b", filepath.Join(dir, "a"), "./b").opened)
	assert.Len(t, m.share("a", "c").opened, 2, "others do not meet them")
}

func TestShareForgets(t *testing.T) {
	makeOldTree(t, "a", "b", "c")
	m := newMeeting()
	m.share(".")
	write(t, "b", "changed")
	require.NoError(t, os.Remove("c"))

	second := m.share(".")
	assert.Equal(t, sums("./a", "tree/a", "./b", "changed"), second.out.String())
	assert.Equal(t, []string{"b"}, second.opened)
	for name, mem := range m.data {
		results := 0
		for _, err := range mem.All(t.Context()) {
			require.NoError(t, err)
			results++
		}
		if strings.HasSuffix(name, "-turn") {
			assert.Zero(t, results)
		} else {
			assert.Equal(t, 2, results)
		}
	}
}

// The last thing that a run asks of the engine is to forget what nobody needs any more. The
// process that has the server may have ended by then: another one has it in a moment. What
// there is not is not asked for.
func TestShareForgetsWhenTheEngineIsBack(t *testing.T) {
	makeOldTree(t, "a", "b", "c")
	m := newMeeting()
	deleting := func(f enginetest.Fault) *keepingRun {
		r := m.run()
		open := r.openSite
		r.openSite = func(ctx context.Context, opts siteOptions) (*site, error) {
			s, err := open(ctx, opts)
			s.files = enginetest.WithFaults(s.files, enginetest.Faults{Delete: f})
			return s, err
		}
		return r
	}
	down := enginetest.Fail(errors.New("the server is gone"))
	first := deleting(down)
	first.share(".")
	assert.Equal(t, exitOK, first.status, first.err.String())

	require.NoError(t, os.Remove("c"))
	second := deleting(enginetest.First(2, down))
	second.share(".")
	assert.Equal(t, exitOK, second.status, second.err.String())
	results := 0
	for _, mem := range m.data {
		for _, err := range mem.All(t.Context()) {
			require.NoError(t, err)
			results++
		}
	}
	assert.Equal(t, 2, results)
}

// What cannot be read is said as without an engine, and tried again.
func TestShareFailures(t *testing.T) {
	makeOldTree(t, "a", "b", "c")
	m := newMeeting()
	first := m.run()
	open := first.open
	first.open = func(path string) (io.ReadCloser, error) {
		switch filepath.Base(path) {
		case "b":
			return nil, &os.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
		case "c":
			panic("no such luck")
		}
		return open(path)
	}
	first.share(".")
	assert.Equal(t, exitFailed, first.status)
	assert.Contains(t, first.err.String(), "hashtree: ./b: permission denied\nhashtree: ./c: pool: recovered panic: no such luck\n")
	assertKept(t, first.err.String(), 0, 1, 2, 0)

	second := m.share(".")
	assert.Equal(t, exitOK, second.status)
	assert.ElementsMatch(t, []string{"b", "c"}, second.opened)
}

// Who is interrupted prints what is done, and leaves the rest to others.
func TestShareInterrupted(t *testing.T) {
	makeOldTree(t, "a", "b", "c", "d")
	m := newMeeting()
	first := m.run()
	first.interruptAt("b")
	first.share("-workers", "1", ".")
	assert.Equal(t, exitInterrupted, first.status)
	assert.Equal(t, sums("./a", "tree/a", "./b", "tree/b"), first.out.String())
	assert.Contains(t, first.err.String(), "hashtree: left: 2 files, for those who share nats://in.memory, or for the next run\n")
	assertKept(t, first.err.String(), 0, 2, 0, 2)

	second := m.share(".")
	assert.Equal(t, exitOK, second.status)
	assert.ElementsMatch(t, []string{"c", "d"}, second.opened)
	assert.Equal(t, sums("./a", "tree/a", "./b", "tree/b", "./c", "tree/c", "./d", "tree/d"), second.out.String())
}

// The second Ctrl-C gives back also the file that is being read.
func TestShareInterruptedTwice(t *testing.T) {
	makeOldTree(t, "a", "b", "c")
	synctest.Test(t, func(t *testing.T) {
		for _, name := range []string{"a", "b", "c"} {
			age(t, name, time.Hour) // by the clock of the bubble
		}
		m := newMeeting()
		first := m.run()
		goOn := first.pauseAt(2)
		var wg sync.WaitGroup
		wg.Go(func() { first.share("-workers", "1", ".") })
		synctest.Wait()
		first.signals <- os.Interrupt
		synctest.Wait()
		first.signals <- os.Interrupt
		synctest.Wait()
		close(goOn)
		wg.Wait()
		assert.Equal(t, exitInterrupted, first.status)
		assert.Equal(t, sums("./a", "tree/a"), first.out.String())
		assertKept(t, first.err.String(), 0, 1, 0, 2)
		assert.True(t, strings.HasPrefix(first.err.String(), "hashtree: interrupted: finishing 1 file; press Ctrl-C again to give up\n"+
			"hashtree: left: 2 files, "), first.err.String())

		second := m.share(".")
		assert.ElementsMatch(t, []string{"b", "c"}, second.opened)
		assert.Equal(t, sums("./a", "tree/a", "./b", "tree/b", "./c", "tree/c"), second.out.String())
	})
}

// Who waits for the turn reads for the other one, says so, and can be interrupted.
func TestShareInterruptedWhileWaiting(t *testing.T) {
	makeOldTree(t, "a", "b")
	synctest.Test(t, func(t *testing.T) {
		m := newMeeting()
		first, second := m.run(), m.run()
		goOn := first.pauseAt(1)
		var wg sync.WaitGroup
		wg.Go(func() { first.share("-workers", "1", ".") })
		synctest.Wait() // it has the turn, and reads a
		wg.Go(func() { second.share("-workers", "1", ".") })
		time.Sleep(2 * shortly)
		second.signals <- os.Interrupt
		synctest.Wait()
		close(goOn)
		wg.Wait()

		assert.Equal(t, exitInterrupted, second.status)
		assert.Equal(t, "hashtree: another hashtree has the turn: reading for it until it is done\n"+
			"hashtree: left: 1 file, for those who share nats://in.memory, or for the next run\n"+
			"hashtree: interrupted while reading for another hashtree: 1 file, 6 B\n", second.err.String())
		assert.Empty(t, second.out.String())
		assert.Equal(t, []string{"b"}, second.opened)
		assert.Equal(t, exitOK, first.status)
		assert.Equal(t, []string{"a"}, first.opened)
		assert.Equal(t, sums("./a", "tree/a", "./b", "tree/b"), first.out.String())
	})
}

// pauseAt makes a run wait at its nth file.
func (r *keepingRun) pauseAt(n int64) (goOn chan struct{}) {
	goOn = make(chan struct{})
	open := r.open
	var seen atomic.Int64
	r.open = func(path string) (io.ReadCloser, error) {
		in, err := open(path)
		if seen.Add(1) == n {
			<-goOn
		}
		return in, err
	}
	return goOn
}

func TestShareShowsProgress(t *testing.T) {
	makeOldTree(t, "a", "b", "c")
	synctest.Test(t, func(t *testing.T) {
		m := newMeeting()
		r := m.run()
		var w screen
		r.console = &console{w: &w, hasRoom: true}
		goOn := r.pauseAt(3)
		var wg sync.WaitGroup
		wg.Go(func() { r.share("-workers", "1", ".") })
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Contains(t, w.take(), "reading: 2 files, 12 B")
		close(goOn)
		wg.Wait()
		assert.Contains(t, w.take(), "hashtree: 3 files, 3 read here, 18 B in ")
	})
}

func TestPasswordIsNotShown(t *testing.T) {
	for where, want := range map[string]string{
		"nats://me:secret@a:4222,tls://secret@b": "nats://a:4222,tls://b",
		"nats://a:4222":                          "nats://a:4222",
		"./folder":                               "./folder",
		"new\nline":                              `"new\nline"`,
	} {
		assert.Equal(t, want, shown(where))
	}
	makeOldTree(t, "a")
	_, stderr, status := execute(t, "-engine", "nats://me:secret@127.0.0.1:1", ".")
	assert.Equal(t, exitUsage, status)
	assert.NotContains(t, stderr, "secret")
}
