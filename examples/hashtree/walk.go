package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
)

// A file is one to be hashed.
type file struct {
	path string
	size int64 // when it was found
}

// A failure is a path that could not be read.
type failure struct {
	path string
	err  error
}

// A tree is what was found below the DIRs.
type tree struct {
	files   []file    // sorted by path, each path once
	unread  []failure // directories; sorted likewise
	partial bool      // the search was interrupted
}

// walk finds the regular files below dirs. It returns early when ctx is done.
func (h *hashtree) walk(ctx context.Context, dirs []string) tree {
	w := walker{readDir: h.readDir}
	hide := h.console.show(newSpinner(h.console.w), func(b bar) {
		b.Describe(fmt.Sprintf("looking for files: %d", w.found.Load()))
	})
	defer hide()

	for _, dir := range dirs {
		w.walk(ctx, dir)
	}
	return tree{
		files:   sortedByPath(w.files, func(f file) string { return f.path }),
		unread:  sortedByPath(w.unread, func(f failure) string { return f.path }),
		partial: ctx.Err() != nil,
	}
}

type walker struct {
	readDir func(path string) ([]os.DirEntry, error)
	files   []file
	unread  []failure
	found   atomic.Int64 // len(files), for those who watch
}

// walk adds what is below dir. It does not use filepath.WalkDir, which cleans
// the paths that it makes: "." would give "a" where find prints "./a".
func (w *walker) walk(ctx context.Context, dir string) {
	entries, err := w.readDir(dir)
	if err != nil {
		w.unread = append(w.unread, failure{dir, err})
	}
	for _, e := range entries { // those before the error, if there was one
		if ctx.Err() != nil {
			return
		}
		path := join(dir, e.Name())
		switch {
		case e.IsDir():
			w.walk(ctx, path)
		case e.Type().IsRegular():
			w.add(path, e)
		}
	}
}

// add adds a file. One that is gone already is added too: opening it will say
// why it cannot be read.
func (w *walker) add(path string, e os.DirEntry) {
	var size int64
	if info, err := e.Info(); err == nil {
		size = info.Size()
	}
	w.files = append(w.files, file{path, size})
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
