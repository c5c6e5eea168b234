package codec_test

import (
	"errors"
	"fmt"
	"maps"
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
