package codec_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

func TestNewRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		opts codec.Options
		says string
	}{
		"empty code":          {codec.Options{Errors: map[string]error{"": io.EOF}}, `code ""`},
		"code not UTF-8":      {codec.Options{Errors: map[string]error{"\xff": io.EOF}}, `code "\xff", which is not UTF-8`},
		"nil error":           {codec.Options{Errors: map[string]error{"none": nil}}, `Errors["none"] is nil`},
		"nil pointer":         {codec.Options{Errors: map[string]error{"none": (*store.PanicError)(nil)}}, `Errors["none"] is nil`},
		"not comparable":      {codec.Options{Errors: map[string]error{"faces": manyFaced{}}}, `Errors["faces"], a codec_test.manyFaced, is not comparable`},
		"inside incomparable": {codec.Options{Errors: map[string]error{"w": withNil{manyFaced{}}}}, `Errors["w"], a codec_test.withNil, is not comparable`},
		"two codes":           {codec.Options{Errors: map[string]error{"a": io.EOF, "b": io.EOF}}, `Errors["b"] is known as "a" already`},
		"built-in error":      {codec.Options{Errors: map[string]error{"a": context.Canceled}}, `Errors["a"] is known as "context.canceled" already`},
		"built-in code":       {codec.Options{Errors: map[string]error{"pool.not_run": io.EOF}}, `Errors["pool.not_run"]: the codec has this code itself`},
		"nil Values":          {codec.Options{Values: (*Gob)(nil)}, "Values is a nil *codec_test.Gob"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := codec.New[int](&test.opts)
			assert.Nil(t, c)
			assert.ErrorContains(t, err, "codec: ")
			assert.ErrorContains(t, err, test.says)
		})
	}
}

func TestNewCopiesErrors(t *testing.T) {
	errs := map[string]error{"eof": io.EOF}
	c := newCodec[int](t, &codec.Options{Errors: errs})
	delete(errs, "eof")
	assert.Same(t, io.EOF, trip(t, c, store.Result[int]{ID: 1, Err: io.EOF}).Err)
}

// Codecs share nothing: what one knows, another does not.
func TestCodecsAreApart(t *testing.T) {
	newCodec[int](t, &codec.Options{Errors: map[string]error{"eof": io.EOF}})
	assert.NotErrorIs(t, trip(t, newCodec[int](t, nil), store.Result[int]{ID: 1, Err: io.EOF}).Err, io.EOF)
}

func TestManyGoroutines(t *testing.T) {
	c := newCodec[Thumb](t, &codec.Options{Errors: map[string]error{"eof": io.EOF}})
	want := store.Result[Thumb]{ID: 1, Value: Thumb{Name: "a"}, Err: errors.Join(io.EOF, context.Canceled)}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				data, err := c.Encode(want)
				assert.NoError(t, err)
				got, err := c.Decode(1, data)
				assert.NoError(t, err)
				assert.Equal(t, want.Value, got.Value)
				assert.ErrorIs(t, got.Err, io.EOF)
			}
		})
	}
	wg.Wait()
}

type (
	pair[A, B any] struct {
		First  A
		Second B
	}
	alias = Thumb
)

const here = "github.com/resultpool/resultpool/store/codec_test."

func assertName[R any](t *testing.T, want string) {
	t.Helper()
	assert.Equal(t, want+" as json", newCodec[R](t, nil).Name())
}

func TestName(t *testing.T) {
	assertName[int](t, "int")
	assertName[any](t, "interface {}")
	assertName[error](t, "error")
	assertName[byte](t, "uint8")
	assertName[Thumb](t, here+"Thumb")
	assertName[alias](t, here+"Thumb")
	assertName[[]*Thumb](t, "[]*"+here+"Thumb")
	assertName[[3]Thumb](t, "[3]"+here+"Thumb")
	assertName[map[Thumb2][]Thumb](t, "map["+here+"Thumb2][]"+here+"Thumb")
	assertName[**store.PanicError](t, "**github.com/resultpool/resultpool/store.PanicError")
	assertName[pair[int, []store.ID]](t, here+"pair[int,[]github.com/resultpool/resultpool/store.ID]")
	assertName[struct {
		Thumb `json:"t"`
		B     *store.ID
	}](t, `struct { `+here+`Thumb "json:\"t\""; B *github.com/resultpool/resultpool/store.ID }`)
	assertName[struct{}](t, "struct {  }")
}

// Thumb2 can be a key.
type Thumb2 struct{ Name string }

func TestNameOfValues(t *testing.T) {
	for _, v := range []codec.Values{Gob{}, &Gob{}} {
		assert.Equal(t, "int as "+here+"Gob", newCodec[int](t, &codec.Options{Values: v}).Name())
	}
	for _, v := range []codec.Values{codec.JSON{}, &codec.JSON{}} {
		assert.Equal(t, "int as json", newCodec[int](t, &codec.Options{Values: v}).Name())
	}
	require.NotEqual(t, newCodec[int](t, nil).Name(), newCodec[int32](t, nil).Name())
}

func TestZeroCodec(t *testing.T) {
	for _, c := range []*codec.Codec[int]{nil, {}} {
		_, err := c.Encode(store.Result[int]{ID: 4711})
		assert.ErrorIs(t, err, store.ErrRejected)
		assert.ErrorContains(t, err, "codec: this Codec was not made by New")
		_, err = c.Decode(4711, nil)
		assert.EqualError(t, err, "codec: this Codec was not made by New")
		_, err = c.EncodeValue(1)
		assert.EqualError(t, err, "codec: this Codec was not made by New")
		_, err = c.DecodeValue(nil)
		assert.EqualError(t, err, "codec: this Codec was not made by New")
	}
}
