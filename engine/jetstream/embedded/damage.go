package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"
)

// A server that finds a file damaged goes on without it, and writes a line to its log. The
// next who makes the stream anew, as jetstream.Open does, deletes what is left of it. So the
// files are read before a server is started on them, and nothing is changed if one is
// damaged.

// An inspection is what is known of what the directory of a server holds.
type inspection struct {
	dir      string
	unsynced bool // ServerOptions.LosesOnPowerCut
	marks    *marks
	found    map[string]uint64 // by account and name of a stream: its last sequence
	heals    []string          // files that are to be removed
}

// checkFolder reads what is in the directory of a server that does not run. Its error names
// every file that is damaged. Otherwise the directory is ready for a server: what was not
// completed when a process died is removed.
//
// It reads all messages, at the speed of the disk, or of the memory if they are cached.
func checkFolder(ctx context.Context, dir string, unsynced bool) (*inspection, error) {
	f := &inspection{dir: dir, unsynced: unsynced, marks: &marks{}, found: make(map[string]uint64)}
	if !unsynced { // else what they say may not have come to the disk
		var err error
		if f.marks, err = loadMarks(dir); err != nil {
			return nil, err
		}
	}
	var damages []error
	streams, err := streamsIn(dir)
	if err != nil {
		return nil, err
	}
	for _, st := range streams {
		d, err := f.checkStream(ctx, st)
		if err != nil {
			return nil, err
		}
		damages = append(damages, d...)
	}
	damages = append(damages, f.missingStreams(streams)...)
	if len(damages) > 0 {
		return nil, errors.Join(damages...)
	}
	for _, path := range f.heals {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	if !unsynced {
		return f, f.marks.begin(dir)
	}
	if err := os.Remove(marksPath(dir)); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return f, nil
}

// checkStream returns what is damaged, and apart from that an error that says nothing of
// the files.
func (f *inspection) checkStream(ctx context.Context, st streamDir) (damages []error, err error) {
	marked, isMarked := f.marks.Streams[st.key()]
	meta, problem, err := readMeta(st.dir, st.name)
	if err != nil {
		return nil, err
	}
	if fileIs(filepath.Join(st.dir, "meta.key")) { // encrypted by another server: this one will not read it
		return nil, nil
	}
	var config server.FileStreamInfo
	if problem == nil {
		if err := json.Unmarshal(meta, &config); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(st.dir, metaFile), err)
		}
		if config.Compression != server.NoCompression {
			return nil, nil
		}
	}
	msgs, err := readMessages(ctx, st, f.unsynced, false)
	if err != nil {
		return nil, err
	}
	anew := fmt.Sprintf("or move %s away to begin anew, without all that is in it", f.dir)
	if problem != nil {
		// A server writes both files when a stream is new and empty.
		if problem.incomplete && !isMarked && len(msgs.live) == 0 && len(msgs.damage) == 0 {
			if path := filepath.Join(st.dir, metaFile); fileIs(path) {
				f.heals = append(f.heals, path) // or the server would not write meta.sum
			}
			return nil, nil
		}
		return []error{fmt.Errorf("%s: %w, and without it the messages of stream %s cannot be used: restore it from a backup, %s",
			problem.path, problem.what, st.name, anew)}, nil
	}
	f.found[st.key()] = msgs.last

	for _, d := range msgs.damage {
		what := fmt.Errorf("the record at byte %d is damaged", d.at)
		damages = append(damages, f.lostMessages(d.path, what, config, d.last, anew))
	}
	damages = append(damages, f.compareSizes(st, msgs, config, anew)...)
	if f.unsynced || len(damages) > 0 {
		d, err := f.checkConsumers(ctx, st, config, msgs, marked)
		return append(damages, d...), err
	}
	least := uint64(0)
	if config.FirstSeq > 0 {
		least = config.FirstSeq - 1
	}
	if isMarked && marked.Meta == sumIn(st.dir) {
		least = max(least, marked.Last)
		if block, what := lostFile(msgs, marked, config); what != nil && !f.marks.Closed {
			damages = append(damages, f.lostMessages(blockPath(msgs.dir, block), what, config, false, anew))
		}
	}
	if msgs.last < least {
		damages = append(damages, fmt.Errorf("%s: the newest messages are missing: the last one is %d, and there was %d: restore %s from a backup, with %s, %s",
			msgs.dir, msgs.last, least, f.dir, filepath.Base(marksPath(f.dir)), anew))
	}
	d, err := f.checkConsumers(ctx, st, config, msgs, marked)
	return append(damages, d...), err
}

// lostMessages is the error for a file of messages. Without the newest of a queue its next
// IDs would be those of other tasks.
func (f *inspection) lostMessages(path string, what error, config server.FileStreamInfo, newest bool, anew string) error {
	if config.Retention != server.WorkQueuePolicy || !newest {
		anew = fmt.Sprintf("or move it and %s away to go on without the messages in it", marksPath(f.dir))
	}
	return fmt.Errorf("%s: %w: restore it from a backup, %s", path, what, anew)
}
