package codec_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
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
	opts := &codec.Options{Errors: map[string]error{"eof": io.EOF}}
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
	f.Add([]byte(nil), 0.0, "\xff\x00", uint(0xff), []byte(nil))
	f.Add([]byte{}, -1e300, "", uint(0x1ff), []byte{0xff})
	errs := map[string]error{"eof": io.EOF, "eof2": io.ErrUnexpectedEOF}
	type value struct {
		Bytes  []byte
		Number float64
	}
	c := newCodec[value](f, &codec.Options{Errors: errs})
	f.Fuzz(func(t *testing.T, bytes []byte, number float64, text string, shape uint, stack []byte) {
		res := store.Result[value]{ID: 4711, Value: value{bytes, number}, Err: shaped(text, shape, stack)}
		data, err := c.Encode(res)
		if err != nil {
			require.ErrorIs(t, err, store.ErrRejected)
			require.ErrorContains(t, err, "result 4711: ")
			require.True(t, math.IsNaN(number) || math.IsInf(number, 0), "rejected without a reason: %v", err)
			return
		}
		back, err := c.Decode(4711, data)
		require.NoError(t, err)
		requireSame(t, res, back)
	})
}

// shaped makes an error of a text, one bit for each sentinel beside it, and two for each
// layer around it.
func shaped(text string, shape uint, stack []byte) error {
	if shape == 0 {
		return nil
	}
	err := errors.New(text)
	for _, s := range []error{io.EOF, context.Canceled, store.ErrNotRun} {
		if shape&1 != 0 {
			err = errors.Join(err, s)
		}
		shape >>= 1
	}
	for range 6 {
		switch shape & 3 {
		case 1:
			err = fmt.Errorf("%s: %w", text, err)
		case 2:
			err = &store.PanicError{Value: err, Stack: stack}
		case 3:
			err = errors.Join(&store.PanicError{Value: text, Stack: stack}, err)
		}
		shape >>= 2
	}
	return err
}

// requireSame compares all that is kept.
func requireSame[R any](t *testing.T, want, got store.Result[R]) {
	t.Helper()
	require.Equal(t, want.ID, got.ID)
	require.Equal(t, want.Value, got.Value)
	requireSameError(t, want.Err, got.Err)
}

func requireSameError(t *testing.T, want, got error) {
	t.Helper()
	if want == nil {
		require.NoError(t, got)
		return
	}
	require.EqualError(t, got, want.Error())
	for _, s := range append([]error{io.EOF, io.ErrUnexpectedEOF}, builtin...) {
		require.Equal(t, errors.Is(want, s), errors.Is(got, s), "%q matches %q", want, s)
	}
	var wantPanic, gotPanic *store.PanicError
	require.Equal(t, errors.As(want, &wantPanic), errors.As(got, &gotPanic))
	if wantPanic == nil {
		return
	}
	require.Equal(t, want == error(wantPanic), got == error(gotPanic))
	require.Equal(t, string(wantPanic.Stack), string(gotPanic.Stack))
	wantValue, isError := wantPanic.Value.(error)
	if !isError {
		require.Equal(t, fmt.Sprint(wantPanic.Value), gotPanic.Value)
		return
	}
	gotValue, isError := gotPanic.Value.(error)
	require.True(t, isError)
	requireSameError(t, wantValue, gotValue)
}
