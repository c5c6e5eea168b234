package dense

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
)

// TestSlotsHaveNoPointers: the collector does not look at the slots of results whose
// type has no pointers, and a slot is the value and one word.
func TestSlotsHaveNoPointers(t *testing.T) {
	type plain struct {
		A [3]int32
		B struct{ C float64 }
		D store.ID
	}
	for _, slot := range []reflect.Type{
		reflect.TypeFor[slot[int]](), reflect.TypeFor[slot[struct{}]](), reflect.TypeFor[slot[plain]](),
	} {
		assert.False(t, hasPointers(slot), "%v has pointers", slot)
	}
	assert.True(t, hasPointers(reflect.TypeFor[slot[string]]()), "the check cannot fail")
	assert.True(t, hasPointers(reflect.TypeFor[segment[int]]()), "the check cannot fail")
	assert.LessOrEqual(t, reflect.TypeFor[slot[int]]().Size(), uintptr(16))
}

func hasPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if hasPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Array:
		return t.Len() > 0 && hasPointers(t.Elem())
	default:
		return t.Kind() > reflect.Complex128 // and so no number
	}
}
