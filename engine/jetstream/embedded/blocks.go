package embedded

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// messages are what the files of a stream hold.
type messages struct {
	dir     string
	blocks  []int         // the numbers of the files, ascending
	sizes   map[int]int64 // of the files, in bytes
	damage  []blockDamage // files with something else in them
	last    uint64        // the highest sequence
	live    []uint64      // sequences that are not removed, ascending
	removed []removal
	ids     map[uint64]bool // last words of subjects, if wanted
}

// A removal is a tombstone.
type removal struct {
	seq       uint64
	block, at int
}

type blockDamage struct {
	path string
	at   int
	last bool // it is the last file
}

// readMessages reads the files of a stream. If unsynced is true, the power may have been cut
// when nothing was synced: pages that were never written are no damage then.
func readMessages(ctx context.Context, st streamDir, unsynced, wantIDs bool) (*messages, error) {
	m := &messages{sizes: make(map[int]int64)}
	if wantIDs {
		m.ids = make(map[uint64]bool)
	}
	// All messages are removed by a rename of a folder that is ready.
	for _, sub := range []string{"__new_msgs__", "msgs"} {
		m.dir = filepath.Join(st.dir, sub)
		var err error
		if m.blocks, err = blocksIn(m.dir); err != nil {
			return nil, err
		}
		if len(m.blocks) > 0 {
			break
		}
	}
	var buf []byte
	for i, block := range m.blocks {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		path := blockPath(m.dir, block)
		var err error
		if buf, err = readInto(buf, path); err != nil {
			return nil, err
		}
		m.sizes[block] = int64(len(buf))
		r := newRecords(fmt.Sprintf("%s-%d", st.name, block), st.ours())
		end := r.each(buf, func(at int, rec record) { m.add(rec, block, at) })
		isLast := i == len(m.blocks)-1
		if end == len(buf) || unsynced && unwritten(buf, end) || (unsynced || isLast) && r.torn(buf[end:]) {
			continue
		}
		m.damage = append(m.damage, blockDamage{path, end, isLast})
	}
	removed := make(map[uint64]bool, len(m.removed))
	for _, r := range m.removed {
		removed[r.seq] = true
	}
	m.live = slices.DeleteFunc(m.live, func(seq uint64) bool { return removed[seq] })
	slices.Sort(m.live)
	m.live = slices.Compact(m.live)
	return m, nil
}

func (m *messages) add(rec record, block, at int) {
	seq := rec.seq &^ (erased | tombstone)
	m.last = max(m.last, seq)
	switch {
	case rec.seq&tombstone != 0:
		m.removed = append(m.removed, removal{seq, block, at})
	case rec.seq&erased == 0:
		m.live = append(m.live, seq)
		if m.ids != nil {
			word := rec.subject[bytes.LastIndexByte(rec.subject, '.')+1:]
			if id, err := strconv.ParseUint(string(word), 10, 64); err == nil {
				m.ids[id] = true
			}
		}
	}
}

func blocksIn(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	var blocks []int
	for _, entry := range entries {
		if number, ok := strings.CutSuffix(entry.Name(), ".blk"); ok {
			if n, err := strconv.Atoi(number); err == nil {
				blocks = append(blocks, n)
			}
		}
	}
	slices.Sort(blocks)
	return blocks, nil
}

// readInto reads a file into buf, or a larger one.
func readInto(buf []byte, path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return buf, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return buf, err
	}
	if !info.Mode().IsRegular() {
		return buf, &fs.PathError{Op: "read", Path: path, Err: fs.ErrInvalid}
	}
	buf = slices.Grow(buf[:0], int(info.Size()))[:info.Size()]
	_, err = io.ReadFull(file, buf)
	return buf, err
}
