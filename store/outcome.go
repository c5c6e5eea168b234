package store

import (
	"errors"
	"fmt"
)

// Errors that a pool puts into a Result in place of a task's own. They are here, and not in package pool, for
// stores that encode their results; pool has them under the same names.
var (
	// ErrNotRun is the Err of a task that was accepted and never started. It wraps the reason: the cause given to
	// the pool's Cancel, that of the pool's cancel, or pool.ErrNoWorkers.
	ErrNotRun = errors.New("pool: task not run")

	// ErrGoexit is the Err of a task that called runtime.Goexit, as
	// testing.T.FailNow does.
	ErrGoexit = errors.New("pool: task called runtime.Goexit")
)

// A PanicError is the Err of a task that panicked.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // of the goroutine, as runtime/debug.Stack formats it
}

// Error gives the value without the stack. If printing the value panics, it says so.
func (e *PanicError) Error() string { return "pool: recovered panic: " + textOf(e.Value) }

// Unwrap returns the value if it is an error, and nil otherwise.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// textOf is text.Of of the library's internal/text, which this package does not import:
// it needs the standard library only.
func textOf(v any) (s string) {
	defer func() {
		if recover() != nil {
			s = fmt.Sprintf("(%T, whose text cannot be had: the method that makes it panics)", v)
		}
	}()
	return fmt.Sprint(v)
}

// printable is an error whose text can be had: in errors.Join one that panics would hide
// those beside it.
type printable struct{ error }

func (e printable) Error() string { return textOf(e.error) }
func (e printable) Unwrap() error { return e.error }
