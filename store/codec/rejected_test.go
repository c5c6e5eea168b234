package codec_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// requireRejected checks that a result cannot be encoded, and what it says.
func requireRejected[R any](t *testing.T, opts *codec.Options, value R, failed error, says string) {
	t.Helper()
	data, err := newCodec[R](t, opts).Encode(store.Result[R]{ID: 4711, Value: value, Err: failed})
	require.ErrorIs(t, err, store.ErrRejected)
	assert.Nil(t, data)
	assert.ErrorContains(t, err, "result 4711: ")
	assert.ErrorContains(t, err, says)
}

func TestNaNIsRejected(t *testing.T) {
	requireRejected(t, nil, math.NaN(), nil, "cannot write its float64 as json: json: unsupported value: NaN; have the task return")
	requireRejected(t, nil, math.NaN(), errors.New("beside it"), "NaN")
}

func TestChannelIsRejected(t *testing.T) {
	requireRejected(t, nil, make(chan int), nil, "unsupported type")
}

type node struct{ Next *node }

func TestCycleIsRejected(t *testing.T) {
	n := new(node)
	n.Next = n
	requireRejected(t, nil, n, nil, "cycle")
}

// json.Marshal goes deeper than json.Unmarshal: that would be a result that was saved
// and cannot be read.
func TestTooDeepIsRejected(t *testing.T) {
	list := func(length int) (n *node) {
		for range length {
			n = &node{n}
		}
		return n
	}
	requireRejected(t, nil, list(10_001), nil, "nested deeper")
	same(t, list(10_000))
}

func TestErrorOfMarshalMatchesNothingElse(t *testing.T) {
	c := newCodec[int](t, &codec.Options{Values: failing{store.ErrExists}})
	_, err := c.Encode(store.Result[int]{ID: 1, Value: 1})
	assert.ErrorIs(t, err, store.ErrRejected)
	assert.NotErrorIs(t, err, store.ErrExists)
	_, err = c.Decode(1, summed(1, "\x01\x001"))
	assert.ErrorContains(t, err, store.ErrExists.Error())
	assert.NotErrorIs(t, err, store.ErrExists)
}

// failing refuses everything.
type failing struct{ err error }

func (f failing) Marshal(any) ([]byte, error) { return nil, f.err }
func (f failing) Unmarshal([]byte, any) error { return f.err }

// The types below panic in the method that they are called after.
type (
	panicking struct{}
	badText   struct{}
	badIs     struct{}
	badUnwrap struct{}
	badAs     struct{}
)

func (panicking) MarshalJSON() ([]byte, error) { panic("no marshalling today") }
func (*panicking) UnmarshalJSON([]byte) error  { panic("no unmarshalling today") }
func (badText) Error() string                  { panic("no text today") }
func (badIs) Error() string                    { return "bad" }
func (badIs) Is(error) bool                    { panic("no Is today") }
func (badUnwrap) Error() string                { return "bad" }
func (badUnwrap) Unwrap() error                { panic("no Unwrap today") }
func (badAs) Error() string                    { return "bad" }
func (badAs) As(any) bool                      { panic("no As today") }

func TestPanicInMarshalIsRejected(t *testing.T) {
	requireRejected(t, nil, panicking{}, nil, "no marshalling today")
}

func TestPanicInMethodOfAnErrorIsRejected(t *testing.T) {
	for _, test := range []struct {
		err  error
		says string
	}{
		{badText{}, "codec_test.badText, since a method panics: panic: no text today; mend that method"},
		{badIs{}, "no Is today"},
		{badUnwrap{}, "no Unwrap today"},
		{badAs{}, "no As today"},
		{fmt.Errorf("wrapped: %w", badIs{}), "no Is today"},
		{errors.Join(errors.New("a"), badUnwrap{}), "no Unwrap today"},
		{&store.PanicError{Value: badIs{}}, "no Is today"},
		{(*store.PanicError)(nil), "nil pointer"},
	} {
		t.Run(fmt.Sprintf("%T", test.err), func(t *testing.T) {
			requireRejected(t, nil, 1, test.err, test.says)
		})
	}
}

// A pool stores, in the place of a result that was rejected, a zero R and the error.
func TestTheErrorOfARejectedResultIsKept(t *testing.T) {
	c := newCodec[float64](t, nil)
	_, rejected := c.Encode(store.Result[float64]{ID: 1, Value: math.Inf(1)})
	back := trip(t, c, store.Result[float64]{ID: 1, Err: rejected})
	assert.EqualError(t, back.Err, rejected.Error())
	assert.ErrorIs(t, back.Err, store.ErrRejected)
}
