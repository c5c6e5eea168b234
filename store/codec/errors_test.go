package codec_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

var builtin = []error{
	store.ErrNotRun, store.ErrGoexit, store.ErrRejected, store.ErrExists, store.ErrNotFound,
	context.Canceled, context.DeadlineExceeded,
}

var (
	errInner = errors.New("inner")
	errOuter = fmt.Errorf("outer: %w", errInner) // made of a sentinel, and one itself

	known = map[string]error{
		"eof": io.EOF, "eof2": io.ErrUnexpectedEOF, "enoent": syscall.ENOENT, "not_exist": fs.ErrNotExist,
		"a_inner": errInner, "outer": errOuter,
	}
)

// assertTrips takes errors there and back, and once more: the first trip keeps what can
// be kept, and the second changes nothing.
func assertTrips(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		back := tripError(t, err, known)
		requireSameError(t, err, back)
		assert.Equal(t, back, tripError(t, back, known))
	}
}

func TestOrdinaryErrorKeepsItsText(t *testing.T) {
	assert.NoError(t, trip(t, newCodec[int](t, nil), store.Result[int]{ID: 1}).Err)
	for _, text := range []string{
		"no such thing", "", "<&> \x00 \u2028 \uFFFD \n", "not UTF-8: \xff\xc3", "\xff", `{"base64":"AA=="}`,
	} {
		assertTrips(t, errors.New(text))
	}
}

func TestSentinelItselfIsThatAgain(t *testing.T) {
	for _, s := range append([]error{io.EOF, syscall.ENOENT, errOuter, errInner}, builtin...) {
		if tripError(t, s, known) != s {
			assert.Fail(t, "not the very error", "%v", s)
		}
	}
}

type withNil struct{ error }

func (e withNil) Unwrap() []error { return []error{nil, e.error, nil} }

type manyFaced struct{ _ []int } // not comparable

func (manyFaced) Error() string        { return "many-faced" }
func (manyFaced) Is(target error) bool { return target == context.Canceled || target == io.EOF }

func TestWrappedSentinelsMatch(t *testing.T) {
	_, notFound := os.Open("no such file")
	assertTrips(t,
		fmt.Errorf("%w: %w", store.ErrNotRun, errors.Join(context.Canceled, nil, io.EOF)),
		fmt.Errorf("x: %w", errOuter),
		fmt.Errorf("slow: %w", context.DeadlineExceeded),
		withNil{context.Canceled},
		manyFaced{},
		notFound,
	)
	var path *fs.PathError
	assert.NotErrorAs(t, tripError(t, notFound, known), &path, "the type is lost")
}

// What one program knows and another does not passes through the other.
func TestUnknownCodeIsHandedOn(t *testing.T) {
	rich, poor := newCodec[int](t, &codec.Options{Errors: known}), newCodec[int](t, nil)
	for _, err := range []error{
		errInner,
		fmt.Errorf("%w, %w, %w", errInner, errOuter, context.Canceled),
		&store.PanicError{Value: errInner},
	} {
		data, failed := rich.Encode(store.Result[int]{ID: 1, Err: err})
		require.NoError(t, failed)
		between, failed := poor.Decode(1, data)
		require.NoError(t, failed)
		assert.NotErrorIs(t, between.Err, errInner)
		assert.EqualError(t, between.Err, err.Error())
		again, failed := poor.Encode(between)
		require.NoError(t, failed)
		assert.Equal(t, string(data), string(again))

		// A new error is not the one that is in it.
		data, failed = poor.Encode(store.Result[int]{ID: 1, Err: fmt.Errorf("new: %w", between.Err)})
		require.NoError(t, failed)
		around, failed := rich.Decode(1, data)
		require.NoError(t, failed)
		assert.EqualError(t, around.Err, "new: "+err.Error())
		assert.ErrorIs(t, around.Err, errInner)
	}
}

// A ring is an error that leads back to itself, and to whatever else it wraps.
type ring struct{ inner error }

func (*ring) Error() string     { return "ring" }
func (r *ring) Unwrap() []error { return []error{r.inner, r} }

// A loop is a ring with one error in it.
type loop struct{}

func (loop) Error() string { return "loop" }
func (loop) Unwrap() error { return loop{} }

// TestErrorsThatLeadBack: errors.Is goes round for ever in a loop, and overflows the stack
// in a ring.
func TestErrorsThatLeadBack(t *testing.T) {
	for _, err := range []error{
		loop{},
		&store.PanicError{Value: errors.Join(context.Canceled, loop{})},
		fmt.Errorf("after %w: %w", &ring{loop{}}, context.DeadlineExceeded),
		&ring{&store.PanicError{Value: &ring{}}},
	} {
		assert.EqualError(t, tripError(t, err, nil), err.Error())
	}
	back := tripError(t, &ring{fmt.Errorf("a: %w", context.Canceled)}, nil)
	assert.ErrorIs(t, back, context.Canceled)
	assert.NotErrorIs(t, back, store.ErrNotRun)
}

type stringer struct{}

func (stringer) String() string { panic("no text today") }

func TestPanicErrorIsOneAgain(t *testing.T) {
	stack := debug.Stack()
	for _, value := range []any{
		"text", 7, nil, struct{ A int }{1}, "not UTF-8: \xff", stringer{}, fmt.Errorf("reading: %w", io.EOF),
		context.Canceled, &store.PanicError{Value: io.EOF, Stack: []byte("inner")},
	} {
		assertTrips(t, &store.PanicError{Value: value, Stack: stack}, &store.PanicError{Value: value})
	}
	assertTrips(t,
		fmt.Errorf("task 7: %w", errors.Join(context.Canceled, &store.PanicError{Value: "x", Stack: stack})),
		withNil{&store.PanicError{Value: "x"}}, // has the text of the panic, and is not the panic
	)
	back := tripError(t, &store.PanicError{Value: &endless{}, Stack: stack}, nil)
	var p *store.PanicError
	require.ErrorAs(t, back, &p)
	assert.Same(t, back, p)
	assert.EqualError(t, back, "pool: recovered panic: "+noText)
	back = tripError(t, &store.PanicError{Value: context.Canceled}, nil)
	assert.Equal(t, &store.PanicError{Value: context.Canceled}, back)
}

// Beyond some depth only the text and the codes are kept: JSON could not read what is
// nested ever deeper. What is decoded can be encoded again, so it is no deeper.
func TestPanicsInPanicsEnd(t *testing.T) {
	err := &store.PanicError{Value: io.EOF, Stack: []byte("stack")}
	for range 19 {
		err = &store.PanicError{Value: err, Stack: []byte("stack")}
	}
	data, failed := newCodec[int](t, &codec.Options{Errors: known}).Encode(store.Result[int]{ID: 1, Err: err})
	require.NoError(t, failed)
	assert.Equal(t, 8, strings.Count(string(data), `"stack":`))
	back := tripError(t, err, known)
	assert.EqualError(t, back, err.Error())
	assert.ErrorIs(t, back, io.EOF)

	part := `{}`
	for range 20 {
		part = `{"panic":{"exact":true,"error":` + part + `}}`
	}
	res, failed := newCodec[int](t, nil).Decode(1, summed(1, sealed(part, "1")))
	require.NoError(t, failed)
	n := 0
	for p := (*store.PanicError)(nil); errors.As(res.Err, &p); n++ {
		res.Err = p.Unwrap()
	}
	assert.Equal(t, 8, n)
}

// counter has another text every time.
type counter int

func (c *counter) String() string { *c++; return strings.Repeat("x", int(*c)) }

// The text of a panic is what counts, also where the value gives another one later.
func TestPanicWithAValueThatChanges(t *testing.T) {
	back := tripError(t, &store.PanicError{Value: new(counter)}, nil)
	assert.EqualError(t, back, "pool: recovered panic: x")
	var p *store.PanicError
	require.ErrorAs(t, back, &p)
	assert.Equal(t, "xx", p.Value)
}

// The types below panic in the method that they are called after.
type (
	badText   struct{ with any }
	badIs     struct{ error }
	badUnwrap struct{ error }
	badAs     struct{ error }
)

func (e badText) Error() string { panic(e.with) }
func (badIs) Is(error) bool     { panic("no Is today") }
func (badUnwrap) Unwrap() error { panic("no Unwrap today") }
func (badAs) As(any) bool       { panic("no As today") }

func TestPanicInMethodOfAnErrorIsRejected(t *testing.T) {
	bad := errors.New("bad")
	for _, test := range []struct {
		err  error
		says string
	}{
		{badText{"no text today"}, "codec_test.badText, since a method panics: panic: no text today; mend that method"},
		{badIs{bad}, "no Is today"},
		{badUnwrap{bad}, "no Unwrap today"},
		{badAs{bad}, "no As today"},
		{fmt.Errorf("wrapped: %w", badIs{bad}), "no Is today"},
		{errors.Join(errors.New("a"), badUnwrap{bad}), "no Unwrap today"},
		{&store.PanicError{Value: badIs{bad}}, "no Is today"},
		{(*store.PanicError)(nil), "nil pointer"},
		{&endless{}, noText},
		{errors.Join(errors.New("x"), &endless{}), noText},
	} {
		requireRejected(t, nil, 1, test.err, test.says)
	}
	for _, godebug := range []string{"panicnil=0", "panicnil=1"} {
		t.Setenv("GODEBUG", godebug)
		requireRejected(t, nil, 1, badText{nil}, "cannot write its error")
	}
}
