package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	texts "github.com/resultpool/resultpool/internal/text"
)

var errNotUTF8 = errors.New("a string in it is not UTF-8, and would come back with U+FFFD in place of some bytes: have a []byte")

// checkWritten looks for what a type cannot tell, in a value v and its JSON: strings that are not
// UTF-8, integers that would come back from an any as others, and strings that their UnmarshalText would
// change. For the first two it does more than look at each byte only where that shows that there may be one.
func checkWritten[R any](v *R, data []byte, left doubts) error {
	if err := checkStrings[R](data, left.hasPlain); err != nil || !left.hasAny || !hasLongNumber(data) {
		return err
	}
	return guarded(func() error { return checkNumbers(reflect.ValueOf(v).Elem(), false, 0) })
}

var errPlain = errors.New("a string in it, or a key, is written without MarshalText, and its UnmarshalText makes another of it")

// checkStrings finds what json.Marshal has written as an escaped U+FFFD, as it does with bytes that are not
// UTF-8 and not with a U+FFFD. The escape may also be that of a json.RawMessage, or the text of a
// string, which are written so again when they have been read.
//
// With hasPlain it finds what is another when it has been read, too.
func checkStrings[R any](data []byte, hasPlain bool) error {
	escape := []byte(`\ufffd`)
	n := bytes.Count(data, escape)
	if n == 0 && !hasPlain {
		return nil
	}
	var back R
	var again []byte
	err := unmarshal(JSON{}, data, &back)
	if err == nil {
		again, err = marshal(JSON{}, &back)
	}
	switch {
	case err != nil:
		return fmt.Errorf("it could not be read: %s", texts.Of(err))
	case bytes.Count(again, escape) < n:
		return errNotUTF8
	case hasPlain && !bytes.Equal(data, again):
		return errPlain
	}
	return nil
}

// hasLongNumber reports whether there may be a number that a float64 does not hold: one with 16 digits
// before the point, or with an exponent. It takes strings of digits for numbers.
func hasLongNumber(data []byte) bool {
	digits, fraction := 0, false
	for _, b := range data {
		switch {
		case b >= '0' && b <= '9':
			if digits++; digits == 16 && !fraction {
				return true
			}
		case b == '.' && digits > 0:
			fraction = true
		case (b == 'e' || b == 'E') && digits > 0:
			return true
		default:
			digits, fraction = 0, false
		}
	}
	return false
}

// checkNumbers finds the numbers that are in an interface and would be other float64s: integers, and a
// json.Number. (A float64 that is an integer has as many digits in JSON, and comes back.) v is what
// json.Marshal has taken, so that it leads back to itself only where JSON does not look; depth is for the rest.
func checkNumbers(v reflect.Value, inAny bool, depth int) error {
	if !v.IsValid() || depth > deepest {
		return nil
	}
	depth++
	if v.Kind() != reflect.Interface && v.Kind() != reflect.Pointer {
		if writesItself(v) {
			return checkLiterals(v, inAny, depth)
		}
	}
	switch v.Kind() {
	case reflect.Interface:
		return checkNumbers(v.Elem(), true, depth)
	case reflect.Pointer:
		return checkNumbers(v.Elem(), inAny, depth)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil
		}
		for i := range v.Len() {
			if err := checkNumbers(v.Index(i), inAny, depth); err != nil {
				return err
			}
		}
	case reflect.Map:
		for i := v.MapRange(); i.Next(); {
			if err := checkNumbers(i.Value(), inAny, depth); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if _, isLeftOut := jsonName(f); isLeftOut || !f.IsExported() && !f.Anonymous || isInQuotes(f) {
				continue
			}
			if err := checkNumbers(v.Field(i), inAny, depth); err != nil {
				return err
			}
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if inAny {
			return checkNumber(strconv.FormatInt(v.Int(), 10))
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if inAny {
			return checkNumber(strconv.FormatUint(v.Uint(), 10))
		}
	case reflect.String:
		if inAny && v.Type() == reflect.TypeFor[json.Number]() {
			return checkNumber(v.String())
		}
	}
	return nil
}

func writesItself(v reflect.Value) bool {
	t := v.Type()
	if v.CanAddr() {
		t = reflect.PointerTo(t)
	}
	_, writes := first(writers(), t)
	return writes
}

// isInQuotes reports whether a field's numbers are written as strings.
func isInQuotes(f reflect.StructField) bool {
	_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	return slices.Contains(strings.Split(options, ","), "string")
}

// checkLiterals is checkNumbers for a value that marshals itself. Outside of an interface it reads itself, too.
func checkLiterals(v reflect.Value, inAny bool, depth int) error {
	if !inAny || !v.CanInterface() {
		return nil
	}
	if v.CanAddr() {
		v = v.Addr()
	}
	data, err := json.Marshal(v.Interface())
	if err != nil {
		return err
	}
	var read any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&read); err != nil {
		return err
	}
	return checkNumbers(reflect.ValueOf(read), true, depth)
}

// checkNumber returns an error for an integer that a float64 rounds, and for what is too large for one.
// Other numbers have been rounded before, or are meant to be.
func checkNumber(n string) error {
	f, err := strconv.ParseFloat(n, 64)
	got := strconv.FormatFloat(f, 'f', 0, 64)
	if err == nil && (strings.ContainsAny(n, ".eE") || n == got) {
		return nil
	}
	return fmt.Errorf("the number %s, in an interface, would come back as the float64 %s: have it as a string, or declare its type", n, got)
}
