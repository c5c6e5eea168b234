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

// missingStreams finds streams that are marked and not there. One that is being deleted is
// still there, under another name.
func (f *inspection) missingStreams(streams []streamDir) (damages []error) {
	for _, key := range slices.Sorted(maps.Keys(f.marks.Streams)) {
		account, name, _ := strings.Cut(key, "/")
		parent := filepath.Join(f.dir, server.JetStreamStoreDir, account, "streams")
		if slices.ContainsFunc(streams, func(st streamDir) bool { return st.key() == key }) || fileIs(filepath.Join(parent, "."+name)) {
			continue
		}
		damages = append(damages, fmt.Errorf("%s: it is missing: restore it from a backup; if the stream was deleted, or to go on without it, move %s away",
			filepath.Join(parent, name), marksPath(f.dir)))
	}
	return damages
}

// lostFile finds a file that was full when the marks were made, and is missing or empty
// although there were messages in it that nobody has removed. Whoever removes a message
// leaves a tombstone, but for the last one of a file; a message that expires leaves none.
func lostFile(msgs *messages, marked mark, config server.FileStreamInfo) (block int, what error) {
	if marked.Msgs == 0 || config.MaxMsgsPer > 0 { // as of the starts of tasks: the old ones leave none either
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
	if !lost || removed > 0 && expired(marked.Oldest) { // then some may have expired, it is not known how many
		return 0, nil
	}
	return block, what
}

// compareSizes finds files that are shorter than when the server was closed, or missing.
func (f *inspection) compareSizes(st streamDir, msgs *messages, config server.FileStreamInfo, anew string) (damages []error) {
	if !f.marks.Closed {
		return nil
	}
	prefix := relative(f.dir, filepath.Join(st.dir, "msgs")) + "/"
	newest := 0
	for path := range f.marks.Blocks {
		if name, ok := strings.CutPrefix(path, prefix); ok {
			newest = max(newest, blockNumber(name))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(f.marks.Blocks)) {
		size := f.marks.Blocks[path]
		name, ok := strings.CutPrefix(path, prefix)
		if !ok {
			continue
		}
		block := blockNumber(name)
		has, there := msgs.sizes[block]
		var what error
		switch {
		case !there:
			what = errors.New("it is missing")
		case has < size:
			what = fmt.Errorf("it is too short: it has %d bytes, and had %d when the server was closed", has, size)
		default:
			continue
		}
		if slices.ContainsFunc(msgs.damage, func(d blockDamage) bool { return d.path == blockPath(msgs.dir, block) }) {
			continue // that is known
		}
		damages = append(damages, f.lostMessages(blockPath(msgs.dir, block), what, config, block == newest, anew))
	}
	return damages
}
