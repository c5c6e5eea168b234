package codec

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	texts "github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/store"
)

// Options are what New needs to know. Nil means the zero value.
type Options struct {
	// Values encodes and decodes values; nil is JSON.
	Values Values

	// Errors are sentinels, each under a code: an error that matches a sentinel under [errors.Is] still matches it
	// after decoding. The code is what is written, so it must stay the same for as long as the data lives. New
	// copies the map.
	//
	// A sentinel should be a package's variable, so that it means the same in all of the program and in its next
	// run. It must be comparable.
	Errors map[string]error
}

// A Codec encodes results as bytes and decodes them. It is made by [New], never changes, and may be used from any
// number of goroutines at once.
type Codec[R any] struct {
	values Values
	known  sentinels
	name   string

	isJSON bool   // Values are JSON, and what they would lose is looked for
	left   doubts // about R
	loss   error  // why nothing is written, in a Codec of ForReading
}

// New makes a Codec. The error says which option is bad: Values that are a nil pointer, an empty code, a code that
// the codec uses itself, or an error that is nil, not comparable, or registered under another code.
//
// If Values are JSON, New also refuses an R of which JSON would lose something. The error names the field and the
// way out; see the package's documentation.
func New[R any](opts *Options) (*Codec[R], error) {
	c, err := ForReading[R](opts)
	if err == nil && c.loss != nil {
		return nil, fmt.Errorf("codec: %w", c.loss)
	}
	return c, err
}

// ForReading is New for existing data, perhaps written by a program from before New refused its R. It takes such an
// R: existing data can be decoded, and Encode and EncodeValue return New's error. An error of ForReading itself is
// about an option.
func ForReading[R any](opts *Options) (*Codec[R], error) {
	if opts == nil {
		opts = &Options{}
	}
	values := opts.Values
	if values == nil {
		values = JSON{}
	}
	if isNilPointer(values) {
		return nil, fmt.Errorf("codec: Values is a nil %T; leave it out for JSON", values)
	}
	known, err := newSentinels(opts.Errors)
	if err != nil {
		return nil, err
	}
	t := reflect.TypeFor[R]()
	c := &Codec[R]{values: values, known: known, name: typeName(t) + " as " + valuesName(values), isJSON: isJSON(values)}
	if c.isJSON {
		w := typeWalk{seen: make(map[place]bool)}
		if l := w.walk(t, true, ""); l != nil { // Values are given a pointer to an R
			c.loss = fmt.Errorf("%s %w", c.name, l)
		}
		c.left = w.doubts
	}
	return c, nil
}

var errZero = errors.New("codec: this Codec was not made by New")

func (c *Codec[R]) isZero() bool { return c == nil || c.values == nil }

// Name says what the bytes are: the type of the values, with the paths of all packages in it, and how they are
// encoded, for example
//
//	example.com/img.Thumb as json
//
// A store writes it down beside its data, and refuses data of another name. It does not say how a type is declared:
// fields may come and go, as far as Values allows.
func (c *Codec[R]) Name() string { return c.name }

// Encode turns res into bytes that the caller owns. They do not contain its ID, but their checksum covers it: they
// can be decoded only with the same ID.
//
// An error matches [store.ErrRejected], names the ID and says what to do. It means that Values cannot encode the
// value, that JSON would change the value, or that a method of the value or of the error panics. The same call
// gives the same error again.
func (c *Codec[R]) Encode(res store.Result[R]) ([]byte, error) {
	if c.isZero() {
		return nil, fmt.Errorf("%w: %w", store.ErrRejected, errZero)
	}
	if c.loss != nil {
		return nil, fmt.Errorf("%w: codec: result %d: %w", store.ErrRejected, res.ID, c.loss)
	}
	var e *errorPart
	if res.Err != nil {
		var err error
		if e, err = c.known.describe(res.Err); err != nil {
			return nil, fmt.Errorf("%w: codec: result %d: cannot write its error, a %T, since a method panics: %v; "+
				"mend that method", store.ErrRejected, res.ID, res.Err, err)
		}
		// A task that failed has no value, and one that never ran even less: what
		// became of them is kept also where Values would not write a zero R.
		e.Zero = reflect.ValueOf(&res.Value).Elem().IsZero()
	}
	var value []byte
	if e == nil || !e.Zero {
		var err error
		if value, err = c.marshal(&res.Value); err != nil {
			return nil, fmt.Errorf("%w: codec: result %d: cannot write its %s: %s; "+
				"have the task return a value that can be written, or set Options.Values", store.ErrRejected, res.ID, c.name, texts.Of(err))
		}
	}
	return seal(res.ID, e, value), nil
}

// Decode reverses Encode. It gives id to the result, and does not keep data.
//
// An error names id. It means that Encode did not return data for that ID, or a bit has changed since; that a newer
// version of this package wrote it; or that Values cannot decode the value, or panics. It matches no other error:
// an error of Values is in its text only, because pools act on what a store's errors match.
func (c *Codec[R]) Decode(id store.ID, data []byte) (store.Result[R], error) {
	if c.isZero() {
		return store.Result[R]{}, errZero
	}
	e, value, err := open(id, data)
	if err != nil {
		return store.Result[R]{}, fmt.Errorf("codec: result %d: %w", id, err)
	}
	res := store.Result[R]{ID: id}
	if e != nil {
		res.Err = c.known.restore(e, 0)
	}
	if e != nil && e.Zero {
		return res, nil
	}
	if err := unmarshal(c.values, value, &res.Value); err != nil {
		return store.Result[R]{}, fmt.Errorf("codec: result %d: cannot read its %s: %s", id, c.name, texts.Of(err))
	}
	return res, nil
}

// EncodeValue turns a value, without a result around it, into bytes that the caller owns: a pool encodes its tasks
// so. The bytes contain [Codec.Name], the type of the value, and have no checksum.
//
// An error means that Values cannot encode the value or panics (then it wraps the error of Values), or that JSON
// would change the value. The same call gives the same error again.
func (c *Codec[R]) EncodeValue(v R) ([]byte, error) {
	if c.isZero() {
		return nil, errZero
	}
	if c.loss != nil {
		return nil, fmt.Errorf("codec: the value is not written: %w", c.loss)
	}
	value, err := c.marshal(&v)
	if err != nil {
		return nil, &unwritable{c.name, err}
	}
	return sealValue(c.name, value), nil
}

// DecodeValue reverses EncodeValue. The caller must not use data afterwards: Values may keep and change it.
//
// An error means that EncodeValue did not return data, or for another type or in a newer version of this package,
// or that Values cannot decode it. It matches no other error. A panic of Values is not recovered: the caller is the
// function that needs the value.
func (c *Codec[R]) DecodeValue(data []byte) (v R, err error) {
	if c.isZero() {
		return v, errZero
	}
	value, err := openValue(c.name, data)
	if err != nil {
		return v, fmt.Errorf("codec: the value cannot be read: %w", err)
	}
	if err := c.values.Unmarshal(value, &v); err != nil {
		var none R
		return none, fmt.Errorf("codec: the value cannot be read as %s: %s", c.name, texts.Of(err))
	}
	return v, nil
}

// unwritable is the error of EncodeValue. Its text is made when it is asked for.
type unwritable struct {
	name string // of the Codec
	why  error
}

func (e *unwritable) Error() string {
	return "codec: the value cannot be written as " + e.name + ": " + texts.Of(e.why)
}
func (e *unwritable) Unwrap() error { return e.why }

// marshal returns the bytes of a value that is the same when they are read.
func (c *Codec[R]) marshal(v *R) ([]byte, error) {
	data, err := marshal(c.values, v)
	if err == nil && c.isJSON {
		err = checkWritten(v, data, c.left)
	}
	return data, err
}

// marshal turns a panic into an error. What else it returns is the user's error itself.
func marshal(values Values, v any) (data []byte, err error) {
	err = guarded(func() (err error) { data, err = values.Marshal(v); return err })
	return data, err
}

// unmarshal hands out a copy: data may lie in a file that is mapped, where a slice
// that is kept or changed ends the program, and not with a panic.
func unmarshal(values Values, data []byte, v any) error {
	return guarded(func() error { return values.Unmarshal(bytes.Clone(data), v) })
}

// guarded calls code of the user, and turns a panic into an error that matches nothing.
func guarded(call func() error) (err error) {
	returned := false
	defer func() {
		if p := recover(); !returned { // p may be nil, after a panic(nil)
			err = fmt.Errorf("panic: %s", texts.Of(p))
		}
	}()
	err = call()
	returned = true
	return err
}

func isJSON(v Values) bool {
	switch v.(type) {
	case JSON, *JSON:
		return true
	default:
		return false
	}
}

func isNilPointer(v any) bool {
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}
