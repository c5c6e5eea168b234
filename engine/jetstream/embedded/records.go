package embedded

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/minio/highwayhash"
)

// A stream's messages are in files, "1.blk" and so on, one record after another:
//
//	length(4) sequence(8) time(8) subject length(2) subject [header length(4) header] data checksum(8)
//
// in little endian. A server appends to the last file only. It removes a message with another
// record, a tombstone, and a file when everything in it is removed. Sometimes it rewrites a
// file other than the last without what was removed. TestFormat fails if a server writes
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

type record struct {
	seq     uint64
	size    int
	subject []byte
}

// records reads the records of one file.
type records struct {
	hash   *highwayhash.Digest64
	strict bool
	from   uint64 // no time of a record is before it
	until  uint64 // nor after it
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

// newHash is the hash of everything that a server writes, each with a key of its own.
func newHash(key string) *highwayhash.Digest64 {
	sum := sha256.Sum256([]byte(key))
	hash, err := highwayhash.NewDigest64(sum[:])
	if err != nil {
		panic(err) // only for a key that does not have 32 bytes
	}
	return hash
}

// each visits the records of a file up to the first wrong one, and returns where that begins.
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

// parse returns the record at the beginning of buf. Its checksum does not cover its lengths.
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

// torn reports whether buf begins with a record that was being written when the process died or
// the power was cut. Such a record was not acknowledged.
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
	// A record of which only the length is wrong is not torn.
	whole := slices.Clone(buf)
	for _, flag := range []uint32{0, hasHeader} {
		binary.LittleEndian.PutUint32(whole, uint32(min(len(buf), math.MaxInt32))|flag)
		if _, ok := r.parse(whole); ok {
			return false
		}
	}
	return true
}

// unwritten reports whether the record at some place has a page that was never written.
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
