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
// What [Values] makes of it, and that is by default what package encoding/json makes
// of it, which loses some things without a word:
//
//   - unexported fields, and fields with the tag "-", come back zero;
//   - what was in a field or a variable of type any comes back as a float64, string,
//     bool, map[string]any, []any or nil, and large whole numbers in it are rounded;
//   - bytes of a string that are not UTF-8 come back as U+FFFD, but those of a
//     []byte as they were;
//   - pointers to one thing come back as pointers to copies of it, and a time.Time
//     without its monotonic clock.
//
// An error of the encoder is one of Encode: a NaN, an infinity, a channel, a func, a
// pointer that leads back to itself. What can be written and not read is found by
// Decode only: where R has an interface with methods in it, say a field of type error,
// JSON writes what it holds and cannot say what type to make of it.
//
// So take one R on a trip in a test, as the example of [Codec.Encode] does.
//
// # What survives: the error
//
// The text, byte for byte, and which sentinels it matches under [errors.Is]: those of
// [Options], and of every codec
//
//   - store.ErrNotRun and store.ErrGoexit, which are also pool's;
//   - context.Canceled and context.DeadlineExceeded;
//   - store.ErrRejected, store.ErrExists and store.ErrNotFound.
//
// An error that was one of these itself is that very error again. pool.ErrNoWorkers is
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
// costs a walk through its chain for each sentinel. Beside the bytes of the value there are six
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
