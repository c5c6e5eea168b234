package guard

import "reflect"

// CanBeNil reports whether T is of a kind whose nil stands for "nothing to do". A nil slice or map
// is an empty input like any other.
func CanBeNil[T any]() bool {
	switch reflect.TypeFor[T]().Kind() {
	case reflect.Func, reflect.Pointer, reflect.Interface, reflect.Chan, reflect.UnsafePointer:
		return true
	default:
		return false
	}
}

// IsNilTask reports whether in is nil, for a T that can be. An interface that holds a nil pointer is
// not nil: its methods may well work.
func IsNilTask[T any](in T) bool {
	v := reflect.ValueOf(in) // of in's dynamic type; no allocation for these kinds
	return !v.IsValid() || reflect.TypeFor[T]().Kind() != reflect.Interface && v.IsNil()
}

// NilTask returns the index of the first task that is nil.
func NilTask[T any](in []T) (index int, found bool) {
	if CanBeNil[T]() {
		for i := range in {
			if IsNilTask(in[i]) {
				return i, true
			}
		}
	}
	return 0, false
}

// IsNilPointer reports whether v, a store or an engine, is nil or a nil pointer: one that was
// declared and never made.
func IsNilPointer(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}
