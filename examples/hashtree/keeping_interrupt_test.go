package main

import (
	"context"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
)

// interruptAt sends a Ctrl-C when the named file is about to be read, which then waits
// until it has been heard.
func (r *keepingRun) interruptAt(name string) {
	open := r.open
	heard := make(chan struct{})
	r.open = func(path string) (io.ReadCloser, error) {
		if filepath.Base(path) == name {
			r.signals <- os.Interrupt
			<-heard
		}
		return open(path)
	}
	r.console.w = writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), "interrupted: finishing ") {
			close(heard)
		}
		return r.err.Write(p)
	})
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestNotRunFilesAreTriedAgain(t *testing.T) {
	makeOldTree(t, "a", "b", "c", "d")
	r := newKeepingRun()
	r.interruptAt("b")
	assert.Equal(t, exitInterrupted, r.run([]string{"-store", "bolt:../kept.db", "-workers", "1", "."}))
	assertKept(t, r.err.String(), 0, 2, 0, 2)

	second := keep(t, ".")
	assert.ElementsMatch(t, []string{"c", "d"}, second.opened)
	assertKept(t, second.err.String(), 2, 2, 0, 0)
	assert.Len(t, inFile(t), 4)
}

// A run that is interrupted prints what it knows from before, too.
func TestInterruptedRunPrintsKeptSums(t *testing.T) {
	makeOldTree(t, "a", "c")
	keep(t, ".")
	write(t, "b", "b")
	write(t, "d", "d")
	r := newKeepingRun()
	r.interruptAt("b")
	assert.Equal(t, exitInterrupted, r.run([]string{"-store", "bolt:../kept.db", "-workers", "1", "."}))
	assert.Equal(t, sums("./a", "tree/a", "./b", "b", "./c", "tree/c"), r.out.String())
	assertKept(t, r.err.String(), 2, 1, 0, 1)
}

// A search that was interrupted does not know what is gone.
func TestInterruptedSearchForgetsNothing(t *testing.T) {
	makeOldTree(t, "a", "b/c", "d")
	keep(t, ".")
	synctest.Test(t, func(t *testing.T) {
		r := newKeepingRun()
		r.readDir = func(path string) ([]os.DirEntry, error) {
			entries, err := os.ReadDir(path)
			if path == "./b" {
				r.signals <- os.Interrupt
				synctest.Wait()
			}
			return entries, err
		}
		r.keep(".")
		assert.Equal(t, exitInterrupted, r.status)
		assert.Equal(t, sums("./a", "tree/a"), r.out.String())
	})
	assert.Empty(t, keep(t, ".").opened)
}

// A stuckStore does not get to the end of its results.
type stuckStore struct{ fileStore }

func (stuckStore) All(ctx context.Context) iter.Seq2[store.Result[record], error] {
	return func(yield func(store.Result[record], error) bool) {
		<-ctx.Done()
		yield(store.Result[record]{}, context.Cause(ctx))
	}
}

func TestInterruptWhileReadingFile(t *testing.T) {
	makeOldTree(t, "a")
	r := newKeepingRun()
	r.openStore = func(path string) (fileStore, error) {
		st, err := openStore(path)
		return stuckStore{st}, err
	}
	r.signals <- os.Interrupt
	r.keep(".")
	assert.Equal(t, exitInterrupted, r.status)
	assert.Equal(t, "hashtree: interrupted while reading ../kept.db\n", r.err.String())
	assert.Empty(t, r.out.String())
}
