package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

const clearLine = "\x1b[2K\r"

func TestBar(t *testing.T) {
	if !ansi {
		t.Skip("SKIPPED: the line is cleared in another way here")
	}
	synctest.Test(t, func(t *testing.T) {
		var w screen
		c := console{w: &w, hasRoom: true}
		var done atomic.Int64
		hide := c.show(newBar(&w, 5_000_000), func(b bar) {
			b.Describe(fmt.Sprintf("%d/5 files", done.Load()))
			assert.NoError(t, b.Set64(done.Load()*1_000_000))
		})
		c.say("nothing to clear yet")
		assert.Equal(t, "hashtree: nothing to clear yet\n", w.take())

		done.Store(2)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Regexp(t, `\r2/5 files +40% █+░+ \(2\.0/5\.0 MB, [\d.]+ MB/s\) \[1s:\d+s\]`, w.take())

		c.say("two lines\nof text")
		assert.Equal(t, clearLine+"hashtree: two lines\nhashtree: of text\n", w.take())

		time.Sleep(time.Second)
		synctest.Wait()
		assert.Contains(t, w.take(), "2/5 files", "the bar was not drawn again")

		hide()
		assert.Equal(t, clearLine, w.take())
		c.say("after the bar")
		assert.Equal(t, "hashtree: after the bar\n", w.take())
	})
}

// Files may have grown since they were found.
func TestBarBeyondItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w screen
		c := console{w: &w, hasRoom: true}
		var size int64
		hide := c.show(newBar(&w, 0), func(b bar) {
			b.Describe("1/2 files")
			size += 1000
			_ = b.Set64(size)
		})
		time.Sleep(time.Second)
		hide()
		assert.True(t, strings.HasSuffix(w.take(), "\r"), "the cursor is not where a line begins")
	})
}

func TestSpinner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w screen
		c := console{w: &w, hasRoom: true}
		hide := c.show(newSpinner(&w), func(b bar) { b.Describe("looking for files: 17") })
		time.Sleep(time.Second)
		hide()
		assert.Contains(t, w.take(), "looking for files: 17")
	})
}

func TestNoBarWhereThereIsNoTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w screen
		c := newConsole(&w)
		hide := c.show(newBar(&w, 5), func(b bar) { b.Describe("5 files") })
		time.Sleep(time.Second)
		hide()
		assert.Empty(t, w.take())
	})
}

// On a terminal the bar is gone before the sums are printed.
func TestBarIsGoneBeforeTheSums(t *testing.T) {
	makeTree(t, "a", "b")
	synctest.Test(t, func(t *testing.T) {
		g := gate{make(chan struct{}), "b"}
		r := newRun()
		r.open = g.open
		r.console = &console{w: &r.out, hasRoom: true} // standard output and error are the same
		status := start(r, ".")
		time.Sleep(time.Second)
		close(g.opened)
		assert.Equal(t, exitOK, <-status)

		drawn, rest, found := strings.Cut(r.out.String(), sums("./a", "a", "./b", "b"))
		assert.True(t, found, "the sums are not in one piece: %q", r.out.String())
		assert.Contains(t, drawn, "1/2 files")
		assert.True(t, strings.HasSuffix(drawn, "\r"), "the bar is still there: %q", drawn)
		assert.Regexp(t, `^hashtree: 2 files, [^\r]*\n$`, rest)
	})
}

// A screen is a buffer for several goroutines.
type screen struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

// take returns what has been written since it was last called.
func (s *screen) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.buf.Reset()
	return s.buf.String()
}
