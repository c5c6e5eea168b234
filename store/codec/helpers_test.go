package codec_test

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

func newCodec[R any](t testing.TB, opts *codec.Options) *codec.Codec[R] {
	t.Helper()
	c, err := codec.New[R](opts)
	require.NoError(t, err)
	return c
}

// summed appends to data the sum that Encode would, for that ID.
func summed(id store.ID, data string) []byte {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Checksum(append(binary.BigEndian.AppendUint64(nil, uint64(id)), data...), table)
	return binary.LittleEndian.AppendUint32([]byte(data), sum)
}

// trip takes a result there and back.
func trip[R any](t testing.TB, c *codec.Codec[R], res store.Result[R]) store.Result[R] {
	t.Helper()
	data, err := c.Encode(res)
	require.NoError(t, err)
	back, err := c.Decode(res.ID, data)
	require.NoError(t, err)
	require.Equal(t, res.ID, back.ID)
	return back
}

// tripError takes an error there and back, by a codec that knows errs.
func tripError(t testing.TB, err error, errs map[string]error) error {
	t.Helper()
	c := newCodec[int](t, &codec.Options{Errors: errs})
	back := trip(t, c, store.Result[int]{ID: 7, Value: 3, Err: err})
	require.Equal(t, 3, back.Value)
	require.Error(t, back.Err)
	return back.Err
}

// endless panics with itself when its text is asked for, and fmt.Sprint with it.
type endless struct{}

func (e *endless) Error() string { panic(e) }

const noText = "(*codec_test.endless, whose text cannot be had: the method that makes it panics)"

// funcs are Values made of two functions.
type funcs struct {
	marshal   func(v any) ([]byte, error)
	unmarshal func(data []byte, v any) error
}

func (f funcs) Marshal(v any) ([]byte, error)      { return f.marshal(v) }
func (f funcs) Unmarshal(data []byte, v any) error { return f.unmarshal(data, v) }

// failing are Values of which both methods do as fail does.
func failing(fail func() error) *codec.Options {
	return &codec.Options{Values: funcs{
		func(any) ([]byte, error) { return nil, fail() },
		func([]byte, any) error { return fail() },
	}}
}
