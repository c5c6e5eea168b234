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

// An inspection is what was found in the directory of a server.
type inspection struct {
	root     string // the directory
	unsynced bool   // ServerOptions.LosesOnPowerCut
	marks    *marks
	found    map[string]uint64 // by account and name of a stream: its last sequence
	heals    []string          // files that are to be removed
}

// checkFolder reads the directory of a server that does not run. Its error names every damaged
// file. Without an error the directory is ready for a server: checkFolder has removed what a
// process had not completed when it died.
func checkFolder(ctx context.Context, dir string, unsynced bool) (*inspection, error) {
	f := &inspection{root: dir, unsynced: unsynced, marks: &marks{}, found: make(map[string]uint64)}
	if !unsynced { // else the marks may be ahead of what has come to the disk
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

// A streamCheck is the check of one stream.
type streamCheck struct {
	*inspection
	streamDir
	marked mark // of this stream
	config server.FileStreamInfo
	msgs   *messages
	errs   []error // what is damaged
}

// checkStream returns what is damaged, and an error that is not about damage.
func (f *inspection) checkStream(ctx context.Context, st streamDir) (damages []error, err error) {
	marked, isMarked := f.marks.Streams[st.key()]
	meta, problem, err := readMeta(st.dir, st.name)
	if err != nil {
		return nil, err
	}
	if fileIs(filepath.Join(st.dir, "meta.key")) { // encrypted by another server: this one will not read it
		return nil, nil
	}
	c := &streamCheck{inspection: f, streamDir: st, marked: marked}
	if problem == nil {
		if err := json.Unmarshal(meta, &c.config); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(st.dir, metaFile), err)
		}
		if c.config.Compression != server.NoCompression {
			return nil, nil
		}
	}
	if c.msgs, err = readMessages(ctx, st, f.unsynced, false); err != nil {
		return nil, err
	}
	if problem != nil {
		// A server writes both files when a stream is new and empty.
		if problem.incomplete && !isMarked && len(c.msgs.live) == 0 && len(c.msgs.damage) == 0 {
			f.remakeMeta(st.dir)
			return nil, nil
		}
		return []error{fmt.Errorf("%s: %w, and without it the messages of stream %s cannot be used: restore it from a backup, %s",
			problem.path, problem.what, st.name, c.anew())}, nil
	}
	f.found[st.key()] = c.msgs.last

	for _, d := range c.msgs.damage {
		c.lostMessages(d.block, fmt.Errorf("the record at byte %d is damaged", d.at), d.last)
	}
	c.compareSizes()
	if !f.unsynced && len(c.errs) == 0 {
		c.compareMark(isMarked && marked.Meta == sumIn(st.dir))
	}
	return c.errs, c.checkConsumers(ctx)
}

// remakeMeta has a server write the configuration of a stream or a consumer again, which it does
// only if there is no file of it.
func (f *inspection) remakeMeta(dir string) {
	if path := filepath.Join(dir, metaFile); fileIs(path) {
		f.heals = append(f.heals, path)
	}
}

// compareMark finds messages that are missing at the end, or with a whole file. applies is
// whether the mark is of this stream, not of an earlier one with the same name.
func (c *streamCheck) compareMark(applies bool) {
	least := uint64(0)
	if c.config.FirstSeq > 0 {
		least = c.config.FirstSeq - 1
	}
	if applies {
		least = max(least, c.marked.Last)
		if block, what := lostFile(c.msgs, c.marked, c.config); what != nil && !c.marks.Closed {
			c.lostMessages(block, what, false)
		}
	}
	if c.msgs.last < least {
		c.errs = append(c.errs, fmt.Errorf("%s: the newest messages are missing: the last one is %d, and there was %d: restore %s from a backup, with %s, %s",
			c.msgs.dir, c.msgs.last, least, c.root, filepath.Base(marksPath(c.root)), c.anew()))
	}
}

// lostMessages notes that a file of messages is damaged. If it is the newest file of a queue, the
// queue cannot go on without it: its next IDs would be those of other tasks.
func (c *streamCheck) lostMessages(block int, what error, newest bool) {
	instead := c.anew()
	if c.config.Retention != server.WorkQueuePolicy || !newest {
		instead = fmt.Sprintf("or move it and %s away to go on without the messages in it", marksPath(c.root))
	}
	c.errs = append(c.errs, fmt.Errorf("%s: %w: restore it from a backup, %s", c.msgs.path(block), what, instead))
}

func (c *streamCheck) anew() string {
	return fmt.Sprintf("or move %s away to begin anew, without all that is in it", c.root)
}

// compareServer compares what a server has found with what there is.
func (f *inspection) compareServer(srv *server.Server) error {
	states, err := streamStates(srv)
	if err != nil {
		return err
	}
	for key, last := range f.found {
		dir := streamAt(f.root, key).dir
		state, ok := states[key]
		switch {
		case !ok:
			return fmt.Errorf("the server does not read the stream in %s: it may be that of a newer version, or not be readable", dir)
		case state.LastSeq < last: // state.Lost does not help: it lists what a server had removed that was killed
			return fmt.Errorf("the server has not read all messages of the stream in %s: restore the folder from a backup", dir)
		}
	}
	return nil
}

// streamStates are the states of a server's streams, by account and name.
func streamStates(srv *server.Server) (map[string]server.StreamState, error) {
	info, err := srv.Jsz(&server.JSzOptions{Accounts: true, Streams: true})
	if err != nil {
		return nil, err
	}
	states := make(map[string]server.StreamState)
	for _, account := range info.AccountDetails {
		for _, stream := range account.Streams {
			states[account.Id+"/"+stream.Name] = stream.State
		}
	}
	return states, nil
}
