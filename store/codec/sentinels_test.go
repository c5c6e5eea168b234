package codec_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// usual are the sentinels that nobody has to register.
var usual = append([]error{
	io.EOF, io.ErrUnexpectedEOF, io.ErrShortWrite, io.ErrShortBuffer, io.ErrNoProgress, io.ErrClosedPipe,
	fs.ErrInvalid, fs.ErrPermission, fs.ErrExist, fs.ErrNotExist, fs.ErrClosed, fs.SkipDir, fs.SkipAll,
	os.ErrInvalid, os.ErrPermission, os.ErrExist, os.ErrNotExist, os.ErrClosed, os.ErrNoDeadline, os.ErrDeadlineExceeded, os.ErrProcessDone,
	net.ErrClosed, errors.ErrUnsupported, syscall.ENOENT, syscall.ENOSPC, syscall.ECONNREFUSED, syscall.Errno(4711),
}, builtin...)

// Each matches itself after a trip and after two, alone and in others, and no other does that did not before.
func TestUsualSentinels(t *testing.T) {
	for _, s := range usual {
		for _, err := range []error{s, fmt.Errorf("x: %w", s), errors.Join(errInner, s), &fs.PathError{Op: "open", Path: "a", Err: s}} {
			once := tripError(t, err, nil)
			for _, back := range []error{once, tripError(t, once, nil)} {
				assert.EqualError(t, back, err.Error())
				for _, other := range usual {
					assert.Equal(t, errors.Is(err, other), errors.Is(back, other), "%q matches %q", err, other)
				}
			}
		}
		if back := tripError(t, s, nil); s != net.ErrClosed && back != s {
			assert.Fail(t, "not the very error", "%v", s)
		}
	}
}

// Errors as they come from the system match after the trip what they match before.
func TestErrorsOfTheSystem(t *testing.T) {
	folder := t.TempDir()
	_, notFound := os.Open(filepath.Join(folder, "none"))
	exists := os.Mkdir(folder, 0o700)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	_, closed := l.Accept()
	_, refused := net.Dial("tcp", l.Addr().String())
	two := errors.Join(&fs.PathError{Op: "a", Err: syscall.ENOSPC}, syscall.EIO)
	for _, test := range []struct {
		err error
		is  []error
	}{
		{notFound, []error{fs.ErrNotExist}},
		{exists, []error{fs.ErrExist}},
		{closed, []error{net.ErrClosed}},
		{refused, nil},
		{two, []error{syscall.ENOSPC, syscall.EIO}},
	} {
		require.Error(t, test.err)
		back := tripError(t, test.err, nil)
		var number syscall.Errno
		if errors.As(test.err, &number) {
			assert.ErrorIs(t, back, number)
			var got syscall.Errno
			assert.ErrorAs(t, back, &got)
			assert.Equal(t, number, got)
		}
		for _, s := range test.is {
			assert.ErrorIs(t, back, s)
		}
	}
}

// A number of another operating system is no number of this one. It is handed on.
func TestErrnoOfAnotherSystem(t *testing.T) {
	c := newCodec[int](t, nil)
	for code, want := range map[string]error{
		"syscall.errno." + runtime.GOOS + ".2":                    syscall.Errno(2),
		"syscall.errno.hurd.2":                                    nil,
		"syscall.errno." + runtime.GOOS + ".02":                   nil,
		"syscall.errno." + runtime.GOOS + ".-2":                   nil,
		"syscall.errno." + runtime.GOOS + ".18446744073709551616": nil,
		"syscall.errno." + runtime.GOOS:                           nil,
	} {
		data := summed(7, sealed(`{"text":"x","is":["`+code+`"]}`, "1"))
		res, err := c.Decode(7, data)
		require.NoError(t, err)
		assert.Equal(t, want != nil, errors.Is(res.Err, syscall.Errno(2)), code)
		again, err := c.Encode(res)
		require.NoError(t, err)
		assert.Contains(t, string(again), `"`+code+`"`)
	}
}

// Who has registered one of them before there was no need to keeps his code and what it means.
func TestUsualSentinelsAsRegistered(t *testing.T) {
	type errs = map[string]error
	for _, users := range []errs{{"eof": io.EOF}, {"io.eof": io.EOF}, {"eof": io.EOF, "io.eof": errInner}} {
		c := newCodec[int](t, &codec.Options{Errors: users})
		assert.Same(t, io.EOF, trip(t, c, store.Result[int]{ID: 1, Err: io.EOF}).Err)
		assert.ErrorIs(t, trip(t, c, store.Result[int]{ID: 1, Err: fmt.Errorf("x: %w", io.EOF)}).Err, io.EOF)
		for code, want := range users {
			res, err := c.Decode(7, summed(7, sealed(`{"text":"x","is":["`+code+`"]}`, "1")))
			require.NoError(t, err)
			for _, s := range []error{io.EOF, errInner} {
				assert.Equal(t, s == want, errors.Is(res.Err, s))
			}
		}
	}
	data, err := newCodec[int](t, &codec.Options{Errors: errs{"eof": io.EOF}}).Encode(store.Result[int]{ID: 1, Err: io.EOF})
	require.NoError(t, err)
	assert.Contains(t, string(data), `"is":["eof","io.eof"],"exact":"eof"`, "what older programs know")
}
