package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

// A memory is the FILE of -store bolt:FILE: the store of this run's results, and
// those of earlier runs. nil is one that remembers nothing, as other stores do.
type memory struct {
	*keeper
	info os.FileInfo // of FILE, which is not hashed itself
	past past
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

// load reads what FILE has.
func (m *memory) load(ctx context.Context) (err error) {
	if m == nil {
		return nil
	}
	m.past, err = recollect(m.All(ctx))
	n := len(m.past.unreadable)
	if n > 0 && len(m.past.known) == 0 { // it may be another file than was meant
		return fmt.Errorf("none of the sums of earlier runs can be read: %w", m.past.unreadable[0])
	}
	if n > 0 {
		m.say("%s of earlier runs cannot be read; their files are read again: %v", count(n, "sum"), m.past.unreadable[0])
	}
	return err
}

// isFile reports whether a file is FILE itself.
func (m *memory) isFile(info os.FileInfo) bool { return m != nil && os.SameFile(m.info, info) }

// recall is that of what FILE has.
func (m *memory) recall(files []file) (kept []hashed, todo []file) {
	if m == nil {
		return nil, files
	}
	return m.past.recall(files)
}

// forget deletes what is obsolete. It may be ended at any time: the next run goes on.
func (m *memory) forget(c *console, t tree) error {
	if m == nil {
		return nil
	}
	ids := m.past.obsolete(t)
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
