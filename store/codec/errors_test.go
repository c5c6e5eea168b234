package codec_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

var builtin = []error{
	store.ErrNotRun, store.ErrGoexit, store.ErrRejected, store.ErrExists, store.ErrNotFound,
	context.Canceled, context.DeadlineExceeded,
}

// assertMatches checks which of the built-in sentinels an error matches.
func assertMatches(t *testing.T, err error, want ...error) {
	t.Helper()
	var got []error
	for _, s := range builtin {
		if errors.Is(err, s) {
			got = append(got, s)
		}
	}
	assert.ElementsMatch(t, want, got)
}

func TestNoErrorStaysNone(t *testing.T) {
	assert.NoError(t, trip(t, newCodec[int](t, nil), store.Result[int]{ID: 1}).Err)
}

func TestOrdinaryErrorKeepsItsText(t *testing.T) {
	for _, text := range []string{
		"no such thing", "", "<&> \x00 \u2028 \uFFFD \n", "not UTF-8: \xff\xc3", "\xff", `{"base64":"AA=="}`,
	} {
		back := tripError(t, errors.New(text), nil)
		assert.Equal(t, text, back.Error())
		assertMatches(t, back)
	}
}

func TestSentinelItselfIsThatAgain(t *testing.T) {
	own := errors.New("own")
	for _, s := range append([]error{own, syscall.ENOENT}, builtin...) {
		back := tripError(t, s, map[string]error{"own": own, "enoent": syscall.ENOENT})
		if back != s {
			assert.Fail(t, "not the very error", "%v", s)
		}
	}
}

func TestWrappedSentinelsMatch(t *testing.T) {
	own := errors.New("own")
	err := fmt.Errorf("%w: %w", store.ErrNotRun, errors.Join(context.Canceled, nil, own))
	back := tripError(t, err, map[string]error{"own": own, "eof": io.EOF})
	assert.EqualError(t, back, err.Error())
	assertMatches(t, back, store.ErrNotRun, context.Canceled)
	assert.ErrorIs(t, back, own)
	assert.NotErrorIs(t, back, io.EOF)
}

// What is made of a sentinel is not the sentinel.
func TestSentinelAmongSentinels(t *testing.T) {
	inner := errors.New("inner")
	outer := fmt.Errorf("outer: %w", inner)
	errs := map[string]error{"a_inner": inner, "outer": outer}
	assert.Same(t, outer, tripError(t, outer, errs))
	assert.Same(t, inner, tripError(t, inner, errs))
	assert.ErrorIs(t, tripError(t, fmt.Errorf("x: %w", outer), errs), inner)
}

type withNil struct{ error }

func (e withNil) Unwrap() []error { return []error{nil, e.error, nil} }

func TestNilInAJoin(t *testing.T) {
	assertMatches(t, tripError(t, withNil{context.Canceled}, nil), context.Canceled)
}

type manyFaced struct{ _ []int } // not comparable

func (manyFaced) Error() string        { return "many-faced" }
func (manyFaced) Is(target error) bool { return target == context.Canceled || target == io.EOF }

func TestIsMethodCounts(t *testing.T) {
	back := tripError(t, manyFaced{}, map[string]error{"eof": io.EOF})
	assertMatches(t, back, context.Canceled)
	assert.ErrorIs(t, back, io.EOF)
	assert.EqualError(t, back, "many-faced")
}

func TestTypeIsLost(t *testing.T) {
	_, err := os.Open("no such file")
	back := tripError(t, err, map[string]error{"not_exist": fs.ErrNotExist})
	assert.ErrorIs(t, back, fs.ErrNotExist)
	var path *fs.PathError
	assert.NotErrorAs(t, back, &path)
}

// What a deadline is, is asked by a method too.
func TestTimeoutIsFound(t *testing.T) {
	back := tripError(t, fmt.Errorf("slow: %w", context.DeadlineExceeded), nil)
	var timeout interface{ Timeout() bool }
	require.ErrorAs(t, back, &timeout)
	assert.True(t, timeout.Timeout())
}

func TestUnknownCodeIsHandedOn(t *testing.T) {
	rich := newCodec[int](t, &codec.Options{Errors: map[string]error{"eof": io.EOF, "closed": pool.ErrClosed}})
	poor := newCodec[int](t, nil)
	for name, err := range map[string]error{
		"itself":   io.EOF,
		"wrapped":  fmt.Errorf("%w, %w, %w", io.EOF, pool.ErrClosed, context.Canceled),
		"panicked": &store.PanicError{Value: io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			data, failed := rich.Encode(store.Result[int]{ID: 1, Err: err})
			require.NoError(t, failed)
			between, failed := poor.Decode(1, data)
			require.NoError(t, failed)
			assert.NotErrorIs(t, between.Err, io.EOF)
			if kept, ok := between.Err.(interface{ Unwrap() []error }); ok {
				assert.NotContains(t, kept.Unwrap(), error(nil))
			}
			assert.EqualError(t, between.Err, err.Error())
			again, failed := poor.Encode(between)
			require.NoError(t, failed)
			assert.Equal(t, string(data), string(again))
			back, failed := rich.Decode(1, again)
			require.NoError(t, failed)
			assert.ErrorIs(t, back.Err, io.EOF)
		})
	}
}

func TestUnknownCodeIsHandedOnInANewError(t *testing.T) {
	data := "\x01" + "\x18" + `{"text":"a","exact":"x"}` + "3"
	poor := newCodec[int](t, nil)
	res, err := poor.Decode(1, summed(1, data))
	require.NoError(t, err)
	again, err := poor.Encode(store.Result[int]{ID: 1, Err: fmt.Errorf("b: %w", res.Err)})
	require.NoError(t, err)
	assert.NotContains(t, string(again), "exact")
}

func TestSecondTripChangesNothing(t *testing.T) {
	c := newCodec[int](t, nil)
	err := fmt.Errorf("%w: %w", &store.PanicError{Value: context.Canceled, Stack: []byte("s")}, store.ErrNotRun)
	once := trip(t, c, store.Result[int]{ID: 1, Err: err})
	assert.Equal(t, once, trip(t, c, once))
}

// A ring is an error that leads back to itself, and to whatever else it wraps.
type ring struct{ inner []error }

func (*ring) Error() string     { return "ring" }
func (r *ring) Unwrap() []error { return append(slices.Clone(r.inner), r) }

// A loop is a ring with one error in it.
type loop struct{}

func (loop) Error() string { return "loop" }
func (loop) Unwrap() error { return loop{} }

// TestErrorsThatLeadBack: errors.Is goes round for ever in a loop, and overflows the stack
// in a ring.
func TestErrorsThatLeadBack(t *testing.T) {
	for _, err := range []error{
		loop{},
		&ring{},
		errors.Join(context.Canceled, &ring{}),
		&store.PanicError{Value: errors.Join(context.Canceled, loop{})},
		fmt.Errorf("after %w: %w", &ring{[]error{loop{}}}, context.DeadlineExceeded),
		&ring{[]error{&store.PanicError{Value: &ring{}}}},
	} {
		back := tripError(t, err, nil)
		assert.EqualError(t, back, err.Error())
	}
	assertMatches(t, tripError(t, &ring{[]error{fmt.Errorf("a: %w", context.Canceled)}}, nil), context.Canceled)
}
