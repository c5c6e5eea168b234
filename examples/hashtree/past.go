package main

import (
	"iter"
	"os"
	"strings"

	"github.com/resultpool/resultpool/store"
)

// A past is the results of earlier runs, from FILE or from an engine.
type past struct {
	known      map[string]store.Result[record] // by real path: the sums that may be used again
	useless    []store.ID                      // the results that may not
	unreadable []error                         // why some of those cannot be read
}

// recollect sorts results. Of several for one file the last one counts: a run that is
// killed leaves the one before, too.
func recollect(results iter.Seq2[store.Result[record], error]) (past, error) {
	p := past{known: make(map[string]store.Result[record])}
	for res, err := range results {
		if err != nil && res.ID == 0 {
			return past{}, err
		}
		if err != nil {
			p.useless = append(p.useless, res.ID)
			p.unreadable = append(p.unreadable, err)
			continue
		}
		file := string(res.Value.File)
		if old, ok := p.known[file]; ok {
			if old.ID > res.ID {
				old, res = res, old
			}
			p.useless = append(p.useless, old.ID)
		}
		p.known[file] = res
	}
	for file, res := range p.known {
		if res.Err != nil || !res.Value.Sure {
			delete(p.known, file)
			p.useless = append(p.useless, res.ID)
		}
	}
	return p, nil
}

// recall sorts files into those whose sums are known and those that are to be hashed.
func (p past) recall(files []file) (kept []hashed, todo []file) {
	for _, f := range files {
		if res, ok := p.known[f.real]; ok && res.Value.Version == f.version {
			kept = append(kept, hashed{f.path, res.Value.Sum})
		} else {
			todo = append(todo, f)
		}
	}
	return kept, todo
}

// obsolete returns the results that no later run will use: of files that have changed,
// and of those that are gone from where t was looked for.
func (p past) obsolete(t tree) []store.ID {
	ids := p.useless
	found := make(map[string]version, len(t.files))
	for _, f := range t.files {
		found[f.real] = f.version
	}
	for file, res := range p.known {
		if v, ok := found[file]; ok && v != res.Value.Version || !ok && t.covers(file) {
			ids = append(ids, res.ID)
		}
	}
	return ids
}

// covers reports whether the search has looked everywhere where a file, with its real
// path, might be.
func (t tree) covers(file string) bool {
	if t.partial {
		return false
	}
	for _, dir := range t.unread {
		if below(dir.real, file) {
			return false
		}
	}
	for _, dir := range t.roots {
		if below(dir, file) {
			return true
		}
	}
	return false
}

// below reports whether a file is below a directory, by their real paths.
func below(dir, file string) bool {
	if !os.IsPathSeparator(dir[len(dir)-1]) {
		dir += string(os.PathSeparator)
	}
	return strings.HasPrefix(file, dir)
}
