package codec

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// newSentinels adds the user's to those of every codec. It calls none of their methods.
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
	return known, nil
}

// by returns the error of a code, or nil.
func (known sentinels) by(code string) error {
	for _, s := range known {
		if s.code == code {
			return s.err
		}
	}
	return nil
}

// codes returns the codes of all that err matches, and the code of the one that it is.
func (known sentinels) codes(err error) (is []string, exact string) {
	for _, s := range known {
		if errwalk.Is(err, s.err) {
			is = append(is, s.code)
		}
		if err == s.err { //nolint:errorlint // which one it is, not what it matches
			exact = s.code
		}
	}
	return is, exact
}
