package embedded

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// A server that finds a file damaged goes on without it, and writes a line to its log. The
// next who makes the stream anew, as jetstream.Open does, deletes what is left of it. So the
// files are read before a server is started on them, and nothing is changed if one is
// damaged.

const (
	metaFile  = "meta.inf"
	sumFile   = "meta.sum"
	stateFile = "o.dat"
)

// A folder is what the directory of a server holds.
type folder struct {
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
func checkFolder(ctx context.Context, dir string, unsynced bool) (*folder, error) {
	f := &folder{dir: dir, unsynced: unsynced, marks: &marks{}, found: make(map[string]uint64)}
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

// missingStreams finds streams that are marked and not there. One that is being deleted is
// still there, under another name.
func (f *folder) missingStreams(streams []streamDir) (damages []error) {
	for key := range f.marks.Streams {
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

// checkStream returns what is damaged, and apart from that an error that says nothing of
// the files.
func (f *folder) checkStream(ctx context.Context, st streamDir) (damages []error, err error) {
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
		damages = append(damages, fmt.Errorf("%s: the newest messages are missing: the last one is %d, and there was %d: restore the folder from a backup, %s",
			msgs.dir, msgs.last, least, anew))
	}
	d, err := f.checkConsumers(ctx, st, config, msgs, marked)
	return append(damages, d...), err
}

// lostFile finds a file that was full when the marks were made, and is missing or empty
// although there were messages in it that nobody has removed. Whoever removes a message
// leaves a tombstone, but for the last one of a file; a message that expires leaves none.
func lostFile(msgs *messages, marked mark, config server.FileStreamInfo) (block int, what error) {
	if config.MaxMsgsPer > 0 { // as the starts of tasks: the old ones leave none either
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
	switch {
	case expired(marked.Oldest) && removed > 0: // how many have expired is not known
		return 0, nil
	case expired(marked.Oldest), marked.Msgs > uint64(left)+removed+files:
		return block, what
	}
	return 0, nil
}

// compareSizes finds files that are shorter than when the server was closed, or missing.
func (f *folder) compareSizes(st streamDir, msgs *messages, config server.FileStreamInfo, anew string) (damages []error) {
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
	for path, size := range f.marks.Blocks {
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

// lostMessages is the error for a file of messages. Without the newest of a queue its next
// IDs would be those of other tasks.
func (f *folder) lostMessages(path string, what error, config server.FileStreamInfo, newest bool, anew string) error {
	if config.Retention != server.WorkQueuePolicy || !newest {
		anew = fmt.Sprintf("or move it and %s away to go on without the messages in it", marksPath(f.dir))
	}
	return fmt.Errorf("%s: %w: restore it from a backup, %s", path, what, anew)
}

// checkConsumers returns the damaged consumers. What they remember may be forgotten, but not
// how they are configured.
func (f *folder) checkConsumers(ctx context.Context, st streamDir, config server.FileStreamInfo, msgs *messages, marked mark) (damages []error, err error) {
	consumers, err := st.consumers()
	if err != nil {
		return nil, err
	}
	for _, consumer := range consumers {
		dir := st.consumerDir(consumer)
		state := filepath.Join(dir, stateFile)
		meta, problem, err := readMeta(dir, st.name+"/"+consumer)
		if err != nil {
			return damages, err
		}
		if problem != nil {
			_, isMarked := marked.Consumers[consumer]
			if problem.incomplete && !isMarked && !fileIs(state) {
				if path := filepath.Join(dir, metaFile); fileIs(path) {
					f.heals = append(f.heals, path)
				}
				continue
			}
			damages = append(damages, fmt.Errorf("%s: %w, and without it the lease and what was delivered of stream %s are not known: "+
				"restore it from a backup, or move %s away: tasks that are held are delivered again then, and the lease is as in the Options",
				problem.path, problem.what, st.name, dir))
			continue
		}
		var cc server.FileConsumerInfo
		if err := json.Unmarshal(meta, &cc); err != nil {
			return damages, fmt.Errorf("%s: %w", filepath.Join(dir, metaFile), err)
		}
		buf, err := os.ReadFile(state)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return damages, err
		}
		sum, known := f.marks.States[relative(f.dir, state)]
		ok := !f.marks.Closed || !known || sum == sha256Of(buf)
		if ok && st.ours() && cc.AckPolicy == server.AckExplicit {
			ok, err = f.believable(ctx, st, buf, msgs)
			if err != nil {
				return damages, err
			}
		}
		if !ok {
			f.heals = append(f.heals, state)
		}
	}
	return damages, nil
}

// believable reports whether a consumer's state passes over no task that waits. A task that
// it says is acknowledged is in the queue no more, or, if a server has died, it has a result.
func (f *folder) believable(ctx context.Context, st streamDir, buf []byte, msgs *messages) (bool, error) {
	state, ok := parseConsumerState(buf, time.Now())
	if !ok || state.delivered.stream > msgs.last {
		return false, nil
	}
	acked := state.acknowledged(msgs.live)
	if len(acked) == 0 {
		return true, nil
	}
	name, isTasks := strings.CutSuffix(st.name, "_tasks")
	if !isTasks {
		return false, nil
	}
	results := streamDir{st.account, name + "_results", filepath.Join(filepath.Dir(st.dir), name+"_results")}
	done, err := readMessages(ctx, results, f.unsynced, true)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(acked, func(id uint64) bool { return !done.ids[id] }), nil
}

// check compares what a server has found with what is there.
func (f *folder) check(srv *server.Server) error {
	states, err := recovered(srv)
	if err != nil {
		return err
	}
	for key, last := range f.found {
		account, name, _ := strings.Cut(key, "/")
		dir := filepath.Join(f.dir, server.JetStreamStoreDir, account, "streams", name)
		state, ok := states[key]
		switch {
		case !ok:
			return fmt.Errorf("the server does not read the stream in %s: it may be that of a newer version, or not be readable", dir)
		case state.LastSeq < last: // State.Lost is no help: it lists what a server that was killed had removed
			return fmt.Errorf("the server has not read all messages of the stream in %s: restore the folder from a backup", dir)
		}
	}
	return nil
}

// recovered are the states of a server's streams, by account and name.
func recovered(srv *server.Server) (map[string]server.StreamState, error) {
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

// A streamDir is the directory of a stream.
type streamDir struct{ account, name, dir string }

// streamsIn are the streams of all accounts. A name with a dot is that of a stream that is
// being deleted.
func streamsIn(dir string) ([]streamDir, error) {
	root := filepath.Join(dir, server.JetStreamStoreDir)
	accounts, err := dirsIn(root)
	if err != nil {
		return nil, err
	}
	var streams []streamDir
	for _, account := range accounts {
		sub := filepath.Join(root, account, "streams")
		names, err := dirsIn(sub)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if !strings.HasPrefix(name, ".") {
				streams = append(streams, streamDir{account, name, filepath.Join(sub, name)})
			}
		}
	}
	return streams, nil
}

func (st streamDir) key() string { return st.account + "/" + st.name }

// ours tells that only pools write to it.
func (st streamDir) ours() bool { return strings.HasPrefix(st.name, "resultpool_") }

func (st streamDir) consumers() ([]string, error) { return dirsIn(filepath.Join(st.dir, "obs")) }

func (st streamDir) consumerDir(name string) string { return filepath.Join(st.dir, "obs", name) }

// dirsIn returns none if there is no such directory. A server takes one that cannot be read
// for an empty one.
func dirsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

func blockPath(dir string, block int) string { return filepath.Join(dir, strconv.Itoa(block)+".blk") }

func blockNumber(name string) int {
	number, _ := strings.CutSuffix(name, ".blk")
	n, _ := strconv.Atoi(number)
	return n
}

func fileIs(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// A metaProblem is why a configuration is not what a server has written.
type metaProblem struct {
	path       string
	what       error
	incomplete bool // as if it was being written when the process died
}

// readMeta returns the configuration of a stream or a consumer, or what is wrong with it.
func readMeta(dir, key string) ([]byte, *metaProblem, error) {
	var files [2][]byte
	for i, name := range []string{metaFile, sumFile} {
		path := filepath.Join(dir, name)
		buf, err := os.ReadFile(path)
		switch {
		case os.IsNotExist(err):
			return nil, &metaProblem{path, errors.New("it is missing"), true}, nil
		case err != nil:
			return nil, nil, err
		case blank(buf):
			return nil, &metaProblem{path, errors.New("it is empty"), true}, nil
		}
		files[i] = buf
	}
	hash := newHash(key)
	_, _ = hash.Write(files[0])
	if hex.EncodeToString(hash.Sum(nil)) != string(files[1]) {
		path := filepath.Join(dir, metaFile)
		return nil, &metaProblem{path, fmt.Errorf("it is damaged, or %s is, which does not agree with it", sumFile), false}, nil
	}
	return files[0], nil, nil
}
