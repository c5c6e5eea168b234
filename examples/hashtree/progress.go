package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A console is standard error: lines, and a progress bar below them if it is a
// terminal.
type console struct {
	w       io.Writer
	hasRoom bool // for a bar

	mu  sync.Mutex // held while w is written to
	bar bar        // what the last line shows, or nil; guarded by mu
}

type bar = *progressbar.ProgressBar

// minWidth is how many columns a terminal must have for a bar. One that does not
// fit into a line fills the screen with what is left of it.
const minWidth = 75

func newConsole(w io.Writer) *console {
	c := &console{w: w}
	if f, ok := w.(*os.File); ok {
		width, _, err := term.GetSize(int(f.Fd())) // an error if it is not a terminal
		c.hasRoom = err == nil && width >= minWidth
	}
	return c
}

// say prints a line, or more, with the name of the program in front of each.
func (c *console) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bar != nil {
		_ = c.bar.Clear() // until it is drawn again, below the line
	}
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\nhashtree: ")
	_, _ = fmt.Fprintf(c.w, "hashtree: %s\n", text) // nobody is left to tell of an error
}

// show draws b ten times a second, each time after update has been called with
// it, until hide is called. There must not be another bar.
func (c *console) show(b bar, update func(bar)) (hide func()) {
	if !c.hasRoom {
		return func() {}
	}
	b.StartWithoutRender() // the clock that rates are reckoned by
	c.mu.Lock()
	c.bar = b
	c.mu.Unlock()

	hidden := make(chan struct{})
	var painter sync.WaitGroup
	painter.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.mu.Lock()
				update(b)
				c.mu.Unlock()
			case <-hidden:
				return
			}
		}
	})
	return func() {
		close(hidden)
		painter.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		_ = b.Clear()
		c.bar = nil
	}
}

// newBar is a bar for a known number of bytes.
func newBar(w io.Writer, bytes int64) bar {
	return progressbar.NewOptions64(max(bytes, 1), // 0 is an error
		progressbar.OptionSetWriter(w),
		progressbar.OptionUseANSICodes(ansi),
		progressbar.OptionFullWidth(),
		progressbar.OptionSetTheme(theme),
		progressbar.OptionShowBytes(true),
		progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(),
	)
}

// theme has no frame, which leaves room at the end of the line for the ^C that
// the terminal writes there.
var theme = progressbar.Theme{Saucer: "█", SaucerPadding: "░"}

// newSpinner is a sign of life where the end is not known.
func newSpinner(w io.Writer) bar {
	return progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionUseANSICodes(ansi),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionSetSpinnerChangeInterval(0), // or it starts a goroutine that never ends
	)
}

// ansi says that terminals understand "clear this line". Old ones of Windows do not.
const ansi = runtime.GOOS != "windows"
