package codec

import (
	"encoding/json"
	"errors"
)

// A Values encodes and decodes values. It is called from many goroutines at once.
//
// Both methods are given a pointer to an R, also where R is a pointer itself, so that Marshal sees what Unmarshal
// will fill, with all of its methods.
//
// A panic in either is an error of the codec, and nothing more.
type Values interface {
	// Marshal returns the bytes of the R that v points to, which it does not
	// change. An error means that this value cannot be written, now or later.
	Marshal(v any) ([]byte, error)

	// Unmarshal fills the R that v points to, which is zero, with what Marshal
	// wrote. It may keep and change data: it is a copy.
	Unmarshal(data []byte, v any) error
}

// JSON is the Values of package encoding/json, the default.
type JSON struct{}

// deepest is how deep json.Unmarshal goes. json.Marshal goes deeper.
const deepest = 10_000

var errTooDeep = errors.New("json: nested deeper than json.Unmarshal reads")

// Marshal is json.Marshal, except that it refuses a value that json.Unmarshal would not read.
func (JSON) Marshal(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err == nil && len(data) > deepest && !json.Valid(data) {
		return nil, errTooDeep
	}
	return data, err
}

// Unmarshal is json.Unmarshal.
func (JSON) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }
