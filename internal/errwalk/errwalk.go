// Package errwalk is errors.Is and errors.As for errors that somebody else has made, as a
// task has: they end also where an error's chain leads back to itself. Those of package
// errors go round for ever then, or overflow the stack, which ends the process.
package errwalk

import (
	"iter"
	"reflect"
)

// most is how many errors of one tree are looked at: more than any tree has that somebody
// has made on purpose, and few enough to take some milliseconds. What lies beyond does not
// match.
const most = 1 << 16

// Is is [errors.Is] within the first 65,536 errors of err's tree.
//
// An Is method that looks for itself, by errors.Is, may still not end.
func Is(err, target error) bool {
	if err == nil || target == nil {
		return err == target //nolint:errorlint // as errors.Is does
	}
	for e := range Tree(err) {
		if Match(e, target) {
			return true
		}
	}
	return false
}

// Match reports whether err is target, or says by its Is method that it is, whatever it wraps. Neither is nil.
func Match(err, target error) bool {
	if reflect.TypeOf(target).Comparable() && err == target { //nolint:errorlint // as errors.Is does
		return true
	}
	x, ok := err.(interface{ Is(error) bool })
	return ok && x.Is(target)
}

// As is [errors.As] within the first 65,536 errors of err's tree.
func As[T error](err error) (found T, ok bool) {
	for e := range Tree(err) {
		if found, ok = e.(T); ok { //nolint:errorlint // as errors.As does
			return found, true
		}
		if x, ok := e.(interface{ As(any) bool }); ok && x.As(&found) {
			return found, true
		}
	}
	return found, false
}

// Tree yields err and what it wraps, in the order of errors.Is: 65,536 errors at most. It does not
// recurse, and holds no more errors than it may yield.
func Tree(err error) iter.Seq[error] {
	return func(yield func(error) bool) {
		if err == nil {
			return
		}
		next := []error{err} // the last one first
		left := most - 1     // how many more may come
		for len(next) > 0 {
			e := next[len(next)-1]
			next = next[:len(next)-1]
			if !yield(e) {
				return
			}
			var inner []error
			switch x := e.(type) { //nolint:errorlint // as errors.Is does
			case interface{ Unwrap() error }:
				inner = []error{x.Unwrap()}
			case interface{ Unwrap() []error }:
				inner = x.Unwrap()
			}
			inner = inner[:min(len(inner), left)]
			left -= len(inner)
			for i := len(inner) - 1; i >= 0; i-- {
				if inner[i] != nil {
					next = append(next, inner[i])
				}
			}
		}
	}
}
