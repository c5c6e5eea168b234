package codec_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

func TestNewRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		code string
		err  error
		says string
	}{
		"empty code":          {"", io.EOF, `code ""`},
		"code not UTF-8":      {"\xff", io.EOF, `code "\xff", which is not UTF-8`},
		"nil error":           {"none", nil, `Errors["none"] is nil`},
		"nil pointer":         {"none", (*store.PanicError)(nil), `Errors["none"] is nil`},
		"not comparable":      {"faces", manyFaced{}, `Errors["faces"], a codec_test.manyFaced, is not comparable`},
		"inside incomparable": {"w", withNil{manyFaced{}}, `Errors["w"], a codec_test.withNil, is not comparable`},
		"two codes":           {"b", io.ErrUnexpectedEOF, `Errors["b"] is known as "a" already`},
		"built-in error":      {"b", context.Canceled, `Errors["b"] is known as "context.canceled" already`},
		"built-in code":       {"pool.not_run", io.EOF, `Errors["pool.not_run"]: the codec has this code itself`},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := codec.New[int](&codec.Options{Errors: map[string]error{"a": io.ErrUnexpectedEOF, test.code: test.err}})
			assert.Nil(t, c)
			assert.ErrorContains(t, err, "codec: ")
			assert.ErrorContains(t, err, test.says)
		})
	}
	_, err := codec.New[int](&codec.Options{Values: (*Gob)(nil)})
	assert.ErrorContains(t, err, "codec: Values is a nil *codec_test.Gob")
}

// New copies the sentinels, and codecs share nothing: what one knows, another does not.
func TestNewCopiesErrors(t *testing.T) {
	errs := map[string]error{"inner": errInner}
	c := newCodec[int](t, &codec.Options{Errors: errs})
	delete(errs, "inner")
	res := store.Result[int]{ID: 1, Err: errInner}
	assert.Same(t, errInner, trip(t, c, res).Err)
	assert.NotErrorIs(t, trip(t, newCodec[int](t, nil), res).Err, errInner)
}

func TestZeroCodec(t *testing.T) {
	const says = "codec: this Codec was not made by New"
	for _, c := range []*codec.Codec[int]{nil, {}} {
		_, err := c.Encode(store.Result[int]{ID: 4711})
		assert.ErrorIs(t, err, store.ErrRejected)
		assert.ErrorContains(t, err, says)
		_, err = c.Decode(4711, nil)
		assert.EqualError(t, err, says)
		_, err = c.EncodeValue(1)
		assert.EqualError(t, err, says)
		_, err = c.DecodeValue(nil)
		assert.EqualError(t, err, says)
	}
}

// same takes values there and back, with an error and without, and without a result.
func same[R any](t *testing.T, values ...R) {
	t.Helper()
	c := newCodec[R](t, nil)
	for _, v := range values {
		for _, err := range []error{nil, errors.New("beside it")} {
			back := trip(t, c, store.Result[R]{ID: 1, Value: v, Err: err})
			assert.Equal(t, v, back.Value)
			assert.Equal(t, err == nil, back.Err == nil)
		}
		data, err := c.EncodeValue(v)
		assert.NoError(t, err)
		back, err := c.DecodeValue(data)
		assert.NoError(t, err)
		assert.Equal(t, v, back)
	}
}

func TestValuesComeBack(t *testing.T) {
	one := 1
	same[int64](t, 0, 1, math.MinInt64, math.MaxInt64)
	same(t, uint64(math.MaxUint64))
	same(t, 0, math.Copysign(0, -1), math.SmallestNonzeroFloat64, math.MaxFloat64)
	same(t, "", "a", "<&>\u2028\x00\uFFFD")
	same(t, nil, &one)
	same(t, nil, []int{}, []int{1})
	same(t, nil, []byte{}, []byte{0xff, 0})
	same(t, nil, map[string]*int{}, map[string]*int{"a": nil, "b": &one})
	same(t, struct{}{})
	same(t, [2]bool{true, false})
	same[any](t, nil, "a", 1.5, []any{true, nil}, map[string]any{"a": "b"})
	same(t, Thumb{}, Thumb{Name: "a", Pixels: []byte{1}})
	same(t, json.RawMessage(`{"a":[1,2]}`))
	same(t, strings.Repeat("x", 1<<20), strings.Repeat("\x01", 1<<20))
}

// What Encode returns shares nothing with the value, nor what Decode returns with the
// bytes. The value may be written as no bytes.
func TestBytesAreCopied(t *testing.T) {
	c := newCodec[[]byte](t, &codec.Options{Values: funcs{
		func(v any) ([]byte, error) { return *v.(*[]byte), nil },
		func(data []byte, v any) error { // changes the bytes and keeps them
			*v.(*[]byte) = data
			copy(data, "xyz")
			return nil
		},
	}})
	for text, want := range map[string]string{"": "", "abc": "xyz"} {
		value := []byte(text)
		data, err := c.Encode(store.Result[[]byte]{ID: 1, Value: value, Err: io.EOF})
		require.NoError(t, err)
		clear(value)
		before := string(data)
		assert.Contains(t, before, text)
		res, err := c.Decode(1, data)
		require.NoError(t, err)
		assert.Equal(t, before, string(data))
		clear(data)
		assert.Equal(t, want, string(res.Value))
	}
}

// requireRejected checks that a result cannot be encoded, and what it says. Without an
// error beside it, neither can its value.
func requireRejected[R any](t *testing.T, opts *codec.Options, value R, failed error, says string) {
	t.Helper()
	c := newCodec[R](t, opts)
	data, err := c.Encode(store.Result[R]{ID: 4711, Value: value, Err: failed})
	require.ErrorIs(t, err, store.ErrRejected)
	assert.Nil(t, data)
	assert.ErrorContains(t, err, "result 4711: ")
	assert.ErrorContains(t, err, says)
	if failed == nil {
		_, err = c.EncodeValue(value)
		require.ErrorContains(t, err, "codec: the value cannot be written as "+c.Name()+": ")
		assert.ErrorContains(t, err, says)
	}
}

// A pool stores, in the place of a result that was rejected, a zero R and the error.
func TestNaNIsRejected(t *testing.T) {
	requireRejected(t, nil, math.NaN(), nil, "json: unsupported value: NaN")
	requireRejected(t, nil, math.NaN(), errors.New("beside it"),
		"cannot write its float64 as json: json: unsupported value: NaN; have the task return")
	requireRejected[any](t, nil, make(chan int), nil, "unsupported type")

	c := newCodec[float64](t, nil)
	_, rejected := c.Encode(store.Result[float64]{ID: 1, Value: math.Inf(1)})
	back := trip(t, c, store.Result[float64]{ID: 1, Err: rejected})
	assert.EqualError(t, back.Err, rejected.Error())
	assert.ErrorIs(t, back.Err, store.ErrRejected)
}

type node struct{ Next *node }

// json.Marshal goes deeper than json.Unmarshal: that would be a result that was saved
// and cannot be read.
func TestCycleIsRejected(t *testing.T) {
	n := new(node)
	n.Next = n
	requireRejected(t, nil, n, nil, "cycle")

	list := func(length int) (n *node) {
		for range length {
			n = &node{n}
		}
		return n
	}
	requireRejected(t, nil, list(10_001), nil, "nested deeper")
	same(t, list(10_000))
}

// A panic in Values, or in a method of the value, is an error of the codec, and so is an
// error, whatever its text.
func TestPanicInMarshalIsRejected(t *testing.T) {
	for _, godebug := range []string{"panicnil=0", "panicnil=1"} {
		t.Setenv("GODEBUG", godebug)
		for says, opts := range map[string]*codec.Options{
			"panic: not today": failing(func() error { panic("not today") }),
			"panic: " + noText: failing(func() error { panic(&endless{}) }),
			": " + noText:      failing(func() error { return &endless{} }),
			"panic: ":          failing(func() error { panic(nil) }),
		} {
			requireRejected(t, opts, 1, nil, says)
			res, err := newCodec[int](t, opts).Decode(4711, summed(4711, "\x01\x001"))
			require.ErrorContains(t, err, "result 4711: cannot read its int as ")
			require.ErrorContains(t, err, says)
			assert.Zero(t, res)
		}
	}
}

// What an error of Values matches has no meaning to a store, nor to whoever reads a value: it is
// in the text only. One that refuses to write a value without a result is in the chain. A panic
// where such a value is read is the caller's.
func TestErrorOfValuesMatchesNothingElse(t *testing.T) {
	c := newCodec[int](t, failing(func() error { return store.ErrExists }))
	_, err := c.Encode(store.Result[int]{ID: 1, Value: 1})
	assert.ErrorIs(t, err, store.ErrRejected)
	assert.NotErrorIs(t, err, store.ErrExists)
	_, err = c.Decode(1, summed(1, "\x01\x001"))
	assert.ErrorContains(t, err, store.ErrExists.Error())
	assert.NotErrorIs(t, err, store.ErrExists)
	_, err = c.EncodeValue(1)
	assert.ErrorIs(t, err, store.ErrExists)

	var refuse func() error
	c = newCodec[int](t, &codec.Options{Values: funcs{codec.JSON{}.Marshal, func([]byte, any) error { return refuse() }}})
	written, err := c.EncodeValue(1)
	require.NoError(t, err)
	for _, refusal := range []error{io.EOF, &endless{}} {
		refuse = func() error { return refusal }
		_, err := c.DecodeValue(written)
		assert.ErrorContains(t, err, "codec: the value cannot be read as int as ")
		assert.NotErrorIs(t, err, refusal)
	}
	refuse = func() error { panic("not today") }
	assert.PanicsWithValue(t, "not today", func() { _, _ = c.DecodeValue(written) })
}

type (
	pair[A, B any] struct {
		First  A
		Second B
	}
	key struct{ Name string }
)

func TestName(t *testing.T) {
	const (
		here  = "github.com/resultpool/resultpool/store/codec_test."
		types = "github.com/resultpool/resultpool/store."
	)
	for want, c := range map[string]interface{ Name() string }{
		"int as json":                                     newCodec[int](t, nil),
		"interface {} as json":                            newCodec[any](t, nil),
		here + "Thumb as json":                            newCodec[Thumb](t, nil),
		"[]*" + here + "key as json":                      newCodec[[]*key](t, nil),
		"[3]" + here + "key as json":                      newCodec[[3]key](t, nil),
		"map[" + types + "ID][]" + here + "Thumb as json": newCodec[map[store.ID][]Thumb](t, nil),
		here + "pair[int,[]" + types + "ID] as json":      newCodec[pair[int, []store.ID]](t, nil),
		`struct { ` + here + `Thumb "json:\"t\""; B **` + types + `ID } as json`: newCodec[struct {
			Thumb `json:"t"`
			B     **store.ID
		}](t, nil),
		"int as " + here + "Gob":   newCodec[int](t, &codec.Options{Values: Gob{}}),
		"uint8 as " + here + "Gob": newCodec[byte](t, &codec.Options{Values: &Gob{}}),
		"uint as json":             newCodec[uint](t, &codec.Options{Values: &codec.JSON{}}),
	} {
		assert.Equal(t, want, c.Name())
	}
}
