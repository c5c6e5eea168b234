// Package bolt keeps results in a file that survives a crash of the program and a power cut: a database of
// [go.etcd.io/bbolt].
//
//	st, err := bolt.Open[Thumbnail]("thumbnails.db", nil)
//	if err != nil {
//		return err
//	}
//	defer st.Close()
//	p, err := pool.New(ctx, resize, st, nil)
//
// With a file that was used before, a pool goes on with new IDs, and its Get finds the results of all runs.
//
// # Durability
//
// When Put, PutBatch, Delete, DeleteBatch or ReserveIDs has returned nil, its effect is on the disk: bbolt has
// written it and waited for the disk, twice (fdatasync). After a crash or a power cut, the file holds all that was
// acknowledged, and each call that was under way has happened wholly or not at all. This holds if the disk tells
// the truth: some disks, and some virtual ones, say that they have written before they have. With Options.NoSync
// nobody waits for the disk: then a crash of the program loses nothing, but a power cut may lose results and damage
// the file.
//
// After a failed write, nobody knows which part of it is on the disk. Then no method returns nil, ErrExists or
// ErrNotFound until the readable data has been written once more, with success. So a Put that has failed may be
// repeated, as a pool does, and ErrExists means that the first one succeeded after all.
//
// # Damage
//
// bbolt has checksums in its two meta pages only, and trusts everything else. This package has a checksum for each
// result and its ID, see package codec, and looks at pages before bbolt does:
//
//   - Open reads the meta pages, the list of free pages and the branches of the tree, about one page of a hundred.
//     If they are damaged, it says what is damaged, and leaves the file as it is: bbolt might loop for ever in it,
//     or write to pages that are in use.
//   - A result that has changed is an error of Get, and a pair with its ID in All. All goes on behind it, and
//     Delete removes it.
//   - A leaf of the tree that is not in order is an error of every call that needs it. The results it hides are not
//     reported as missing, nothing is written to it, and All ends there. The rest can be read and written.
//   - A page that cannot be read is an error as well.
//   - With Options.Check, Open reads every page and every result, and checks that each page is either in use or
//     free.
//
// So a bit that has changed is an error, or changes nothing, with these exceptions, which only Check finds:
//
//   - in the newer meta page: bbolt uses the older one, and the last write is gone. After Close this cannot happen,
//     because both then say the same; and IDs are not given out again in either case. (A power cut may leave such a
//     page as well, on a disk that does not write 512 bytes at once. Then open the file once without Check: the
//     next write replaces the page.)
//   - in the ID of a result: Get of the right ID says that it is not found. All reports it.
//   - in the list of free pages: a page is never used again, or, if it is the second or a later one of a large
//     result, it is overwritten, which is then an error of that result.
//   - in the number of the page where the results begin: all results except those below another page may be
//     missing.
//
// Nothing detects that the file is an older copy, or that it is missing, empty, or has only its first bytes: then
// it is made, as the first time. TestDamage tries all this.
//
// If an open file is removed or replaced, the program does not stop: it goes on with the file that has no name any
// more. Close says so.
//
// # Visibility
//
// A result is visible to every goroutine as soon as Put has returned, or a moment before, and never before it is on
// the disk. (A Delete is visible while it waits for the disk.)
//
// One process has the file at a time, and opens it once: [Open] of a file that is in use waits for Options.Timeout
// and then fails. So pools of one process share one Store.
//
// # Cost
//
// Each write waits for the disk: Put, Delete, PutBatch and DeleteBatch take about the same, from a tenth of a
// millisecond to ten, whatever the number of results, and ReserveIDs twice as long. One of them writes at a time.
// So only PutBatch puts many results fast, and only DeleteBatch, which [store.DeleteAll] calls, deletes many fast.
//
// Get and All read from the page cache, in microseconds, and do not wait for writes. All reads some hundred results
// at a time, in the order of their IDs, and holds nothing in between.
//
// A result of 128 bytes takes about 200 in the file. Deleted results make room for new ones; the file never
// shrinks. Each write also writes the list of free pages, 8 bytes for each 4096 that are free: a file that once
// held millions of results and is nearly empty makes every write slower. Replace it by a new one.
//
// Put encodes the result, see package codec. A result that the codec refuses, or that takes more than 256 MB (32 MB
// on 32-bit machines, whose files end at 2 GB), is rejected with [store.ErrRejected].
//
// # When to use
//
// When results have to survive the program, on one machine, without a server. The file must be on a local disk: its
// lock and its memory map are not reliable over a network. If results need not survive, package dense, an array in
// memory, takes tens of nanoseconds.
//
// The file belongs to this package, and to one type of results: Open refuses the file of another program and one
// with results of another type. For a type that JSON does not bring back as it was, Open makes no new file: see
// package codec. [go.etcd.io/bbolt/cmd/bbolt] shows the contents and checks them, while nobody has the file open.
//
// # Waiting
//
// A write waits for the one before it, until its context is done. Once it has begun, it cannot be interrupted,
// however long the disk takes. Neither this package nor bbolt starts a goroutine.
package bolt
