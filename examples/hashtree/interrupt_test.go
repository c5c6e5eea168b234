package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
)

// A gate holds files open: their reads wait until it is opened.
type gate struct {
	opened chan struct{}
	names  string // of the files; one letter each
}

func (g gate) open(path string) (io.ReadCloser, error) {
	f, err := openFile(path)
	if err == nil && g.holds(path) {
		f = gatedFile{f, g}
	}
	return f, err
}

func (g gate) holds(path string) bool {
	for _, name := range g.names {
		if filepath.Base(path) == string(name) {
			return true
		}
	}
	return false
}

type gatedFile struct {
	io.ReadCloser
	gate gate
}

func (f gatedFile) Read(p []byte) (int, error) {
	<-f.gate.opened
	return f.ReadCloser.Read(p)
}

func TestFirstInterrupt(t *testing.T) {
	makeTree(t, "a", "b", "c", "d", "e")
	synctest.Test(t, func(t *testing.T) {
		g := gate{make(chan struct{}), "bc"}
		r := newRun()
		r.open = g.open
		status := start(r, "-workers", "2", ".")
		synctest.Wait() // a is done, b and c are being read

		r.signals <- os.Interrupt
		synctest.Wait()
		assert.Equal(t, "hashtree: interrupted: finishing 2 files; press Ctrl-C again to give up\n", r.err.String())

		close(g.opened)
		assert.Equal(t, exitInterrupted, <-status)
		assert.Equal(t, sums("./a", "a", "./b", "b", "./c", "c"), r.out.String())
		assertCounts(t, r.err.String(), 3, 0, 2)
	})
}

// TestSecondInterrupt has files that never end: the second interrupt must be
// seen between reads.
func TestSecondInterrupt(t *testing.T) {
	makeTree(t, "a", "b", "c", "d", "e")
	synctest.Test(t, func(t *testing.T) {
		g := gate{make(chan struct{}), "bc"}
		r := newRun()
		r.open = func(path string) (io.ReadCloser, error) {
			f, err := g.open(path)
			if err == nil && g.holds(path) {
				f = &endlessFile{ReadCloser: f}
			}
			return f, err
		}
		status := start(r, "-workers", "2", ".")
		synctest.Wait()

		r.signals <- os.Interrupt
		synctest.Wait()
		r.signals <- os.Interrupt
		synctest.Wait()

		close(g.opened)
		assert.Equal(t, exitInterrupted, <-status)
		assert.Equal(t, sums("./a", "a"), r.out.String())
		assert.Contains(t, r.err.String(), "\nhashtree: ./b: interrupted\nhashtree: ./c: interrupted\n")
		assertCounts(t, r.err.String(), 1, 2, 2)
	})
}

// An endlessFile begins again at its end.
type endlessFile struct {
	io.ReadCloser
	reads int
}

func (f *endlessFile) Read(p []byte) (int, error) {
	if f.reads++; f.reads > 1000 {
		return 0, os.ErrDeadlineExceeded // the test fails, rather than never end
	}
	n, err := f.ReadCloser.Read(p)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// start runs hashtree on a goroutine of its own.
func start(r *testRun, args ...string) (status <-chan int) {
	s := make(chan int, 1)
	go func() { s <- r.run(args) }()
	return s
}

func TestInterruptOnTheLastFiles(t *testing.T) {
	makeTree(t, "a", "b")
	synctest.Test(t, func(t *testing.T) {
		g := gate{make(chan struct{}), "b"}
		r := newRun()
		r.open = g.open
		status := start(r, "-workers", "2", ".")
		synctest.Wait()
		r.signals <- os.Interrupt
		synctest.Wait()
		assert.Equal(t, "hashtree: interrupted: finishing 1 file; press Ctrl-C again to give up\n", r.err.String())
		close(g.opened)
		assert.Equal(t, exitInterrupted, <-status)
		assertCounts(t, r.err.String(), 2, 0, 0)
	})
}

// Most files have not even been submitted, since the queue is full.
func TestInterruptWithAFullQueue(t *testing.T) {
	files := make(fstest.MapFS)
	for i := range 5000 {
		files[fmt.Sprintf("later/%d", i)] = new(fstest.MapFile)
	}
	files["1"] = new(fstest.MapFile)
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		r := newRunOver(files)
		open := r.open
		r.open = func(path string) (io.ReadCloser, error) {
			<-gate
			return open(path)
		}
		status := start(r, "-workers", "1", ".")
		synctest.Wait()
		r.signals <- os.Interrupt
		synctest.Wait()
		close(gate)
		assert.Equal(t, exitInterrupted, <-status)
		assert.Equal(t, sums("./1", ""), r.out.String())
		assertCounts(t, r.err.String(), 1, 0, 5000)
	})
}

func TestInterruptBeforeAFileIsFound(t *testing.T) {
	makeTree(t, "a", "b", "c", "d")
	synctest.Test(t, func(t *testing.T) {
		r := newRun()
		r.readDir = func(path string) ([]os.DirEntry, error) {
			r.signals <- os.Interrupt
			synctest.Wait()
			return os.ReadDir(path)
		}
		assert.Equal(t, exitInterrupted, r.run([]string{"."}))
		assert.Empty(t, r.out.String())
		assert.Contains(t, r.err.String(), "hashtree: interrupted while looking for files: there may be more\n")
		assertCounts(t, r.err.String(), 0, 0, 0)
	})
}

func TestInterruptInTheWalk(t *testing.T) {
	makeTree(t, "a", "b", "c/d", "e")
	synctest.Test(t, func(t *testing.T) {
		r := newRun()
		r.readDir = func(path string) ([]os.DirEntry, error) {
			entries, err := os.ReadDir(path)
			if path == "./c" {
				r.signals <- os.Interrupt
				synctest.Wait()
			}
			return entries, err
		}
		assert.Equal(t, exitInterrupted, r.run([]string{"."}))
		assert.Empty(t, r.out.String())
		assert.Contains(t, r.err.String(), "hashtree: interrupted while looking for files: there may be more\n")
		assertCounts(t, r.err.String(), 0, 0, 2)
	})
}
