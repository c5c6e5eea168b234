package codec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/resultpool/resultpool/internal/errwalk"
	"github.com/resultpool/resultpool/store"
)

// A sentinel is an error that keeps its identity, under its code.
type sentinel struct {
	code string
	err  error
}

// sentinels are those that a codec knows.
type sentinels []sentinel

// builtin returns those of every codec. They are made anew: a table of the package
// could be changed.
func builtin() sentinels {
	return sentinels{
		{"context.canceled", context.Canceled},
		{"context.deadline_exceeded", context.DeadlineExceeded},
		{"pool.goexit", store.ErrGoexit},
		{"pool.not_run", store.ErrNotRun},
		{"store.exists", store.ErrExists},
		{"store.not_found", store.ErrNotFound},
		{"store.rejected", store.ErrRejected},
	}
}

// usual returns those of the standard library that tasks meet. They are looked for behind the user's:
// one who has registered them before there were these keeps his codes, and his codes their meaning.
func usual() sentinels {
	return sentinels{
		{"errors.unsupported", errors.ErrUnsupported},
		{"fs.closed", fs.ErrClosed}, // those of os are the same
		{"fs.exist", fs.ErrExist},
		{"fs.invalid", fs.ErrInvalid},
		{"fs.not_exist", fs.ErrNotExist},
		{"fs.permission", fs.ErrPermission},
		{"fs.skip_all", fs.SkipAll},
		{"fs.skip_dir", fs.SkipDir},
		{"io.closed_pipe", io.ErrClosedPipe},
		{"io.eof", io.EOF},
		{"io.no_progress", io.ErrNoProgress},
		{"io.short_buffer", io.ErrShortBuffer},
		{"io.short_write", io.ErrShortWrite},
		{"io.unexpected_eof", io.ErrUnexpectedEOF},
		{"net.closed", netClosed{}},
		{"os.deadline_exceeded", os.ErrDeadlineExceeded},
		{"os.no_deadline", os.ErrNoDeadline},
		{"os.process_done", os.ErrProcessDone},
	}
}

// netClosed stands for net.ErrClosed: each matches the other. To import package net would bring the
// resolver, and with it cgo, into every program with a pool.
type netClosed struct{}

const netClosedText = "use of closed network connection"

func (netClosed) Error() string { return netClosedText }

// Is reports whether target is net.ErrClosed.
func (netClosed) Is(target error) bool {
	return reflect.TypeOf(target).PkgPath() == "internal/poll" && target.Error() == netClosedText
}

// newSentinels adds the user's to those of every codec, and then the usual ones. It calls none of
// their methods.
func newSentinels(users map[string]error) (sentinels, error) {
	known := builtin()
	for _, code := range slices.Sorted(maps.Keys(users)) {
		err := users[code]
		switch {
		case code == "":
			return nil, errors.New(`codec: Errors has the code "": give every error one that stays the same`)
		case !utf8.ValidString(code):
			return nil, fmt.Errorf("codec: Errors has the code %q, which is not UTF-8", code)
		case err == nil || isNilPointer(err):
			return nil, fmt.Errorf("codec: Errors[%q] is nil, want a sentinel error", code)
		case !reflect.ValueOf(err).Comparable():
			return nil, fmt.Errorf("codec: Errors[%q], a %T, is not comparable, so errors.Is never finds it", code, err)
		}
		for _, s := range known {
			if s.code == code {
				return nil, fmt.Errorf("codec: Errors[%q]: the codec has this code itself; take another", code)
			}
			if s.err == err { //nolint:errorlint // which one it is, not what it matches
				return nil, fmt.Errorf("codec: Errors[%q] is known as %q already; leave out one of the two", code, s.code)
			}
		}
		known = append(known, sentinel{code, err})
	}
	for _, s := range usual() {
		if _, taken := users[s.code]; !taken {
			known = append(known, s)
		}
	}
	return known, nil
}

// by returns the error of a code, or nil.
func (known sentinels) by(code string) error {
	for _, s := range known {
		if s.code == code {
			return s.err
		}
	}
	return errnoOf(code)
}

// codes returns the codes of all that err matches, and the code of the one that it is, the user's if
// it has two.
func (known sentinels) codes(err error) (is []string, exact string) {
	found := make([]bool, len(known))
	for e := range errwalk.Tree(err) {
		for i, s := range known {
			found[i] = found[i] || errwalk.Match(e, s.err) || s.err == netClosed{} && netClosed{}.Is(e) //nolint:errorlint // itself
		}
		if code := errnoCode(e); code != "" && !slices.Contains(is, code) {
			is = append(is, code)
		}
	}
	for i, s := range known {
		if found[i] {
			is = append(is, s.code)
		}
		if exact == "" && (err == s.err || s.err == netClosed{} && netClosed{}.Is(err)) { //nolint:errorlint // which one it is, not what it matches
			exact = s.code
		}
	}
	if exact == "" {
		exact = errnoCode(err)
	}
	return is, exact
}
