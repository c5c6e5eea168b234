package errwalk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/internal/errwalk"
)

// A node is an error that wraps whatever it is made to.
type node struct{ inner error }

func (*node) Error() string   { return "node" }
func (n *node) Unwrap() error { return n.inner }

// A fork is an error that wraps several.
type fork struct{ inner []error }

func (*fork) Error() string     { return "fork" }
func (f *fork) Unwrap() []error { return f.inner }

// A matcher matches by its methods.
type matcher struct{ is, as error }

func (matcher) Error() string          { return "matcher" }
func (m matcher) Is(target error) bool { return target == m.is }
func (m matcher) As(target any) bool {
	p, ok := target.(**fs.PathError)
	if ok {
		*p, ok = m.as.(*fs.PathError) //nolint:errorlint // nothing is wrapped
	}
	return ok
}

// An uncomparable may not be compared by ==.
type uncomparable []string

func (uncomparable) Error() string { return "uncomparable" }

// TestAsPackageErrors compares with what package errors says of trees that have an end.
func TestAsPackageErrors(t *testing.T) {
	path := &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}
	deep := error(path)
	for range 10_000 {
		deep = &node{deep}
	}
	wide := make([]error, 10_000)
	for i := range wide {
		wide[i] = fmt.Errorf("task %d: %w", i, context.Canceled)
	}
	wide[9999] = io.EOF
	for _, err := range []error{
		nil, io.EOF, path, deep, errors.Join(wide...), uncomparable{"x"}, matcher{is: io.EOF}, matcher{as: path},
		&node{}, &fork{}, &fork{[]error{nil, io.EOF}},
		fmt.Errorf("a: %w", io.EOF), fmt.Errorf("a: %w, %w", context.Canceled, path),
		errors.Join(errors.Join(uncomparable{"y"}, matcher{is: context.Canceled}), &node{&fork{[]error{matcher{as: path}, deep}}}),
	} {
		for _, target := range []error{nil, io.EOF, fs.ErrNotExist, context.Canceled, path, uncomparable{"x"}, io.ErrClosedPipe} {
			assert.Equal(t, errors.Is(err, target), errwalk.Is(err, target), "%T is %v", err, target)
		}
		var want *fs.PathError
		wanted := errors.As(err, &want)
		got, ok := errwalk.As[*fs.PathError](err)
		assert.Equal(t, wanted, ok, "%T", err)
		assert.Same(t, want, got)
	}
}

// TestCycles has trees without an end. Those of package errors do not return from them.
func TestCycles(t *testing.T) {
	one := &node{}
	one.inner = one
	first := &node{}
	first.inner = &node{fmt.Errorf("wrapped: %w", first)}
	many := &fork{}
	many.inner = []error{io.EOF, many, many, context.Canceled}
	huge := &fork{inner: make([]error, 50_000)}
	for i := range huge.inner {
		huge.inner[i] = huge
	}
	ring := &fork{}
	ring.inner = []error{&node{ring}}
	for name, err := range map[string]error{
		"one": one, "three": first, "a fork": many, "a wide fork": huge, "a ring": ring, "wrapped": errors.Join(fs.ErrExist, many),
	} {
		assert.False(t, errwalk.Is(err, io.ErrClosedPipe), name)
		_, ok := errwalk.As[*fs.PathError](err)
		assert.False(t, ok, name)
	}
	assert.True(t, errwalk.Is(many, io.EOF))
	n, ok := errwalk.As[*node](ring)
	assert.True(t, ok)
	assert.Same(t, ring.inner[0], n)
}

// TestBeyondTheBound documents where the walk ends.
func TestBeyondTheBound(t *testing.T) {
	err := io.EOF
	for range 1<<16 - 1 {
		err = &node{err}
	}
	assert.True(t, errwalk.Is(err, io.EOF), "the last of 65,536")
	assert.False(t, errwalk.Is(&node{err}, io.EOF))
}

// TestPanicsComeThrough: what the methods panic with is the caller's to handle.
func TestPanicsComeThrough(t *testing.T) {
	assert.Panics(t, func() { errwalk.Is(panicking{}, io.EOF) })
}

type panicking struct{}

func (panicking) Error() string { return "panicking" }
func (panicking) Unwrap() error { panic("in Unwrap") }
