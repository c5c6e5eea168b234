package codec_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

func TestPanicErrorIsOneAgain(t *testing.T) {
	stack := debug.Stack()
	for _, value := range []any{"text", 7, nil, struct{ A int }{1}, "not UTF-8: \xff"} {
		back := tripError(t, &store.PanicError{Value: value, Stack: stack}, nil)
		assert.Equal(t, &store.PanicError{Value: fmt.Sprint(value), Stack: stack}, back)
	}
}

func TestPanicWithoutStack(t *testing.T) {
	assert.Equal(t, &store.PanicError{Value: "x"}, tripError(t, &store.PanicError{Value: "x"}, nil))
}

func TestPanicWithAnError(t *testing.T) {
	back := tripError(t, &store.PanicError{Value: fmt.Errorf("reading: %w", io.EOF)}, map[string]error{"eof": io.EOF})
	var p *store.PanicError
	require.ErrorAs(t, back, &p)
	assert.Same(t, back, p)
	assert.EqualError(t, back, "pool: recovered panic: reading: EOF")
	assert.ErrorIs(t, back, io.EOF)

	value, ok := p.Value.(error)
	require.True(t, ok)
	assert.EqualError(t, value, "reading: EOF")
	assert.ErrorIs(t, value, io.EOF)
}

func TestPanicWithASentinel(t *testing.T) {
	back := tripError(t, &store.PanicError{Value: context.Canceled}, nil)
	assert.Equal(t, &store.PanicError{Value: context.Canceled}, back)
}

func TestPanicInsideOfAnError(t *testing.T) {
	err := fmt.Errorf("task 7: %w", errors.Join(context.Canceled, &store.PanicError{Value: "x", Stack: []byte("stack")}))
	back := tripError(t, err, nil)
	assert.EqualError(t, back, err.Error())
	assertMatches(t, back, context.Canceled)
	var p *store.PanicError
	require.ErrorAs(t, back, &p)
	assert.Equal(t, &store.PanicError{Value: "x", Stack: []byte("stack")}, p)
}

func TestPanicInAPanic(t *testing.T) {
	inner := &store.PanicError{Value: io.EOF, Stack: []byte("inner")}
	outer := &store.PanicError{Value: inner, Stack: []byte("outer")}
	assert.Equal(t, outer, tripError(t, outer, map[string]error{"eof": io.EOF}))
}

// Beyond some depth only the text and the codes are kept: JSON could not read what is
// nested ever deeper.
func TestPanicsInPanicsEnd(t *testing.T) {
	err := &store.PanicError{Value: io.EOF, Stack: []byte("stack")}
	for range 19 {
		err = &store.PanicError{Value: err, Stack: []byte("stack")}
	}
	errs := map[string]error{"eof": io.EOF}
	back := tripError(t, err, errs)
	assert.EqualError(t, back, err.Error())
	assert.ErrorIs(t, back, io.EOF)
	assert.Equal(t, 8, panics(back))

	data, failed := newCodec[int](t, &codec.Options{Errors: errs}).Encode(store.Result[int]{ID: 1, Err: err})
	require.NoError(t, failed)
	assert.Equal(t, 8, strings.Count(string(data), `"stack":`))
}

// What is decoded can be encoded again, so it is no deeper.
func TestPanicsInPanicsEndWhenRead(t *testing.T) {
	part := `{}`
	for range 20 {
		part = `{"panic":{"exact":true,"error":` + part + `}}`
	}
	res, err := newCodec[int](t, nil).Decode(1, summed(1, sealed(part, "1")))
	require.NoError(t, err)
	assert.Equal(t, 8, panics(res.Err))
}

// panics counts the panics in panics.
func panics(err error) (n int) {
	for p := (*store.PanicError)(nil); errors.As(err, &p); n++ {
		err = p.Unwrap()
	}
	return n
}

// An error with the text of the panic in it is not the panic.
func TestPanicInsideOfAnErrorWithItsText(t *testing.T) {
	back := tripError(t, withNil{&store.PanicError{Value: "x"}}, nil)
	_, is := back.(*store.PanicError) //nolint:errorlint // which one it is
	assert.False(t, is)
	assert.EqualError(t, back, "pool: recovered panic: x")
}

// formatted has another text for fmt than for Error.
type formatted struct{ error }

func (formatted) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("formatted")) }

func TestPanicWithAnErrorThatFormatsItself(t *testing.T) {
	err := &store.PanicError{Value: formatted{io.EOF}}
	back := tripError(t, err, nil)
	assert.EqualError(t, back, "pool: recovered panic: formatted")
}

// The text of a panic is what counts, also where the value gives another one later.
func TestPanicWithAValueThatChanges(t *testing.T) {
	err := &store.PanicError{Value: new(counter)}
	back := tripError(t, err, nil)
	assert.EqualError(t, back, "pool: recovered panic: x")
	var p *store.PanicError
	require.ErrorAs(t, back, &p)
	assert.Equal(t, "xx", p.Value)
}

// counter has another text every time.
type counter int

func (c *counter) String() string { *c++; return strings.Repeat("x", int(*c)) }

func TestPanicWithAValueThatPanics(t *testing.T) {
	back := tripError(t, &store.PanicError{Value: stringer{}}, nil)
	assert.ErrorContains(t, back, "PANIC=String method")
}

type stringer struct{}

func (stringer) String() string { panic("no text today") }
