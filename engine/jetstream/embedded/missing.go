package embedded

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// missingStreams finds streams that are marked and not there. A stream that is being deleted is
// still there, under another name.
func (f *inspection) missingStreams(streams []streamDir) (damages []error) {
	for _, key := range slices.Sorted(maps.Keys(f.marks.Streams)) {
		lost := streamAt(f.root, key)
		if slices.Contains(streams, lost) || fileIs(filepath.Join(filepath.Dir(lost.dir), "."+lost.name)) {
			continue
		}
		damages = append(damages, fmt.Errorf("%s: it is missing: restore it from a backup; if the stream was deleted, or to go on without it, move %s away",
			lost.dir, marksPath(f.root)))
	}
	return damages
}

// lostFile finds a file that was full when the marks were made, and that is missing or empty
// although it had messages that nobody has removed. The removal of a message leaves a
// tombstone, unless it is the last message of a file; a message that expires leaves none.
func lostFile(msgs *messages, marked mark, config server.FileStreamInfo) (block int, what error) {
	if marked.Msgs == 0 || config.MaxMsgsPer > 0 && !config.DiscardNewPer { // as for the starts of tasks: old ones leave no tombstone either
		return 0, nil
	}
	expired := func(unix int64) bool { return config.MaxAge > 0 && time.Since(time.Unix(unix, 0)) > config.MaxAge }
	files := uint64(0)
	for number, written := range marked.Full {
		size, there := msgs.sizes[number]
		if there && size > 0 || expired(written) {
			continue
		}
		block, what = number, errors.New("it is missing")
		if there {
			what = errors.New("it is empty")
		}
		files++
	}
	if files == 0 {
		return 0, nil
	}
	newest := len(msgs.blocks) > 0 && msgs.blocks[len(msgs.blocks)-1] == marked.Newest
	removed := uint64(0)
	for _, r := range msgs.removed {
		if r.seq <= marked.Last && (r.block > marked.Newest || r.block == marked.Newest && (!newest || int64(r.at) >= marked.Size)) {
			removed++
		}
	}
	left, _ := slices.BinarySearch(msgs.live, marked.Last+1)
	lost := marked.Msgs > uint64(left)+removed+files
	if !lost || removed > 0 && expired(marked.Oldest) { // some may have expired, and it is not known how many
		return 0, nil
	}
	return block, what
}

// compareSizes finds files that are missing, or shorter than when the server was closed.
func (c *streamCheck) compareSizes() {
	had := make(map[int]int64)
	newest := 0
	for path, size := range c.marks.Blocks { // there are none unless the server was closed
		name, ok := strings.CutPrefix(path, relative(c.root, filepath.Join(c.dir, "msgs"))+"/")
		if block, isBlock := blockNumber(name); ok && isBlock {
			had[block] = size
			newest = max(newest, block)
		}
	}
	for _, block := range slices.Sorted(maps.Keys(had)) {
		has, there := c.msgs.sizes[block]
		var what error
		switch {
		case slices.ContainsFunc(c.msgs.damage, func(d blockDamage) bool { return d.block == block }):
			continue // it is noted already
		case !there:
			what = errors.New("it is missing")
		case has < had[block]:
			what = fmt.Errorf("it is too short: it has %d bytes, and had %d when the server was closed", has, had[block])
		default:
			continue
		}
		c.lostMessages(block, what, block == newest)
	}
}
