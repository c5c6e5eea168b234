package codec

import (
	"fmt"
	"reflect"
	"strings"
)

// typeName is the name of a type with the paths of all packages in it, where
// reflect.Type.String has only their last elements.
func typeName(t reflect.Type) string {
	if t.Name() != "" {
		if t.PkgPath() == "" {
			return t.Name() // int, error
		}
		return t.PkgPath() + "." + t.Name() // has the paths of its type arguments
	}
	switch t.Kind() {
	case reflect.Pointer:
		return "*" + typeName(t.Elem())
	case reflect.Slice:
		return "[]" + typeName(t.Elem())
	case reflect.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), typeName(t.Elem()))
	case reflect.Map:
		return "map[" + typeName(t.Key()) + "]" + typeName(t.Elem())
	case reflect.Struct:
		return structName(t)
	default:
		return t.String() // nothing that is often a value, or "interface {}"
	}
}

func structName(t reflect.Type) string {
	var fields []string
	for i := range t.NumField() {
		f := t.Field(i)
		name := typeName(f.Type)
		if !f.Anonymous {
			name = f.Name + " " + name
		}
		if f.Tag != "" {
			name += fmt.Sprintf(" %q", f.Tag)
		}
		fields = append(fields, name)
	}
	return "struct { " + strings.Join(fields, "; ") + " }"
}

// valuesName leaves out a pointer, which makes no difference to what is written.
func valuesName(v Values) string {
	if isJSON(v) {
		return "json"
	}
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return typeName(t)
}
