package store

import (
	"errors"
	"fmt"
)

// Errors that a pool puts into a Result in place of a task's own. They are here, and
// not in package pool, for stores that encode their results; pool has them under the
// same names.
var (
	// ErrNotRun is the Err of a task that was accepted and never started. It
	// wraps the reason: the cause of the pool's cancel, or pool.ErrNoWorkers.
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

// Error gives the value without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("pool: recovered panic: %v", e.Value) }

// Unwrap returns the value if it is an error, and nil otherwise.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
