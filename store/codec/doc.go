// Package codec turns a [store.Result] into bytes and back, for stores that keep
// their results outside of the memory of the program:
//
//	c, err := codec.New[Thumb](nil)
//	data, err := c.Encode(res)
//	res, err := c.Decode(id, data)
//
// Stores use it; a user chooses its [Options]. It needs the standard library only. A value
// without a result around it, as a task is, has [Codec.EncodeValue] and [Codec.DecodeValue].
//
// # What survives: the value
//
// What [Values] makes of it. By default that is what package encoding/json makes of it, which
// loses some things without a word. So [New] refuses an R that would lose something, by its type alone:
//
//   - a field that is not exported, also of an embedded struct;
//   - an interface with methods, say error: JSON writes what is in it and cannot say what to make again;
//   - two fields with one name, also where one hides that of an embedded struct;
//   - a struct whose MarshalJSON is that of an embedded field, as in struct{ time.Time; Name string },
//     which leaves out the others;
//   - the same with an embedded pointer, as in struct{ *time.Time }, which is nil when it is to read;
//   - a type that JSON writes by a method and has none to read by, or that has a MarshalJSON
//     with a pointer receiver as the value of a map, where JSON does not call it; one, but a string,
//     that has an UnmarshalText and nothing to write a text; one with methods and the tag ",string";
//   - a channel, a func, a complex number; keys of a map that JSON does not read.
//
// The error names the field. The way out is to export the field, or to give the type methods for both
// ways, MarshalJSON and UnmarshalJSON or MarshalText and UnmarshalText: a type that marshals itself is
// trusted, as is Values of your own. A tag is your choice and is taken as it is: a field with
// the tag "-", exported or not, comes back zero, and an empty one with omitempty as nil. A tag changes
// neither [Codec.Name] nor what is written, so data of such a type can still be read. What holds
// nothing, as struct{}, loses nothing; a type may contain itself.
//
// What the type cannot tell is an error of [Codec.Encode]: a string that is not UTF-8 (a []byte comes
// back as it was); an integer in a variable of type any that a float64 rounds; a string, if it is the key of
// a map or has no MarshalText, of which its UnmarshalText makes another; a NaN, an infinity, a pointer
// that leads back to itself.
//
// This is left:
//
//   - what was in a field or a variable of type any comes back as a float64, string, bool,
//     map[string]any, []any or nil;
//   - pointers to one thing come back as pointers to copies of it, a pointer to a nil one as nil, a
//     time.Time without its monotonic clock, and an empty json.Number as 0;
//   - what a type loses that marshals itself.
//
// So take one R on a trip in a test, as the example of [Codec.Encode] does. [ForReading] is for
// data that were written before New refused their type.
//
// # What survives: the error
//
// The text, byte for byte, and which sentinels it matches under [errors.Is]: those of
// [Options], and of every codec
//
//   - store.ErrNotRun and store.ErrGoexit, which are also pool's;
//   - context.Canceled and context.DeadlineExceeded;
//   - store.ErrRejected, store.ErrExists and store.ErrNotFound;
//   - the errors of packages io and io/fs, and of os ErrDeadlineExceeded, ErrNoDeadline and
//     ErrProcessDone; errors.ErrUnsupported; net.ErrClosed;
//   - any syscall.Errno, on the same operating system: the numbers of another one mean something
//     else. fs.ErrNotExist and the like, which an Errno matches, match everywhere.
//
// An error that was one of these itself is that very error again, but for net.ErrClosed. If one of
// the last two kinds is registered in [Options] under another code, it has both. pool.ErrNoWorkers is
// not among them, since this package knows nothing of package pool: where you ask for
// it, put it into Options, as the example of [Options] does.
//
// The first *[store.PanicError] in an error is found by [errors.As] again, with its
// stack. Its Value is the text of what it was, as fmt.Sprint has it, unless it was an
// error: then it is an error again, of which the same is true as of the whole one. An
// error that was a PanicError itself is one again. Of panics with panics in them the
// first eight keep their stack.
//
// What is lost is an error's type, but for that: errors.As does not find a
// *fs.PathError after the trip.
//
// An error may lead back to itself by its Unwrap method, where [errors.Is] does not end.
// Encode looks at the first 65,536 errors in the order of errors.Is: what lies beyond
// does not match after the trip.
//
// A code that this program does not know, since an earlier one had another
// [Options.Errors], matches nothing; it is written again with the error.
//
// If an error comes with a value that is zero, the value is not written, so a task
// that failed or was not run is kept also where Values would refuse a zero R.
//
// # What it costs
//
// One json.Marshal or json.Unmarshal, one copy of the bytes and one checksum. An error
// costs a walk through its chain. JSON in which the escape \ufffd is, or a long number where R has
// an any, is looked at once more, which takes about as long as to read it; so is all JSON of an R with
// strings that have an UnmarshalText and no MarshalText, or as keys of maps. Beside the bytes of the value there are six
// more, and for an error its text, its codes and the stack.
//
// # Versions
//
// The first byte is the version of the format, which is 1. Later versions of this package
// will read it. Data of a version that is not known is an error that says so.
//
// The last four bytes are a checksum, CRC-32C, of the result's ID and all before. So a
// bit that has changed on a disk is an error, and so is a right result under a wrong ID.
package codec
