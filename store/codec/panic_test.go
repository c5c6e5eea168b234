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
	var err error = io.EOF
	for i := range 20 {
		err = &store.PanicError{Value: err, Stack: fmt.Appendf(nil, "stack %d", i)}
	}
	back := tripError(t, err, map[string]error{"eof": io.EOF})
	assert.EqualError(t, back, err.Error())
	assert.ErrorIs(t, back, io.EOF)
	depth := 0
	for p := (*store.PanicError)(nil); errors.As(back, &p); depth++ {
		back = p.Unwrap()
	}
	assert.Equal(t, 8, depth)
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
