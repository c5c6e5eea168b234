package jetstream

import (
	"encoding/binary"
	"errors"
	"time"
)

// A run is several tasks in one message: the servers write, sync, deliver and acknowledge messages, and
// a task of microseconds costs a part of one. The message of a run has its sequence in the stream, and
// each task an index in it, which together are its ID.
//
// The results of a run are in messages on one subject, result.SEQUENCE, each with what one Save has of
// it. Each is written only if the last one on the subject is the one that its writer knows. So an index
// is never in two of them, whoever writes, but while Delete replaces one by another.
//
// The message is acknowledged when each of its tasks is acknowledged, or is in another message that is
// stored: who gives back some tasks of a run, and has others, puts them into a message on the subject
// rest.….SEQUENCE, where they keep their IDs. If it dies in between, these are delivered by both.
//
// A task, or a rest, as bytes:
//
//	format(1) due(varint) { index attempts runs length (each a uvarint) task }
//
// and results:
//
//	format(1) { index length+1, or 0 if it was deleted (each a uvarint) result }
const (
	format = 1
	// formats is above all formats that there will be: what begins with another byte was not written by an engine.
	formats = 16

	indexBits = 10 // of an ID
	maxRun    = 256
	// maxRunBytes is how many bytes of tasks or results are in one message, if they are more than one.
	maxRunBytes = 512 << 10
)

func idAt(seq uint64, index int) uint64 { return seq<<indexBits | uint64(index) }

func seqOf(id uint64) uint64 { return id >> indexBits }
func indexOf(id uint64) int  { return int(id & (1<<indexBits - 1)) }

// An entry is a task in a run. In a rest, attempts and runs are those before it was stored.
type entry struct {
	index, attempts, runs int
	task                  []byte
}

var errFormat = errors.New("its format is not known: it was not written by this version")

func encodeRun(entries []entry, due time.Time) []byte {
	size := 1 + binary.MaxVarintLen64
	for _, e := range entries {
		size += 16 + len(e.task)
	}
	data := append(make([]byte, 0, size), format)
	var at int64
	if !due.IsZero() {
		at = due.UnixNano()
	}
	data = binary.AppendVarint(data, at)
	for _, e := range entries {
		for _, n := range []int{e.index, e.attempts, e.runs} {
			data = binary.AppendUvarint(data, uint64(n))
		}
		data = append(binary.AppendUvarint(data, uint64(len(e.task))), e.task...)
	}
	return data
}

func decodeRun(data []byte) (entries []entry, due time.Time, err error) {
	r, err := newReader(data)
	if err != nil {
		return nil, due, err
	}
	at, n := binary.Varint(r.left)
	if n <= 0 {
		return nil, due, errFormat
	}
	r.left = r.left[n:]
	if at != 0 {
		due = time.Unix(0, at)
	}
	for len(r.left) > 0 && r.err == nil {
		e := entry{index: r.index(), attempts: r.int(), runs: r.int()}
		e.task = r.bytes()
		entries = append(entries, e)
	}
	if r.err == nil && len(entries) == 0 {
		r.err = errFormat
	}
	return entries, due, r.err
}

// isForeign reports whether no version of an engine has written a message.
func isForeign(data []byte) bool { return len(data) == 0 || data[0] == 0 || data[0] >= formats }

// A reader reads a message. Its err is set once something is wrong.
type reader struct {
	left []byte
	err  error
}

func newReader(data []byte) (*reader, error) {
	if len(data) == 0 || data[0] != format {
		return nil, errFormat
	}
	return &reader{left: data[1:]}, nil
}

func (r *reader) int() int {
	v, n := binary.Uvarint(r.left)
	if n <= 0 || v > 1<<31-1 {
		r.left, r.err = nil, errFormat
		return 0
	}
	r.left = r.left[n:]
	return int(v)
}

func (r *reader) index() int {
	i := r.int()
	if i >= 1<<indexBits {
		r.left, r.err = nil, errFormat
		return 0
	}
	return i
}

func (r *reader) bytes() []byte { return r.next(r.int()) }

func (r *reader) next(n int) []byte {
	if n > len(r.left) {
		r.left, r.err = nil, errFormat
		return nil
	}
	b := r.left[:n:n]
	r.left = r.left[n:]
	return b
}

// A result is that of the task with an index in its run. Of one that was deleted it is known that there was one: its
// task is not run again if its message is delivered again.
type result struct {
	index     int
	isDeleted bool
	data      []byte
}

func appendResult(data []byte, r result) []byte {
	if len(data) == 0 {
		data = append(data, format)
	}
	data = binary.AppendUvarint(data, uint64(r.index))
	if r.isDeleted {
		return append(data, 0)
	}
	return append(binary.AppendUvarint(data, uint64(len(r.data))+1), r.data...)
}

func decodeResults(data []byte) (results []result, err error) {
	r, err := newReader(data)
	if err != nil {
		return nil, err
	}
	for len(r.left) > 0 && r.err == nil {
		one := result{index: r.index()}
		if n := r.int(); n == 0 {
			one.isDeleted = true
		} else {
			one.data = r.next(n - 1)
		}
		results = append(results, one)
	}
	return results, r.err
}

// A set is of indexes.
type set [1 << indexBits / 64]uint64

func (s *set) has(index int) bool { return s[index/64]>>(index%64)&1 != 0 }
func (s *set) add(index int)      { s[index/64] |= 1 << (index % 64) }
