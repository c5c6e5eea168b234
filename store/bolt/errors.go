package bolt

import (
	"fmt"
	"runtime/debug"

	"github.com/resultpool/resultpool/store"
)

// ErrClosed is returned by all methods of a Store after Close. It matches
// [store.ErrClosed].
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string { return "bolt: store is closed" }

// Unwrap returns store.ErrClosed.
func (closedError) Unwrap() error { return store.ErrClosed }

// A damagedError says that bbolt has come across something that it never wrote.
type damagedError struct {
	path  string
	cause any // what it panicked with
}

func (e *damagedError) Error() string {
	return fmt.Sprintf("bolt: %s is damaged, or cannot be read: %v", e.path, e.cause)
}

// guard calls do, which calls bbolt and no code of the user. It returns what bbolt
// panics with as a damagedError: that is how bbolt tells of a damaged page. Where a
// page cannot be read at all, for it lies on a bad part of the disk or beyond the end
// of a file that was cut short, the map of the file has no memory: without
// SetPanicOnFault, which is for this goroutine only, that would end the program.
func guard(path string, do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = &damagedError{path, cause}
		}
	}()
	return do()
}
