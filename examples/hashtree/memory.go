package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

// A memory is the FILE of -store bolt:FILE: the store of this run's results, and
// those of earlier runs. nil is one that remembers nothing, as other stores do.
type memory struct {
	*keeper
	info    os.FileInfo                     // of FILE, which is not hashed itself
	known   map[string]store.Result[record] // by real path: the sums that may be used again
	useless []store.ID                      // the results that may not
}

// remember opens FILE. The error is one of the command line's.
func (h *hashtree) remember(path string) (*memory, error) {
	st, err := h.openStore(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		_ = st.Close() // which was not written to
		return nil, err
	}
	return &memory{keeper: &keeper{fileStore: st, say: h.console.say}, info: info}, nil
}

// store returns where this run's results go.
func (m *memory) store(opts options) store.ResultStore[record] {
	if m == nil {
		return opts.newStore()
	}
	return m.keeper
}

// load reads what FILE has. Of several results for one file the last one counts: a
// run that is killed leaves the one before, too.
func (m *memory) load(ctx context.Context) error {
	if m == nil {
		return nil
	}
	m.known = make(map[string]store.Result[record])
	for res, err := range m.All(ctx) {
		if err != nil {
			return err
		}
		file := string(res.Value.File)
		if old, ok := m.known[file]; ok {
			if old.ID > res.ID {
				old, res = res, old
			}
			m.useless = append(m.useless, old.ID)
		}
		m.known[file] = res
	}
	for file, res := range m.known {
		if res.Err != nil || !res.Value.Sure {
			delete(m.known, file)
			m.useless = append(m.useless, res.ID)
		}
	}
	return nil
}

// isFile reports whether a file is FILE itself.
func (m *memory) isFile(info os.FileInfo) bool { return m != nil && os.SameFile(m.info, info) }

// recall sorts files into those whose sums are known and those that are to be hashed.
func (m *memory) recall(files []file) (kept []hashed, todo []file) {
	if m == nil {
		return nil, files
	}
	for _, f := range files {
		if res, ok := m.known[f.real]; ok && res.Value.Version == f.version {
			kept = append(kept, hashed{f.path, res.Value.Sum})
		} else {
			todo = append(todo, f)
		}
	}
	return kept, todo
}

// obsolete returns the results of earlier runs that no later run will use: of files
// that have changed, and of those that are gone from where t was looked for.
func (m *memory) obsolete(t tree) []store.ID {
	ids := m.useless
	found := make(map[string]version, len(t.files))
	for _, f := range t.files {
		found[f.real] = f.version
	}
	for file, res := range m.known {
		if v, ok := found[file]; ok && v != res.Value.Version || !ok && t.covers(file) {
			ids = append(ids, res.ID)
		}
	}
	return ids
}

// forget deletes what is obsolete. It may be ended at any time: the next run goes on.
func (m *memory) forget(c *console, t tree) error {
	if m == nil {
		return nil
	}
	ids := m.obsolete(t)
	var deleted atomic.Int64
	hide := c.show(newSpinner(c.w), func(b bar) {
		b.Describe(fmt.Sprintf("forgetting old sums: %d/%d", deleted.Load(), len(ids)))
	})
	defer hide()
	for _, id := range ids {
		if err := m.Delete(context.Background(), id); err != nil {
			return err
		}
		deleted.Add(1)
	}
	return nil
}

func (m *memory) close() error {
	if m == nil {
		return nil
	}
	return m.Close()
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
