package pool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// wire turns the tasks and results of a joined pool into bytes and back.
//
// A task is a byte that says the version, four bytes that stand for its type, and the
// value. An engine that is not a Describer may hand out the tasks of another program:
// what looks like a value of the right type must not be taken for one.
type wire[T, R any] struct {
	values  codec.Values
	results *codec.Codec[R]
	name    string // of T, as codec.Codec.Name has it
}

const (
	taskVersion = 1
	taskHeader  = 1 + 4
)

// kind says what the tasks and results are, in one line.
func (w *wire[T, R]) kind() string { return w.name + " to " + w.results.Name() }

func (w *wire[T, R]) mark() uint32 {
	return crc32.Checksum([]byte(w.name), crc32.MakeTable(crc32.Castagnoli))
}

// encodeTask returns the bytes of a task.
func (w *wire[T, R]) encodeTask(in T) (data []byte, err error) {
	marshalled := false
	defer func() {
		if p := recover(); !marshalled { // p may be nil, after a panic(nil)
			err = fmt.Errorf("pool: the task cannot be written as %s: panic: %s", w.name, text.Of(p))
		}
	}()
	value, err := w.values.Marshal(&in)
	marshalled = true
	if err != nil {
		return nil, &wrapped{"pool: the task cannot be written as " + w.name, err}
	}
	data = make([]byte, 0, taskHeader+len(value))
	data = append(data, taskVersion)
	data = binary.BigEndian.AppendUint32(data, w.mark())
	return append(data, value...), nil
}

// decodeTask is the way back. A panic of the user's code is one of the task.
func (w *wire[T, R]) decodeTask(data []byte) (in T, err error) {
	switch {
	case len(data) < taskHeader || data[0] == 0:
		return in, errors.New("pool: the task cannot be read: it is nothing that a pool has submitted")
	case data[0] != taskVersion:
		return in, fmt.Errorf("pool: the task cannot be read: it was written as version %d by a newer program; this one reads version %d",
			data[0], taskVersion)
	case binary.BigEndian.Uint32(data[1:]) != w.mark():
		return in, fmt.Errorf("pool: the task cannot be read: it is not %s, but of another program; give each its own engine", w.name)
	}
	if err := w.values.Unmarshal(data[taskHeader:], &in); err != nil {
		return in, fmt.Errorf("pool: the task cannot be read as %s: %s", w.name, text.Of(err))
	}
	return in, nil
}

// longestReason is how many bytes of a refusal are kept, so that what says why a result
// was too large is not too large itself.
const longestReason = 1024

// encodeResult returns the bytes of a result. Of one that was refused already, and that
// notStored has replaced, it keeps the refusal only: the task's error may be what was
// too large, or panic.
func (w *wire[T, R]) encodeResult(res store.Result[R]) ([]byte, error) {
	if e, ok := res.Err.(*notStored); ok { //nolint:errorlint // itself, and not what a task has wrapped
		why := text.Of(e.refusal)
		if len(why) > longestReason {
			why = strings.ToValidUTF8(why[:longestReason], "") + "…"
		}
		res.Err = fmt.Errorf("pool: the task's outcome was not stored: %w: %s", store.ErrRejected, why)
	}
	return w.results.Encode(res)
}
