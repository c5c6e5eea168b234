package text_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/internal/text"
)

// endless panics with itself when its text is asked for.
type endless struct{}

func (e *endless) Error() string { panic(e) }

type stringer struct{}

func (e stringer) String() string { panic(e) }

type formatter struct{}

func (e formatter) Format(fmt.State, rune) { panic(e) }

type panicsWith struct{ what any }

func (e panicsWith) Error() string { panic(e.what) }

// What fmt.Sprint can print is printed as it does.
func TestOfIsSprint(t *testing.T) {
	for _, v := range []any{nil, 7, "x", io.EOF, errors.Join(io.EOF, io.ErrNoProgress), []int{1}, panicsWith{"once"}} {
		assert.Equal(t, fmt.Sprint(v), text.Of(v))
	}
}

func TestOfWhatPanicsAgain(t *testing.T) {
	for name, v := range map[string]any{
		"*text_test.endless":   &endless{},
		"text_test.stringer":   stringer{},
		"text_test.formatter":  formatter{},
		"text_test.panicsWith": panicsWith{&endless{}},
		"[]error":              []error{&endless{}},
		"*errors.joinError":    errors.Join(io.EOF, &endless{}),
	} {
		assert.Equal(t, "("+name+", whose text cannot be had: the method that makes it panics)", text.Of(v))
	}
}
