package codec_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// FuzzDecode decodes any bytes, as they are and with the sum that belongs to them: there
// is no panic, and what is a result is written and read again as the same.
func FuzzDecode(f *testing.F) {
	for _, v := range version1 {
		f.Add([]byte(sealed(v.part, v.value)))
	}
	f.Add([]byte(sealed(`{"is":["b","a","a",""],"exact":"c","panic":{"exact":true,"error":{"is":["eof"]}}}`, ` 7 `)))
	opts := &codec.Options{Errors: known}
	narrow, wide := newCodec[int](f, opts), newCodec[any](f, opts)
	f.Fuzz(func(t *testing.T, data []byte) {
		decodeAny(t, narrow, data)
		decodeAny(t, narrow, summed(4711, string(data)))
		decodeAny(t, wide, summed(4711, string(data)))
	})
}

func decodeAny[R any](t *testing.T, c *codec.Codec[R], data []byte) {
	t.Helper()
	res, err := c.Decode(4711, data)
	if err != nil {
		require.ErrorContains(t, err, "result 4711: ")
		require.Zero(t, res)
		return
	}
	once, err := c.Encode(res)
	require.NoError(t, err)
	again, err := c.Decode(4711, once)
	require.NoError(t, err)
	requireSame(t, res, again)

	twice, err := c.Encode(again)
	require.NoError(t, err)
	require.Equal(t, string(once), string(twice))
}

// FuzzRoundTrip takes a value and an error there and back.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("abc"), 1.5, "text", uint(0), []byte("stack"))
	f.Add([]byte(nil), math.NaN(), "\xff\x00", uint(0o1234), []byte(nil))
	f.Add([]byte{}, -1e300, "", uint(0o3344), []byte{0xff})
	type value struct {
		Bytes  []byte
		Number float64
	}
	c := newCodec[value](f, &codec.Options{Errors: known})
	f.Fuzz(func(t *testing.T, bytes []byte, number float64, text string, shape uint, stack []byte) {
		res := store.Result[value]{ID: 4711, Value: value{bytes, number}, Err: shaped(text, shape, stack)}
		data, err := c.Encode(res)
		if math.IsNaN(number) || math.IsInf(number, 0) {
			require.ErrorIs(t, err, store.ErrRejected)
			return
		}
		require.NoError(t, err)
		back, err := c.Decode(4711, data)
		require.NoError(t, err)
		requireSame(t, res, back)
	})
}

// shaped makes an error of a text, and of six layers around it that are chosen by the
// digits of shape. It is nil for 0.
func shaped(text string, shape uint, stack []byte) (err error) {
	for range 6 {
		switch shape & 7 {
		case 1:
			err = errors.Join(err, io.EOF)
		case 2:
			err = errors.Join(err, errors.New(text), context.Canceled, store.ErrNotRun)
		case 3:
			err = &store.PanicError{Value: err, Stack: stack}
		case 4:
			err = errors.Join(&store.PanicError{Value: text, Stack: stack}, err)
		}
		shape >>= 3
	}
	return err
}

// requireSame compares all that is kept.
func requireSame[R any](t *testing.T, want, got store.Result[R]) {
	t.Helper()
	require.Equal(t, want.ID, got.ID)
	require.Equal(t, want.Value, got.Value)
	if want.Err == nil {
		require.NoError(t, got.Err)
		return
	}
	requireSameError(t, want.Err, got.Err)
}

func requireSameError(t *testing.T, want, got error) {
	t.Helper()
	require.EqualError(t, got, want.Error())
	for _, s := range slices.AppendSeq(slices.Clone(builtin), maps.Values(known)) {
		require.Equal(t, errors.Is(want, s), errors.Is(got, s), "%q matches %q", want, s)
	}
	var wantPanic, gotPanic *store.PanicError
	require.Equal(t, errors.As(want, &wantPanic), errors.As(got, &gotPanic))
	if wantPanic == nil {
		return
	}
	require.Equal(t, want == error(wantPanic), got == error(gotPanic))
	require.Equal(t, string(wantPanic.Stack), string(gotPanic.Stack))
	if value, isError := wantPanic.Value.(error); isError {
		require.Implements(t, (*error)(nil), gotPanic.Value)
		requireSameError(t, value, gotPanic.Unwrap())
		return
	}
	require.Equal(t, fmt.Sprint(wantPanic.Value), gotPanic.Value)
}
