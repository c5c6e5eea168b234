package embedded

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// marks are what was there for certain, in the file "marks" beside the server's folder. Without
// them, a file that was cut off where a record ends would look as if it had always been so.
//
// They are written once a second while there is something new, and when the server is closed,
// never for a single task or result. What they mark was synced before they are made, so
// they need no sync of their own. A file of marks that cannot be read means no marks.
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
	path := marksPath(dir)
	file, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%s\n%s", sha256Of(text), text)
	if err == nil && sync {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil || !sync {
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
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return filepath.ToSlash(path)
	}
	return filepath.ToSlash(rel)
}
