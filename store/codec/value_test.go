package codec_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// same takes a value there and back.
func same[R any](t *testing.T, values ...R) {
	t.Helper()
	c := newCodec[R](t, nil)
	for _, v := range values {
		for _, err := range []error{nil, errors.New("beside it")} {
			back := trip(t, c, store.Result[R]{ID: 1, Value: v, Err: err})
			assert.Equal(t, v, back.Value)
			assert.Equal(t, err == nil, back.Err == nil)
		}
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
}

func TestLargeValue(t *testing.T) {
	same(t, strings.Repeat("x", 1<<20), strings.Repeat("\x01", 1<<20))
}

// The end of the error part must not depend on what is in the value.
func TestEmptyValueBytes(t *testing.T) {
	c := newCodec[string](t, &codec.Options{Values: plain{}})
	for _, err := range []error{nil, errors.New("beside it")} {
		back := trip(t, c, store.Result[string]{ID: 1, Err: err})
		assert.Empty(t, back.Value)
	}
}

// plain writes a string as its bytes.
type plain struct{}

func (plain) Marshal(v any) ([]byte, error)      { return []byte(*v.(*string)), nil }
func (plain) Unmarshal(data []byte, v any) error { *v.(*string) = string(data); return nil }

// celsius has its methods on the pointer, where json.Marshal of a celsius overlooks one.
type celsius struct{ degrees int }

func (*celsius) MarshalJSON() ([]byte, error) { return []byte(`"warm"`), nil }

func TestPointerMethods(t *testing.T) {
	c := newCodec[celsius](t, nil)
	data, err := c.Encode(store.Result[celsius]{ID: 1, Value: celsius{5}})
	require.NoError(t, err)
	assert.Contains(t, string(data), "warm")
}

// strict is a type that refuses to write its zero value.
type strict struct{ Name string }

func (s strict) MarshalText() ([]byte, error) {
	if s.Name == "" {
		return nil, errors.New("no name")
	}
	return []byte(s.Name), nil
}

func (s *strict) UnmarshalText(data []byte) error { s.Name = string(data); return nil }

func TestZeroValueBesideAnErrorIsNotWritten(t *testing.T) {
	c := newCodec[strict](t, nil)
	back := trip(t, c, store.Result[strict]{ID: 1, Err: store.ErrNotRun})
	assert.Equal(t, store.ErrNotRun, back.Err)
	assert.Zero(t, back.Value)

	back = trip(t, c, store.Result[strict]{ID: 1, Value: strict{"a"}, Err: store.ErrNotRun})
	assert.Equal(t, strict{"a"}, back.Value)

	_, err := c.Encode(store.Result[strict]{ID: 1})
	assert.ErrorIs(t, err, store.ErrRejected)
}

// greedy keeps what it is given, and changes it.
type greedy struct{}

func (greedy) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (greedy) Unmarshal(data []byte, v any) error { data[0]++; *v.(*[]byte) = data; return nil }

func TestDecodeKeepsAndChangesNothing(t *testing.T) {
	c := newCodec[[]byte](t, &codec.Options{Values: greedy{}})
	data, err := c.Encode(store.Result[[]byte]{ID: 1, Value: []byte("abc")})
	require.NoError(t, err)
	before := string(data)

	res, err := c.Decode(1, data)
	require.NoError(t, err)
	assert.Equal(t, before, string(data))
	clear(data)
	assert.Equal(t, "bbc", string(res.Value))
}

func TestEncodeReturnsACopy(t *testing.T) {
	c := newCodec[[]byte](t, &codec.Options{Values: greedy{}})
	value := []byte("abc")
	data, err := c.Encode(store.Result[[]byte]{ID: 1, Value: value})
	require.NoError(t, err)
	clear(value)
	assert.Contains(t, string(data), "abc")
}
