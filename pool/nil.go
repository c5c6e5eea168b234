package pool

import (
	"reflect"

	"github.com/resultpool/resultpool/store"
)

// canBeNil reports whether T is of a kind whose nil stands for "nothing to do".
// A nil slice or map is an empty input like any other.
func canBeNil[T any]() bool {
	switch reflect.TypeFor[T]().Kind() {
	case reflect.Func, reflect.Pointer, reflect.Interface, reflect.Chan, reflect.UnsafePointer:
		return true
	default:
		return false
	}
}

// isNilTask reports whether in is nil, for a T that can be. An interface that
// holds a nil pointer is not nil: its methods may well work.
func isNilTask[T any](in T) bool {
	v := reflect.ValueOf(in) // of in's dynamic type; no allocation for these kinds
	return !v.IsValid() || reflect.TypeFor[T]().Kind() != reflect.Interface && v.IsNil()
}

// nilTask returns the index of the first task that is nil.
func nilTask[T any](in []T) (index int, found bool) {
	if canBeNil[T]() {
		for i := range in {
			if isNilTask(in[i]) {
				return i, true
			}
		}
	}
	return 0, false
}

// isNilStore reports whether st is nil or a nil pointer: one that was declared
// and never made.
func isNilStore[R any](st store.ResultStore[R]) bool {
	if st == nil {
		return true
	}
	v := reflect.ValueOf(st)
	return v.Kind() == reflect.Pointer && v.IsNil()
}
