// Package codec turns a [store.Result] into bytes and back, for stores that keep
// their results outside of the memory of the program:
//
//	c, err := codec.New[Thumb](nil)
//	data, err := c.Encode(res)
//	res, err := c.Decode(id, data)
//
// Stores use it; a user chooses its [Options]. It needs the standard library only. [Codec.EncodeValue] and
// [Codec.DecodeValue] are for a value without a result around it, such as a task.
//
// # What survives: the value
//
// What [Values] makes of it. The default is package encoding/json, which loses some things without an error. So
// [New] refuses a type R that would lose something:
//
//   - an unexported field, also of an embedded struct;
//   - an interface with methods, such as error: JSON writes what is in it and cannot say what to make again;
//   - two fields with one name, also where one hides that of an embedded struct;
//   - a struct whose MarshalJSON is that of an embedded field, as in struct{ time.Time; Name string }, which leaves
//     out the other fields;
//   - the same with an embedded pointer, as in struct{ *time.Time }, which is nil when JSON is read into it;
//   - a type with a method to write JSON and none to read it; a map whose values have a MarshalJSON with a pointer
//     receiver, which JSON does not call there; a type other than a string that has an UnmarshalText and nothing to
//     write a text; a type with methods and the tag ",string";
//   - a channel, a func, a complex number; a map key that JSON cannot read.
//
// The error names the field. The way out is to export the field, or to give the type methods for both directions,
// MarshalJSON and UnmarshalJSON or MarshalText and UnmarshalText: a type that marshals itself is trusted, and so
// are your own Values. A tag is your choice and is taken as it is: a field with the tag "-", exported or not, comes
// back zero, and an empty one with omitempty comes back nil. A tag changes neither [Codec.Name] nor the format, so
// data of such a type can still be read. A type that holds nothing, such as struct{}, loses nothing; a type may
// contain itself.
//
// What the type alone cannot tell is an error of [Codec.Encode]: a string that is not UTF-8 (a []byte comes back as
// it was); an integer in a variable of type any that a float64 would round; a string that its UnmarshalText would
// change, if it is the key of a map or has no MarshalText; a NaN, an infinity, a pointer that leads back to itself.
//
// These losses remain:
//
//   - what was in a field or a variable of type any comes back as a float64, string, bool, map[string]any, []any or
//     nil;
//   - pointers to the same variable come back as pointers to copies of it, a pointer to a nil pointer as nil, a
//     time.Time without its monotonic clock, and an empty json.Number as 0;
//   - whatever a type that marshals itself loses.
//
// So encode and decode one R in a test, as the example of [Codec.Encode] does. [ForReading] is for data that were
// written before New refused their type.
//
// # What survives: the error
//
// The text, byte for byte, and which sentinels it matches under [errors.Is]: those of [Options], and for every
// codec
//
//   - store.ErrNotRun and store.ErrGoexit, which are also pool's;
//   - context.Canceled and context.DeadlineExceeded;
//   - store.ErrRejected, store.ErrExists and store.ErrNotFound;
//   - the errors of packages io and io/fs, and of os ErrDeadlineExceeded, ErrNoDeadline and ErrProcessDone;
//     errors.ErrUnsupported; net.ErrClosed;
//   - any syscall.Errno, on the same operating system: the numbers of another one mean something else.
//     fs.ErrNotExist and the like, which an Errno matches, match everywhere.
//
// An error that was one of these itself is that very error again, except net.ErrClosed. If an error of the last two
// kinds is registered in [Options] under another code, it has both. pool.ErrNoWorkers is not among them, because
// this package knows nothing of package pool: if your program tests for it, put it into Options, as the example of
// [Options] does.
//
// [errors.As] finds the first *[store.PanicError] in an error again, with its stack. Its Value is then the text
// that fmt.Sprint made of the original, unless that was an error: then it is an error again, to which all of this
// applies as well. An error that was a PanicError itself is one again. If panics contain panics, the first eight
// keep their stack.
//
// Any other error loses its type: after decoding, errors.As does not find a *fs.PathError.
//
// If an error leads back to itself by its Unwrap method, [errors.Is] does not end. Encode looks at the first 65,536
// errors in the order of errors.Is: errors beyond these do not match after decoding.
//
// A code that this program does not know, because an earlier one had another [Options.Errors], matches nothing; it
// is written again with the error.
//
// If an error comes with a zero value, the value is not written. So a task that failed or was not run is kept even
// if Values would refuse a zero R.
//
// # What it costs
//
// One json.Marshal or json.Unmarshal, one copy of the bytes and one checksum. An error costs a walk through its
// chain. JSON that contains the escape \ufffd, or a long number where R has an any, is scanned once more, which
// takes about as long as reading it; so is all JSON of an R with strings that have an UnmarshalText and either have
// no MarshalText or are keys of maps. There are six bytes beside those of the value, and for an error its text, its
// codes and the stack.
//
// # Versions
//
// The first byte is the version of the format, which is 1. Later versions of this package will read it. Data of an
// unknown version is an error that says so.
//
// The last four bytes are a checksum, CRC-32C, of the result's ID and all bytes before. So a bit that has changed
// on a disk is an error, and so is an intact result under a wrong ID.
package codec
