package embedded

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/highwayhash"
)

// A stream's messages are in files, "1.blk" and so on, one record after another:
//
//	length(4) sequence(8) time(8) subject length(2) subject [header length(4) header] data checksum(8)
//
// in little endian. A server appends to the last file only. It removes a message by another
// record, a tombstone, and a file when nothing in it is left; files that are not the last
// are sometimes rewritten without what was removed. TestFormat fails if a server writes
// something else.
const (
	recordHeader = 22
	recordSum    = 8
	leastRecord  = recordHeader + recordSum
	mostRecord   = 32 << 20

	hasHeader = 1 << 31 // in a length
	erased    = 1 << 63 // in a sequence: the message is overwritten
	tombstone = 1 << 62 // in a sequence: the message with that sequence is removed

	page = 4 << 10 // what a system writes to a disk at once
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
		if end < len(buf) && !(unsynced && unwritten(buf, end) || (unsynced || isLast) && r.torn(buf[end:])) {
			m.damage = append(m.damage, blockDamage{path, end, isLast})
		}
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

type record struct {
	seq     uint64
	size    int
	subject []byte
}

// records reads the records of one file.
type records struct {
	hash   *highwayhash.Digest64
	strict bool
	from   uint64 // no time is before
	until  uint64 // or after
}

func newRecords(key string, strict bool) *records {
	now := time.Now()
	return &records{
		hash:   newHash(key),
		strict: strict,
		from:   uint64(now.AddDate(-30, 0, 0).UnixNano()),
		until:  uint64(now.AddDate(30, 0, 0).UnixNano()),
	}
}

// newHash is the hash of everything that a server writes: the key is different.
func newHash(key string) *highwayhash.Digest64 {
	sum := sha256.Sum256([]byte(key))
	hash, err := highwayhash.NewDigest64(sum[:])
	if err != nil {
		panic(err) // of a key that has not 32 bytes
	}
	return hash
}

// each visits the records of a file, until one is wrong. It returns where that is.
func (r *records) each(buf []byte, visit func(at int, rec record)) (end int) {
	for end < len(buf) {
		rec, ok := r.parse(buf[end:])
		if !ok {
			break
		}
		visit(end, rec)
		end += rec.size
	}
	return end
}

// parse returns the record that buf begins with. Neither of the lengths in it is in its
// checksum.
func (r *records) parse(buf []byte) (record, bool) {
	if len(buf) < leastRecord {
		return record{}, false
	}
	length := binary.LittleEndian.Uint32(buf)
	size := int(length &^ hasHeader)
	if size < leastRecord || size > min(len(buf), mostRecord) {
		return record{}, false
	}
	rest := buf[recordHeader : size-recordSum]
	n := int(binary.LittleEndian.Uint16(buf[20:]))
	if n > len(rest) {
		return record{}, false
	}
	subject, rest := rest[:n], rest[n:]
	if length&hasHeader != 0 {
		if len(rest) < 4 {
			return record{}, false
		}
		n, rest = int(binary.LittleEndian.Uint32(rest)), rest[4:]
		if r.strict && (n > len(rest) || !isHeader(rest[:n])) {
			return record{}, false
		}
	}
	r.hash.Reset()
	_, _ = r.hash.Write(buf[4:20])
	_, _ = r.hash.Write(subject)
	_, _ = r.hash.Write(rest)
	if !bytes.Equal(r.hash.Sum(nil), buf[size-recordSum:size]) {
		return record{}, false
	}
	return record{binary.LittleEndian.Uint64(buf[4:]), size, subject}, true
}

func isHeader(header []byte) bool {
	end := []byte("\r\n\r\n")
	return bytes.HasPrefix(header, []byte("NATS/1.0")) && bytes.Index(header, end) == len(header)-len(end)
}

// torn tells that buf begins with a record that was being written when the process died or
// the power was cut: nothing that was acknowledged is in it.
func (r *records) torn(buf []byte) bool {
	if len(buf) >= recordSum && blank(buf[len(buf)-recordSum:]) {
		return true
	}
	for at := 1; at+leastRecord <= len(buf); at++ {
		if when := binary.LittleEndian.Uint64(buf[at+12:]); when < r.from || when > r.until {
			continue
		}
		if _, ok := r.parse(buf[at:]); ok {
			return false
		}
	}
	if len(buf) < recordHeader {
		return true
	}
	if int(binary.LittleEndian.Uint32(buf)&^hasHeader) <= len(buf) {
		return false
	}
	// It is all there, if only its length is wrong.
	whole := slices.Clone(buf)
	for _, flag := range []uint32{0, hasHeader} {
		binary.LittleEndian.PutUint32(whole, uint32(min(len(buf), math.MaxInt32))|flag)
		if _, ok := r.parse(whole); ok {
			return false
		}
	}
	return true
}

// unwritten tells that the record at some place has a page that was never written.
func unwritten(buf []byte, at int) bool {
	end := len(buf)
	if len(buf)-at >= 4 {
		if size := int(binary.LittleEndian.Uint32(buf[at:]) &^ hasHeader); size >= leastRecord {
			end = min(end, at+size)
		}
	}
	for begin := at; begin < end; begin = (begin/page + 1) * page {
		if blank(buf[begin:min((begin/page+1)*page, len(buf))]) {
			return true
		}
	}
	return false
}

func blank(buf []byte) bool {
	return !slices.ContainsFunc(buf, func(b byte) bool { return b != 0 })
}
