package kit

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// A failure is what [Failf] panics with. It is to a check what FailNow is to a test.
type failure struct{ err error }

// Failf ends the check with an error that says what it saw and what it wanted.
func Failf(format string, args ...any) { Fail(fmt.Errorf(format, args...)) }

// Fail ends the check with err.
func Fail(err error) { panic(failure{err}) }

// ErrNotOffered is the verdict of a check that found nothing to try: its subject does not
// implement the optional interface. A check fails with it, and is skipped.
var ErrNotOffered = errors.New("not offered")

// Try calls f and returns the error that it fails with. Other panics pass.
func Try(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r.err
		default:
			panic(r)
		}
	}()
	f()
	return nil
}

// Within calls f and says where it was that f failed.
func Within(where string, f func()) {
	if err := Try(f); err != nil {
		Failf("%s: %w", where, err)
	}
}

// ErrGoexit is the verdict of a check whose goroutine was ended, as by tb.Fatal.
var ErrGoexit = errors.New("runtime.Goexit was called")

// settle calls f and sets *err to the error that it fails with, or to one that tells of
// another panic or of Goexit. After a Goexit it does not return, but *err is set.
func settle(err *error, f func()) {
	*err = ErrGoexit
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			*err = r.err
		default:
			*err = fmt.Errorf("panic: %v\n\n%s", r, debug.Stack())
		}
	}()
	f()
	*err = nil
}
