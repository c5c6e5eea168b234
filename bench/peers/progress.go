package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A progress says how far a run has come: a bar on a terminal, and elsewhere a
// line for each repetition.
//
// The bar is drawn between measurements only. While one runs, this process
// sleeps: there are as many workers as processors.
type progress struct {
	w       io.Writer
	bar     *progressbar.ProgressBar // nil where there is no terminal
	began   time.Time
	total   int
	already int
}

func newProgress(w io.Writer, total int) *progress {
	p := &progress{w: w, began: time.Now(), total: total}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(w),
			progressbar.OptionUseANSICodes(runtime.GOOS != "windows"), // which old ones of Windows do not know
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}),
			progressbar.OptionSetWidth(20),
			progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionClearOnFinish(),
		)
	}
	return p
}

func (p *progress) repetition(n, of int) {
	if p.bar == nil {
		say(p.w, "%s: repetition %d of %d, %d of %d measurements done",
			time.Since(p.began).Round(time.Second), n, of, p.already, p.total)
	}
}

func (p *progress) begin(name string) {
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%-40.40s", name))
	}
}

func (p *progress) done() {
	p.already++
	if p.bar != nil {
		_ = p.bar.Add(1) // an error of the terminal, and nobody to tell of it
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
