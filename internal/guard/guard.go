// Package guard deals with what users hand in: values that may be nil, and functions, stores and
// engines that may panic or end the goroutine that they are on.
package guard

import (
	"fmt"
	"runtime/debug"

	"github.com/resultpool/resultpool/store"
)

// Call returns the error of call, or a *store.PanicError if it panics.
//
// A panic(nil) is a panic as well, although recover returns nil then with GODEBUG=panicnil=1: so
// what counts is whether call has returned.
func Call(call func() error) (err error) {
	returned := false
	defer func() {
		if r := recover(); !returned {
			err = &store.PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	err = call()
	returned = true
	return err
}

// ErrGoexit is what Apart returns of a call that has ended its goroutine.
var ErrGoexit = fmt.Errorf("pool: in the engine: %w", store.ErrGoexit)

// IsPanic reports whether err itself is that of a call that has panicked, and not what the callee has
// wrapped.
func IsPanic(err error) bool {
	_, ok := err.(*store.PanicError) //nolint:errorlint // see above
	return ok
}

// Apart is Call on a goroutine of its own, for which it waits. So a runtime.Goexit, which cannot
// be recovered from, is an error like others, and does not end the caller's goroutine with all
// that it holds. It costs about a microsecond: little for a call of an engine.
func Apart(call func() error) error {
	err := ErrGoexit
	over := make(chan struct{})
	go func() {
		defer close(over)
		err = Call(call)
	}()
	<-over
	return err
}

// Persist runs f on a goroutine of its own, and again on another one each time that what f calls
// ends the goroutine by runtime.Goexit. So f must be able to go on where it was.
func Persist(f func()) {
	go func() {
		returned := false
		defer func() {
			if !returned { // also in a panic, but that ends the process
				Persist(f)
			}
		}()
		f()
		returned = true
	}()
}
