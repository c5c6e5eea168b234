package codec_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// endless panics with itself when its text is asked for, and fmt.Sprint with it.
type endless struct{}

func (e *endless) Error() string { panic(e) }

const noText = "(*codec_test.endless, whose text cannot be had: the method that makes it panics)"

// An error whose text cannot be had is refused like any whose method panics.
func TestErrorWithoutText(t *testing.T) {
	for _, bad := range []error{&endless{}, errors.Join(errors.New("x"), &endless{})} {
		_, err := newCodec[int](t, nil).Encode(store.Result[int]{ID: 4711, Err: bad})
		assert.ErrorIs(t, err, store.ErrRejected)
		assert.ErrorContains(t, err, "result 4711: ")
		assert.ErrorContains(t, err, noText)
	}
}

// A panic with such a value is kept: the value's text is that it has none.
func TestPanicWithAValueWithoutText(t *testing.T) {
	back := tripError(t, &store.PanicError{Value: &endless{}, Stack: []byte("stack")}, nil)
	assert.EqualError(t, back, "pool: recovered panic: "+noText)
	var p *store.PanicError
	require.ErrorAs(t, back, &p)
	assert.Same(t, back, p)
	assert.Equal(t, "stack", string(p.Stack))
}

// nameless can be neither written nor read.
type nameless struct{ Panics bool }

func (n nameless) MarshalJSON() ([]byte, error) {
	if n.Panics {
		panic(&endless{})
	}
	return nil, &endless{}
}

func (n *nameless) UnmarshalJSON(data []byte) error {
	if string(data) == "1" {
		panic(&endless{})
	}
	return &endless{}
}

func TestValueWhoseErrorHasNoText(t *testing.T) {
	c := newCodec[nameless](t, nil)
	for _, panics := range []bool{false, true} {
		_, err := c.Encode(store.Result[nameless]{ID: 4711, Value: nameless{panics}})
		assert.ErrorIs(t, err, store.ErrRejected)
		assert.ErrorContains(t, err, "result 4711: ")
		assert.ErrorContains(t, err, "whose text cannot be had")
	}
	for _, data := range []string{"1", "2"} {
		_, err := c.Decode(4711, summed(4711, "\x01\x00"+data))
		assert.ErrorContains(t, err, "result 4711: ")
		assert.ErrorContains(t, err, "whose text cannot be had")
	}
}

// silent panics with nil wherever it can, which with GODEBUG=panicnil=1 looks like no
// panic at all. (Not in MarshalJSON: package json takes that for success then.)
type silent struct{}

func (silent) Marshal(any) ([]byte, error) { panic(nil) }
func (silent) Unmarshal([]byte, any) error { panic(nil) }
func (silent) Error() string               { panic(nil) }

func TestPanicNilIsAnError(t *testing.T) {
	for _, godebug := range []string{"panicnil=0", "panicnil=1"} {
		t.Run(godebug, func(t *testing.T) {
			t.Setenv("GODEBUG", godebug)
			c := newCodec[int](t, &codec.Options{Values: silent{}})
			_, err := c.Encode(store.Result[int]{ID: 4711})
			assert.ErrorIs(t, err, store.ErrRejected)
			_, err = c.Encode(store.Result[int]{ID: 4711, Err: silent{}})
			assert.ErrorIs(t, err, store.ErrRejected)
			_, err = c.Decode(4711, summed(4711, "\x01\x001"))
			assert.ErrorContains(t, err, "result 4711: cannot read its")
		})
	}
}
