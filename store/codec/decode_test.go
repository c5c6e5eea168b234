package codec_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

func TestBytesOfNoResult(t *testing.T) {
	c := newCodec[int](t, nil)
	for data, says := range map[string]string{
		"\x00":                                   "nothing that a codec wrote",
		"\x00\x001":                              "nothing that a codec wrote",
		"\x01":                                   "nothing that a codec wrote",
		"\x01\x80":                               "nothing that a codec wrote",
		"\x01\x05{}":                             "nothing that a codec wrote",
		"\x01\x03{}":                             "nothing that a codec wrote", // one byte too few
		"\x01\x02":                               "nothing that a codec wrote",
		"\x01\x02{}":                             "cannot read its int as json",
		"\x01\x02{]1":                            "nothing that a codec wrote: invalid character",
		"\x01\x0a{\"text\":1}1":                  "nothing that a codec wrote: json",
		"\x01\x0b{\"text\":[]}1":                 "nothing that a codec wrote: json",
		"\x01\x17{\"text\":{\"base64\":\"%\"}}1": "nothing that a codec wrote: illegal base64",
		"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01": "nothing that a codec wrote",
		"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff": "nothing that a codec wrote",
		"\x01\x00":      "cannot read its int as json: unexpected end of JSON input",
		"\x01\x00\"a\"": "cannot read its int as json",
		"\x01\x001 2":   "cannot read its int as json",
		"\x02\x001":     "version 2 by a newer program; this one reads version 1",
		"\xff":          "version 255 by a newer program; this one reads version 1",
	} {
		res, err := c.Decode(4711, summed(4711, data))
		assert.ErrorContains(t, err, "codec: result 4711: ", "%q", data)
		assert.ErrorContains(t, err, says, "%q", data)
		assert.Zero(t, res, "%q", data)
	}
	for _, short := range []string{"", "\x00", "\x01", "\x01\x00", "\x01abc"} {
		_, err := c.Decode(4711, []byte(short))
		assert.ErrorContains(t, err, "nothing that a codec wrote", "%q", short)
	}
	_, err := c.Decode(4711, []byte("\x02"))
	assert.ErrorContains(t, err, "version 2 by a newer program", "whatever comes after the version")
}

// No bit of what Encode returned can change, and no ID be taken for another, unnoticed.
func TestChangedBits(t *testing.T) {
	c := newCodec[string](t, nil)
	data, err := c.Encode(store.Result[string]{ID: 4711, Value: "abc", Err: errors.New("failed")})
	require.NoError(t, err)
	for i := range data {
		for bit := range 8 {
			changed := bytes.Clone(data)
			changed[i] ^= 1 << bit
			_, err := c.Decode(4711, changed)
			assert.ErrorContains(t, err, "result 4711: ", "byte %d, bit %d", i, bit)
		}
	}
	for bit := range 64 {
		id := store.ID(4711 ^ 1<<bit)
		_, err := c.Decode(id, data)
		assert.ErrorContains(t, err, "not the bytes that were written for it", "ID %d", id)
	}
}

// Every piece of what Encode returned, but the whole, is an error.
func TestCutOff(t *testing.T) {
	c := newCodec[string](t, nil)
	data, err := c.Encode(store.Result[string]{ID: 1, Value: "abc", Err: errors.New("failed")})
	require.NoError(t, err)
	for n := range data {
		_, err := c.Decode(1, data[:n])
		assert.ErrorContains(t, err, "result 1: ", "%q", data[:n])
	}
}

func TestPanicInUnmarshalIsAnError(t *testing.T) {
	res, err := newCodec[panicking](t, nil).Decode(4711, summed(4711, "\x01\x001"))
	assert.ErrorContains(t, err, "result 4711: ")
	assert.ErrorContains(t, err, "no unmarshalling today")
	assert.Zero(t, res)
}

// An R that can be written and not read is found when it is read.
func TestInterfaceWithMethodsCannotBeRead(t *testing.T) {
	c := newCodec[error](t, nil)
	data, err := c.Encode(store.Result[error]{ID: 4711, Value: errors.New("x")})
	require.NoError(t, err)
	_, err = c.Decode(4711, data)
	assert.ErrorContains(t, err, "result 4711: cannot read its error as json")
}
