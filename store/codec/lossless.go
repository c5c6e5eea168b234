package codec

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"unicode"
)

// A loss says where in a type JSON would lose something, why, and what to do.
type loss struct{ at, why, way string }

// Error is the second half of a sentence that begins with the type.
func (l *loss) Error() string {
	where := "it"
	switch {
	case strings.HasPrefix(l.at, "."):
		where = "its field " + l.at[1:]
	case l.at != "":
		where = "its element " + l.at
	}
	return fmt.Sprintf("would not come back as it was: %s %s; %s, or set Options.Values", where, l.why, l.way)
}

// A typeWalk looks for what encoding/json would lose of the values of a type, by the type alone.
// What a tag says is the author's choice and no loss: "-", also on a field that is not exported,
// and omitempty. A type that marshals itself is trusted.
type typeWalk struct {
	seen map[place]bool
	doubts
}

// doubts are what a type leaves open, so that its values are looked at when they are written.
type doubts struct {
	// hasAny is true if the type has an interface without methods: what is in that is read as JSON
	// reads it, so that numbers may be rounded.
	hasAny bool
	// hasPlain is true if it has strings that JSON writes plainly and reads by an UnmarshalText, which may
	// make others of them.
	hasPlain bool
}

// A place is a type and whether its values can be addressed there: JSON calls methods with a
// pointer receiver only if they can. The values of a map cannot.
type place struct {
	reflect.Type
	addressable bool
}

func (w *typeWalk) walk(t reflect.Type, addressable bool, at string) *loss {
	p := place{t, addressable}
	if w.seen[p] { // also where a type contains itself
		return nil
	}
	w.seen[p] = true
	if t.Kind() != reflect.Interface && t.Kind() != reflect.Pointer {
		if itself, l := w.marshalsItself(p, at); itself || l != nil {
			return l
		}
	}
	if t.Size() == 0 {
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		return w.fields(p, at, make(map[string]string), []reflect.Type{t})
	case reflect.Pointer:
		return w.walk(t.Elem(), true, at)
	case reflect.Slice:
		return w.walk(t.Elem(), true, at+"[]")
	case reflect.Array:
		return w.walk(t.Elem(), addressable, at+"[]")
	case reflect.Map:
		if t.Key().Kind() == reflect.String && reflect.PointerTo(t.Key()).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			w.hasPlain = true // JSON does not call the MarshalText of such a key
		}
		if !isKey(t.Key()) {
			return &loss{
				at, fmt.Sprintf("has keys of type %v, which JSON cannot read", t.Key()),
				"have keys that are strings or integers, or have MarshalText and UnmarshalText",
			}
		}
		return w.walk(t.Elem(), false, at+"[]")
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return &loss{
				at, fmt.Sprintf("is of type %v, an interface of which JSON cannot say what to make again", t),
				"declare the type that is in it, or its text",
			}
		}
		w.hasAny = true
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return &loss{at, fmt.Sprintf("is of type %v, which JSON does not take", t), "have something that can be written down"}
	}
	return nil
}

// fields goes through the fields of a struct, those of embedded structs included, as they are
// promoted in JSON. paths are those with a name so far. Of two with the same name JSON would leave
// out one or both, by rules of its own. within are the structs around these fields.
func (w *typeWalk) fields(p place, at string, paths map[string]string, within []reflect.Type) *loss {
	for i := range p.NumField() {
		f := p.Field(i)
		name, isLeftOut := jsonName(f)
		inner, isPointer := f.Type, false
		if f.Anonymous && inner.Kind() == reflect.Pointer {
			inner, isPointer = inner.Elem(), true
		}
		promotes := f.Anonymous && inner.Kind() == reflect.Struct
		_, writes := first(writers(), reflect.PointerTo(inner))
		at := at + "." + f.Name
		switch {
		case isLeftOut || f.Name == "_" || !f.IsExported() && f.Type.Size() == 0:
		case !f.IsExported() && (!promotes || isPointer || name != "" && writes): // JSON cannot call what writes it
			return &loss{
				at, "is not exported",
				fmt.Sprintf("export it, tag it `json:\"-\"` if it may come back zero, give %v MarshalJSON and UnmarshalJSON", p.Type),
			}
		case promotes && name == "" && slices.Contains(within, inner):
			return &loss{at, "is embedded in itself, where JSON leaves it out", "give it a name"}
		case promotes && name == "":
			p := place{inner, p.addressable || isPointer}
			if l := w.fields(p, at, paths, append(within, inner)); l != nil {
				return l
			}
		case isQuoted(f):
			return &loss{at, "has the option string in its tag, and JSON reads it otherwise than its type writes it", "leave out the option"}
		default:
			if name == "" {
				name = f.Name
			}
			if other, taken := paths[name]; taken {
				return &loss{
					at, fmt.Sprintf("has the same name in JSON, %q, as %s", name, strings.TrimPrefix(other, ".")),
					"give one of them, or what is embedded, another name by a tag",
				}
			}
			paths[name] = at
			if l := w.walk(f.Type, p.addressable, at); l != nil {
				return l
			}
		}
	}
	return nil
}

// jsonName returns the name that the tag of a field gives it, or "", and whether the tag leaves it out.
func jsonName(f reflect.StructField) (name string, isLeftOut bool) {
	tag := f.Tag.Get("json")
	name, _, _ = strings.Cut(tag, ",")
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) {
			return "", false // encoding/json does not take it
		}
	}
	return name, tag == "-"
}

// isQuoted reports whether the option "string" of a field's tag has its value read from within quotes, while its
// type, which marshals itself, does not put it there.
func isQuoted(f reflect.StructField) bool {
	t := f.Type
	if t.Kind() == reflect.Pointer && t.Name() == "" {
		t = t.Elem()
	}
	_, writes := first(writers(), reflect.PointerTo(t))
	isBasic := t.Kind() >= reflect.Bool && t.Kind() <= reflect.Float64 || t.Kind() == reflect.String
	return writes && isBasic && isInQuotes(f)
}

// isKey reports whether JSON writes and reads such a key of a map.
func isKey(t reflect.Type) bool {
	writes, reads := t.Implements(reflect.TypeFor[encoding.TextMarshaler]()), reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
	switch t.Kind() {
	case reflect.String:
		return true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return writes == reads
	default:
		return writes && reads
	}
}

func isFor[T any](t reflect.Type) bool { return t == reflect.TypeFor[T]() }

// A method is one by which a type marshals itself. find names it in a constant, as the linker wants it:
// otherwise it keeps every method of the program.
type method struct {
	name string
	of   reflect.Type // the interface that has it
	find func(reflect.Type) (reflect.Method, bool)
}

// writers and readers have the method first that JSON prefers.
func writers() []method {
	return []method{
		{"MarshalJSON", reflect.TypeFor[json.Marshaler](), func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("MarshalJSON") }},
		{"MarshalText", reflect.TypeFor[encoding.TextMarshaler](), func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("MarshalText") }},
	}
}

func readers() []method {
	return []method{
		{"UnmarshalJSON", reflect.TypeFor[json.Unmarshaler](), func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("UnmarshalJSON") }},
		{"UnmarshalText", reflect.TypeFor[encoding.TextUnmarshaler](), func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("UnmarshalText") }},
	}
}

// first returns the first method that t has.
func first(methods []method, t reflect.Type) (method, bool) {
	i := slices.IndexFunc(methods, func(m method) bool { return t.Implements(m.of) })
	if i < 0 {
		return method{}, false
	}
	return methods[i], true
}

// marshalsItself reports whether JSON calls methods of p for both ways. To write only, or not to be
// asked where values cannot be addressed, is a loss: what one side writes the other does not read.
func (w *typeWalk) marshalsItself(p place, at string) (bool, *loss) {
	pointer := reflect.PointerTo(p.Type)
	write, writes := first(writers(), pointer) // it has the methods of p, too
	read, reads := first(readers(), pointer)
	switch {
	case writes:
	case !reads || isFor[json.Unmarshaler](read.of): // that reads what JSON writes, more or less
		return false, nil
	case p.Kind() == reflect.String:
		w.hasPlain = true
		return false, nil
	default:
		return false, &loss{
			at, fmt.Sprintf("is read by the UnmarshalText of %v, which has nothing to write a text", p.Type), "give it MarshalText",
		}
	}
	if !p.addressable {
		unused := write.name
		if write, writes = first(writers(), p.Type); !writes {
			return false, &loss{
				at, fmt.Sprintf("is of type %v in a map, where JSON does not call %s, which has a pointer receiver", p.Type, unused),
				"have pointers in the map",
			}
		}
	}
	if !reads {
		return false, &loss{
			at, fmt.Sprintf("is written by the %s of %v, which has nothing to read that", write.name, p.Type),
			"give it UnmarshalJSON or UnmarshalText",
		}
	}
	for _, m := range []method{write, read} {
		if l := w.others(p, m, at); l != nil {
			return false, l
		}
	}
	return true, nil
}

// others finds what an embedded field hides: if the method of a struct is promoted, it knows that
// field only, as in struct{ time.Time; Name string }.
func (w *typeWalk) others(p place, m method, at string) *loss {
	if p.Kind() != reflect.Struct || !isPromoted(p.Type, m) {
		return nil
	}
	for i := range p.NumField() {
		f := p.Field(i)
		if f.Anonymous && reflect.PointerTo(f.Type).Implements(m.of) || f.Anonymous && f.Type.Implements(m.of) {
			if f.Type.Kind() == reflect.Pointer && (isFor[json.Unmarshaler](m.of) || isFor[encoding.TextUnmarshaler](m.of)) {
				return &loss{
					at + "." + f.Name, fmt.Sprintf("is nil when JSON calls its %s, which is that of %v as well", m.name, p.Type),
					fmt.Sprintf("embed what it points to, give it a name, or give %v its own", p.Type),
				}
			}
			if l := w.walk(f.Type, p.addressable, at+"."+f.Name); l != nil {
				return l
			}
			continue
		}
		if _, isLeftOut := jsonName(f); isLeftOut || f.Name == "_" || f.Type.Size() == 0 {
			continue
		}
		return &loss{
			at + "." + f.Name, fmt.Sprintf("is left out, since the %s of %v is that of an embedded field", m.name, p.Type),
			fmt.Sprintf("give %v its own, or the embedded field a name", p.Type),
		}
	}
	return nil
}

// isPromoted reports whether the method of a struct is that of an embedded field. Nothing but the
// compiler's note about its code tells them apart. A method with a value receiver has such code for the
// pointer as well, so the type itself is asked first.
func isPromoted(t reflect.Type, m method) bool {
	found, ok := m.find(t)
	if !ok {
		found, ok = m.find(reflect.PointerTo(t))
	}
	if !ok {
		return false
	}
	pc := found.Func.Pointer()
	code := runtime.FuncForPC(pc)
	if code == nil {
		return false
	}
	file, _ := code.FileLine(pc)
	return file == "<autogenerated>"
}
