package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
)

// A file is one to be hashed.
type file struct {
	path    string
	real    string  // the same for all paths of the file; "" if nothing is remembered
	version version // when it was found
}

// A failure is a file or directory that could not be read.
type failure struct {
	path, real string
	err        error
}

// A tree is what was found below the DIRs.
type tree struct {
	files   []file    // sorted by path, each path once
	unread  []failure // directories; sorted likewise
	partial bool      // the search was interrupted
	roots   []string  // real paths of the DIRs; empty if nothing is remembered
}

// A root is a DIR of the command line.
type root struct {
	path string
	real string // "" if nothing is remembered
}

// walk finds the regular files below dirs, but for files and directories that skip is
// true of. It returns early when ctx is done.
func (h *hashtree) walk(ctx context.Context, dirs []root, skip func(os.FileInfo) bool) tree {
	w := walker{readDir: h.readDir, skip: skip}
	hide := h.console.show(newSpinner(h.console.w), func(b bar) {
		b.Describe(fmt.Sprintf("looking for files: %d", w.found.Load()))
	})
	defer hide()

	var roots []string
	for _, dir := range dirs {
		w.walk(ctx, dir.path, dir.real)
		if dir.real != "" {
			roots = append(roots, dir.real)
		}
	}
	return tree{
		roots:   roots,
		files:   sortedByPath(w.files, func(f file) string { return f.path }),
		unread:  sortedByPath(w.unread, func(f failure) string { return f.path }),
		partial: ctx.Err() != nil,
	}
}

type walker struct {
	readDir func(path string) ([]os.DirEntry, error)
	skip    func(os.FileInfo) bool
	files   []file
	unread  []failure
	found   atomic.Int64 // len(files), for those who watch
}

// walk adds what is below dir. It does not use filepath.WalkDir, which cleans
// the paths that it makes: "." would give "a" where find prints "./a".
func (w *walker) walk(ctx context.Context, dir, abs string) {
	entries, err := w.readDir(dir)
	if err != nil {
		w.unread = append(w.unread, failure{dir, abs, err})
	}
	for _, e := range entries { // those before the error, if there was one
		if ctx.Err() != nil {
			return
		}
		path, absPath := join(dir, e.Name()), abs
		if abs != "" {
			absPath = filepath.Join(abs, e.Name())
		}
		switch {
		case e.IsDir():
			if info, err := e.Info(); err == nil && w.skip(info) {
				continue
			}
			w.walk(ctx, path, absPath)
		case e.Type().IsRegular():
			w.add(path, absPath, e)
		}
	}
}

// add adds a file. One that is gone already is added too: opening it will say
// why it cannot be read.
func (w *walker) add(path, abs string, e os.DirEntry) {
	f := file{path: path, real: abs}
	info, err := e.Info()
	if abs != "" && runtime.GOOS == "windows" {
		info, err = os.Lstat(path) // what the directory says there may be old
	}
	if err == nil {
		if w.skip(info) {
			return
		}
		f.version = versionOf(info)
	}
	w.files = append(w.files, f)
	w.found.Add(1)
}

// join is the path of name in dir, as find prints it.
func join(dir, name string) string {
	if os.IsPathSeparator(dir[len(dir)-1]) {
		return dir + name
	}
	return dir + "/" + name
}

func sortedByPath[E any](s []E, path func(E) string) []E {
	slices.SortFunc(s, func(a, b E) int { return cmp.Compare(path(a), path(b)) })
	return slices.CompactFunc(s, func(a, b E) bool { return path(a) == path(b) })
}
