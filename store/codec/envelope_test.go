package codec_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

// version1 are results as version 1 writes them, to the byte: the program of next year
// has to read them. The value is 7, or left out as 0.
var version1 = []struct {
	part, value string
	err         error
}{
	{``, `7`, nil},
	{`{"text":"bad"}`, `7`, errors.New("bad")},
	{`{"text":"bad","zero":true}`, ``, errors.New("bad")},
	{`{}`, `7`, errors.New("")},
	{`{"text":{"base64":"/w=="}}`, `7`, errors.New("\xff")},
	{`{"text":"` + long + `"}`, `7`, errors.New(long)},
	{`{"text":"store: result rejected","is":["store.rejected"],"exact":"store.rejected"}`, `7`, store.ErrRejected},
	{`{"text":"store: result already exists","is":["store.exists"],"exact":"store.exists"}`, `7`, store.ErrExists},
	{`{"text":"store: result not found","is":["store.not_found"],"exact":"store.not_found"}`, `7`, store.ErrNotFound},
	{`{"text":"pool: task called runtime.Goexit","is":["pool.goexit"],"exact":"pool.goexit"}`, `7`, store.ErrGoexit},
	{`{"text":"pool: task not run: context canceled","is":["context.canceled","pool.not_run"]}`, `7`,
		fmt.Errorf("%w: %w", store.ErrNotRun, context.Canceled)},
	{`{"text":"a: context deadline exceeded","is":["context.deadline_exceeded"]}`, `7`,
		fmt.Errorf("a: %w", context.DeadlineExceeded)},
	{`{"text":"pool: recovered panic: x","panic":{"exact":true,"text":"x","stack":"s\n"}}`, `7`,
		&store.PanicError{Value: "x", Stack: []byte("s\n")}},
	{`{"text":"a: pool: recovered panic: context canceled","is":["context.canceled"],` +
		`"panic":{"text":"context canceled","error":` +
		`{"text":"context canceled","is":["context.canceled"],"exact":"context.canceled"},"stack":"s"}}`, `7`,
		fmt.Errorf("a: %w", &store.PanicError{Value: context.Canceled, Stack: []byte("s")})},
}

// long makes an error part whose length takes two bytes.
var long = strings.Repeat("x", 200)

// sealed puts a result together as version 1 does, but for the sum.
func sealed(part, value string) string {
	data := binary.AppendUvarint([]byte{1}, uint64(len(part)))
	return string(data) + part + value
}

func TestVersion1(t *testing.T) {
	c := newCodec[int](t, nil)
	for _, v := range version1 {
		written := store.Result[int]{Value: 7, Err: v.err}
		if v.value == "" {
			written.Value = 0
		}
		want := summed(0, sealed(v.part, v.value))
		data, err := c.Encode(written)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(data))
		res, err := c.Decode(0, want)
		require.NoError(t, err)
		requireSame(t, written, res)
	}
}

// The sums of version 1, by another program's account: CRC-32C of 0000000000000007 and
// 010037, in hex, and of "int as json". Tasks in a queue are such values without a result.
func TestSumOfVersion1(t *testing.T) {
	c := newCodec[int](t, nil)
	data, err := c.Encode(store.Result[int]{ID: 7, Value: 7})
	require.NoError(t, err)
	assert.Equal(t, "01003716b1b9f2", hex.EncodeToString(data))

	data, err = c.EncodeValue(7)
	require.NoError(t, err)
	assert.Equal(t, "01792ee20637", hex.EncodeToString(data))
}

func TestBytesOfNoResult(t *testing.T) {
	c := newCodec[int](t, nil)
	for data, says := range map[string]string{
		"\x00\x001":                              "nothing that a codec wrote",
		"\x01":                                   "nothing that a codec wrote",
		"\x01\x80":                               "nothing that a codec wrote",
		"\x01\x03{}":                             "nothing that a codec wrote", // one byte too few
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

// No bit of what Encode returned can change, no byte be missing, and no ID be taken for
// another, unnoticed.
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
		_, err := c.Decode(4711, data[:i])
		assert.ErrorContains(t, err, "result 4711: ", "%d bytes", i)
	}
	for bit := range 64 {
		id := store.ID(4711 ^ 1<<bit)
		_, err := c.Decode(id, data)
		assert.ErrorContains(t, err, "not the bytes that were written for it", "ID %d", id)
	}
}
