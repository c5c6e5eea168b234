package embedded

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/resultpool/resultpool/engine/jetstream/internal/folder"
)

// marks are what was there for certain, in the file "marks" beside the server's folder. Without
// them, a file that was cut off where a record ends would look as if it had always been so.
//
// They are written once a second while there is something new, and when the server is closed. What
// they mark was synced before they are made, so they need no sync of their own.
type marks struct {
	Streams map[string]mark // by account and name: "$G/resultpool_thumbs_tasks"

	// Set while the server is closed.
	Closed bool
	Blocks map[string]int64  `json:",omitempty"` // bytes of the files of messages, by path
	States map[string]string `json:",omitempty"` // checksums of the consumers' states, by path
}

// A mark is of one stream.
type mark struct {
	Meta      string            // its meta.sum: another stream with this name has another one
	Consumers map[string]string `json:",omitempty"` // their meta.sum, by name

	// The state at one moment.
	Last   uint64 // the sequence given last
	Msgs   uint64 // how many messages there were
	Oldest int64  // when the first of them came, in Unix seconds

	// The files of messages, a moment before: when the full ones were last written, in Unix
	// seconds, and which one was being written, and how many bytes it had.
	Full   map[int]int64 `json:",omitempty"`
	Newest int
	Size   int64
}

func marksPath(dir string) string { return filepath.Join(dir, "marks") }

// loadMarks returns empty marks if there is no file of them, or a damaged one.
func loadMarks(dir string) (*marks, error) {
	m := &marks{}
	buf, err := os.ReadFile(marksPath(dir))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	sum, text, _ := bytes.Cut(buf, []byte("\n"))
	if string(sum) != sha256Of(text) || json.Unmarshal(text, m) != nil {
		return &marks{}, nil
	}
	return m, nil
}

// save replaces the file. With sync it is on the disk when save returns.
func (m *marks) save(dir string, sync bool) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	err = folder.Replace(marksPath(dir), fmt.Appendf(nil, "%s\n%s", sha256Of(text), text), sync)
	if err != nil || !sync {
		return err
	}
	return syncDir(dir)
}

// begin notes that a server is at work from now on, and that its files are no longer as they were
// when it was closed. This has to be on the disk before the server writes.
func (m *marks) begin(dir string) error {
	m.Closed, m.Blocks, m.States = false, nil, nil
	err := m.save(dir, true)
	if err != nil && os.Remove(marksPath(dir)) == nil { // the disk may be full
		err = syncDir(dir)
	}
	return err
}

// syncDir makes sure that a rename in a directory is on the disk. Systems on which a directory
// cannot be synced do so on their own.
func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = file.Sync()
	return file.Close()
}

func sha256Of(buf []byte) string {
	sum := sha256.Sum256(buf)
	return hex.EncodeToString(sum[:])
}

func sumIn(dir string) string {
	buf, _ := os.ReadFile(filepath.Join(dir, sumFile)) // "" if there is none
	return string(buf)
}

// relative is a path within a directory, the same on every system.
func relative(dir, path string) string {
	rel, _ := filepath.Rel(dir, path) // both are absolute
	return filepath.ToSlash(rel)
}

// A marker writes the marks of a server that runs.
type marker struct {
	dir  string
	srv  *server.Server
	quit chan struct{}
	done chan struct{}
}

const markEvery = time.Second

func startMarker(dir string, srv *server.Server) *marker {
	k := &marker{dir: dir, srv: srv, quit: make(chan struct{}), done: make(chan struct{})}
	go k.run()
	return k
}

func (k *marker) run() {
	defer close(k.done)
	ticker := time.NewTicker(markEvery)
	defer ticker.Stop()
	var saved []byte
	m := &marks{}
	for quit := false; ; {
		m.Streams = k.next(m.Streams)
		if text, err := json.Marshal(m); err == nil && !bytes.Equal(text, saved) && m.save(k.dir, false) == nil {
			saved = text
		}
		if quit {
			return
		}
		select {
		case <-ticker.C:
		case <-k.quit:
			quit = true
		}
	}
}

// next returns what is certain now. A sequence that the server reports is synced. If it reports
// nothing, because it has stopped storing, the last marks hold.
func (k *marker) next(last map[string]mark) map[string]mark {
	streams, err := streamsIn(k.dir)
	if err != nil {
		return last
	}
	next := make(map[string]mark)
	for _, st := range streams {
		if m, err := markFiles(st, last[st.key()]); err == nil && m.Meta != "" {
			next[st.key()] = m
		}
	}
	states, _ := streamStates(k.srv)
	for _, st := range streams {
		key := st.key()
		m, isNext := next[key]
		state, ok := states[key]
		switch {
		case !isNext:
		case ok && sumIn(st.dir) == m.Meta: // else it is another stream with the same name
			m.Last, m.Msgs, m.Oldest = state.LastSeq, state.Msgs, state.FirstTime.Unix()
			next[key] = m
		case last[key].Meta == m.Meta:
			next[key] = last[key]
		default:
			delete(next, key)
		}
	}
	return next
}

// markFiles marks the files of a stream.
func markFiles(st streamDir, last mark) (mark, error) {
	m := mark{Meta: sumIn(st.dir), Consumers: make(map[string]string), Full: make(map[int]int64)}
	consumers, err := st.consumers()
	if err != nil {
		return m, err
	}
	for _, consumer := range consumers {
		if sum := sumIn(st.consumerDir(consumer)); sum != "" {
			m.Consumers[consumer] = sum
		}
	}
	msgs := filepath.Join(st.dir, "msgs")
	blocks, err := blocksIn(msgs)
	for i, block := range blocks {
		isNewest := i == len(blocks)-1
		if written, ok := last.Full[block]; ok && last.Meta == m.Meta && !isNewest {
			m.Full[block] = written
			continue
		}
		info, err := os.Stat(blockPath(msgs, block))
		switch {
		case os.IsNotExist(err): // everything in it was removed just now
		case err != nil:
			return m, err
		case isNewest:
			m.Newest, m.Size = block, info.Size()
		case info.Size() > 0:
			m.Full[block] = info.ModTime().Unix()
		}
	}
	return m, err
}

// stop is called before the server is shut down.
func (k *marker) stop() {
	close(k.quit)
	<-k.done
}

// closed is called after the server was shut down. If it fails, the last marks hold, which say
// less.
func (k *marker) closed() error {
	m, err := loadMarks(k.dir)
	if err != nil {
		return err
	}
	m.Closed, m.Blocks, m.States = true, make(map[string]int64), make(map[string]string)
	streams, err := streamsIn(k.dir)
	if err != nil {
		return err
	}
	maps.DeleteFunc(m.Streams, func(key string, _ mark) bool { // streams that were deleted since
		return !slices.Contains(streams, streamAt(k.dir, key))
	})
	err = filepath.WalkDir(filepath.Join(k.dir, server.JetStreamStoreDir), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if _, isBlock := blockNumber(entry.Name()); isBlock {
			info, err := entry.Info()
			if err != nil {
				return err
			}
			m.Blocks[relative(k.dir, path)] = info.Size()
		}
		if entry.Name() == stateFile {
			buf, err := os.ReadFile(path)
			m.States[relative(k.dir, path)] = sha256Of(buf)
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	return m.save(k.dir, true)
}
