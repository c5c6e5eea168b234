package codec

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"unicode/utf8"

	"github.com/resultpool/resultpool/store"
)

// version is the first byte of all that Encode writes. Behind it are, as a uvarint,
// the length of the error part, or 0 if there is no error; the error part; the value,
// as Values wrote it; and the sum, with the low byte first.
const version = 1

// sumSize is how many bytes the sum takes.
const sumSize = 4

// sum is the CRC-32C of the ID, with the high byte first, and of the bytes before the
// sum. A database may not notice that a bit on its disk has changed: without the sum
// that is another value, or, in a key, a right value under a wrong ID.
func sum(id store.ID, data []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	key := binary.BigEndian.AppendUint64(nil, uint64(id))
	return crc32.Update(crc32.Checksum(key, table), table, data)
}

// An errorPart is an error as it is written, as JSON.
type errorPart struct {
	Text  text       `json:"text,omitempty"`
	Is    []string   `json:"is,omitempty"`    // codes of what it matches, sorted
	Exact string     `json:"exact,omitempty"` // code of the sentinel that it is
	Panic *panicPart `json:"panic,omitempty"` // of the first *store.PanicError in it
	Zero  bool       `json:"zero,omitempty"`  // the value beside it is a zero R, and not written
}

// A panicPart is a *store.PanicError as it is written.
type panicPart struct {
	Exact bool       `json:"exact,omitempty"` // the error is the *store.PanicError itself
	Text  text       `json:"text,omitempty"`  // of the value
	Error *errorPart `json:"error,omitempty"` // the value, if it is an error
	Stack text       `json:"stack,omitempty"`
}

// text is a string of which JSON keeps every byte. Where it is not UTF-8, it is
// written as an object.
type text string

type rawText struct {
	Base64 []byte `json:"base64"`
}

// MarshalJSON writes a string, or an object.
func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(rawText{[]byte(t)})
}

// UnmarshalJSON reads both.
func (t *text) UnmarshalJSON(data []byte) error {
	if data[0] != '{' {
		return json.Unmarshal(data, (*string)(t))
	}
	var raw rawText
	err := json.Unmarshal(data, &raw)
	*t = text(raw.Base64)
	return err
}

var (
	errNoResult = errors.New("this is nothing that a codec wrote")
	errChanged  = errors.New("these are not the bytes that were written for it: they have changed, or are another result's")
)

// seal puts the parts together. A nil e is no error.
func seal(id store.ID, e *errorPart, value []byte) []byte {
	var part []byte
	if e != nil {
		part, _ = json.Marshal(e) // of strings and bools: it cannot fail
	}
	data := make([]byte, 0, 1+binary.MaxVarintLen32+len(part)+len(value)+sumSize)
	data = append(data, version)
	data = binary.AppendUvarint(data, uint64(len(part)))
	data = append(data, part...)
	data = append(data, value...)
	return binary.LittleEndian.AppendUint32(data, sum(id, data))
}

// open takes them apart. The value is a part of data.
func open(id store.ID, data []byte) (e *errorPart, value []byte, err error) {
	if len(data) == 0 || data[0] == 0 {
		return nil, nil, errNoResult
	}
	if data[0] != version {
		return nil, nil, fmt.Errorf("written as version %d by a newer program; this one reads version %d", data[0], version)
	}
	if len(data) < 1+sumSize {
		return nil, nil, errNoResult
	}
	data, written := data[:len(data)-sumSize], data[len(data)-sumSize:]
	if sum(id, data) != binary.LittleEndian.Uint32(written) {
		return nil, nil, errChanged
	}
	length, n := binary.Uvarint(data[1:])
	if n <= 0 || length > uint64(len(data)-1-n) {
		return nil, nil, errNoResult
	}
	part, value := data[1+n:1+n+int(length)], data[1+n+int(length):]
	if length == 0 {
		return nil, value, nil
	}
	e = new(errorPart)
	if err := json.Unmarshal(part, e); err != nil {
		return nil, nil, fmt.Errorf("%w: %v", errNoResult, err)
	}
	return e, value, nil
}

// valueVersion is the first byte of all that EncodeValue writes. Behind it are the mark of
// the Codec's name, with the high byte first, and the value, as Values wrote it.
//
// The mark keeps the values of two programs apart that read from one place: what looks
// like a value of the right type must not be taken for one.
const valueVersion = 1

const valueHeader = 1 + 4

func mark(name string) uint32 {
	return crc32.Checksum([]byte(name), crc32.MakeTable(crc32.Castagnoli))
}

// sealValue puts the header before a value.
func sealValue(name string, value []byte) []byte {
	data := make([]byte, 0, valueHeader+len(value))
	data = append(data, valueVersion)
	data = binary.BigEndian.AppendUint32(data, mark(name))
	return append(data, value...)
}

// openValue takes it off. The value is a part of data.
func openValue(name string, data []byte) ([]byte, error) {
	switch {
	case len(data) < valueHeader || data[0] == 0:
		return nil, errors.New("it is nothing that a codec wrote")
	case data[0] != valueVersion:
		return nil, fmt.Errorf("it was written as version %d by a newer program; this one reads version %d", data[0], valueVersion)
	case binary.BigEndian.Uint32(data[1:]) != mark(name):
		return nil, fmt.Errorf("it is not %s, but of another program; keep the values of each apart", name)
	}
	return data[valueHeader:], nil
}
