package codec_test

import (
	"encoding/hex"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store/codec"
)

// The bytes of a value in version 1: the version, the CRC-32C of "int as json" by another
// program's account, and the value. Tasks in a queue outlive the program that wrote them.
func TestBytesOfAValue(t *testing.T) {
	c := newCodec[int](t, nil)
	data, err := c.EncodeValue(7)
	require.NoError(t, err)
	assert.Equal(t, "01792ee20637", hex.EncodeToString(data))
	v, err := c.DecodeValue(data)
	assert.NoError(t, err)
	assert.Equal(t, 7, v)
}

func TestBytesOfNoValue(t *testing.T) {
	c := newCodec[int](t, nil)
	ours, err := c.EncodeValue(7)
	require.NoError(t, err)
	head := string(ours[:5])
	theirs, err := newCodec[int32](t, nil).EncodeValue(7)
	require.NoError(t, err)
	for data, says := range map[string]string{
		"":              "read: it is nothing that a codec wrote",
		"\x01abc":       "read: it is nothing that a codec wrote",
		"\x00abcd1":     "read: it is nothing that a codec wrote",
		"\x02abcd1":     "read: it was written as version 2 by a newer program; this one reads version 1",
		"\x01abcd1":     "read: it is not int as json, but of another program",
		string(theirs):  "read: it is not int as json, but of another program",
		head:            "read as int as json: unexpected end of JSON input",
		head + `"text"`: "read as int as json: json: cannot unmarshal string",
	} {
		v, err := c.DecodeValue([]byte(data))
		assert.ErrorContains(t, err, "codec: the value cannot be "+says, "%q", data)
		assert.Zero(t, v)
	}
}

// Whatever goes wrong with the text of the user's error or panic.
func TestValueCannotBeWritten(t *testing.T) {
	const says = "codec: the value cannot be written as "
	_, err := newCodec[float64](t, nil).EncodeValue(math.NaN())
	assert.EqualError(t, err, says+"float64 as json: json: unsupported value: NaN")
	for _, panics := range []bool{false, true} {
		_, err = newCodec[nameless](t, nil).EncodeValue(nameless{panics})
		assert.ErrorContains(t, err, says)
		assert.ErrorContains(t, err, "whose text cannot be had")
	}
	_, err = newCodec[int](t, &codec.Options{Values: failing{io.EOF}}).EncodeValue(1)
	assert.ErrorIs(t, err, io.EOF)
	for _, godebug := range []string{"panicnil=0", "panicnil=1"} {
		t.Setenv("GODEBUG", godebug)
		_, err = newCodec[int](t, &codec.Options{Values: silent{}}).EncodeValue(1)
		assert.ErrorContains(t, err, says)
	}
}

// An error of Values is in the text only. A panic is the caller's.
func TestValueCannotBeRead(t *testing.T) {
	for _, refusal := range []error{io.EOF, &endless{}} {
		written, err := newCodec[int](t, &codec.Options{Values: failing{}}).EncodeValue(1)
		require.NoError(t, err)
		_, err = newCodec[int](t, &codec.Options{Values: failing{refusal}}).DecodeValue(written)
		assert.ErrorContains(t, err, "codec: the value cannot be read as int as ")
		assert.NotErrorIs(t, err, refusal)
	}
	c := newCodec[int](t, &codec.Options{Values: onlyWrites{}})
	written, err := c.EncodeValue(1)
	require.NoError(t, err)
	assert.PanicsWithValue(t, "no reading today", func() { _, _ = c.DecodeValue(written) })
}

type onlyWrites struct{ failing }

func (onlyWrites) Unmarshal([]byte, any) error { panic("no reading today") }
