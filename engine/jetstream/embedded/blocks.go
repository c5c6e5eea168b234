package embedded

import (
	"bytes"
	"context"
	"fmt"
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
	damage  []blockDamage
	last    uint64   // the highest sequence
	live    []uint64 // sequences that are not removed, ascending
	removed []removal
	runs    map[uint64]uint64 // the numbers at the end of subjects, by the sequence of the message, if wanted
}

// A removal is a tombstone.
type removal struct {
	seq       uint64
	block, at int
}

// A blockDamage is a file that holds something other than records.
type blockDamage struct {
	block, at int
	last      bool // it is the last file
}

// readMessages reads the files of a stream. If unsynced is true, the power may have been cut
// while nothing was synced. Then pages that were never written are no damage.
func readMessages(ctx context.Context, st streamDir, unsynced, wantRuns bool) (*messages, error) {
	m := &messages{sizes: make(map[int]int64)}
	if wantRuns {
		m.runs = make(map[uint64]uint64)
	}
	// A server removes all messages by renaming a new folder.
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
	for i, block := range m.blocks {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		buf, err := os.ReadFile(m.path(block))
		if err != nil {
			return nil, err
		}
		m.sizes[block] = int64(len(buf))
		r := newRecords(fmt.Sprintf("%s-%d", st.name, block), st.ours())
		end := r.each(buf, func(at int, rec record) { m.add(rec, block, at) })
		isLast := i == len(m.blocks)-1
		if end == len(buf) || unsynced && unwritten(buf, end) || (unsynced || isLast) && r.torn(buf[end:]) {
			continue
		}
		m.damage = append(m.damage, blockDamage{block, end, isLast})
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
		if m.runs != nil {
			word := rec.subject[bytes.LastIndexByte(rec.subject, '.')+1:]
			if run, err := strconv.ParseUint(string(word), 10, 64); err == nil {
				m.runs[seq] = run
			}
		}
	}
}

// path is that of a file of messages.
func (m *messages) path(block int) string { return blockPath(m.dir, block) }

func blockPath(dir string, block int) string { return filepath.Join(dir, strconv.Itoa(block)+".blk") }

// blockNumber is the inverse of the last element of blockPath.
func blockNumber(name string) (block int, ok bool) {
	number, ok := strings.CutSuffix(name, ".blk")
	block, err := strconv.Atoi(number)
	return block, ok && err == nil
}

// blocksIn returns the numbers of the files of messages in a directory, ascending, and none if
// there is no such directory.
func blocksIn(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	var blocks []int
	for _, entry := range entries {
		if block, ok := blockNumber(entry.Name()); ok {
			blocks = append(blocks, block)
		}
	}
	slices.Sort(blocks)
	return blocks, nil
}
