// Package bolt keeps results in a file, which a crash of the program and a power cut leave
// as it was: a database of [go.etcd.io/bbolt].
//
//	st, err := bolt.Open[Thumbnail]("thumbnails.db", nil)
//	if err != nil {
//		return err
//	}
//	defer st.Close()
//	p, err := pool.New(ctx, resize, st, nil)
//
// A pool over a file that was used before goes on with new IDs, and its Get answers for the
// results of all runs.
//
// # Durability
//
// When Put, PutBatch, Delete, DeleteBatch or ReserveIDs has returned nil, what it has done is on the disk:
// bbolt has written it and waited for the disk, twice (fdatasync). After a crash or a power
// cut, the file holds all that was acknowledged, and each call that was under way has
// happened wholly or not at all. That is as true as what the disk says: some disks, and some
// virtual ones, say that they have written before they have. With Options.NoSync nobody
// waits for the disk: a crash of the program loses nothing then, a power cut may lose
// results and damage the file.
//
// After a write that failed, nobody knows what of it is on the disk. No method returns nil,
// ErrExists or ErrNotFound then until what can be read has been written once more, with
// success. So a Put that has failed may be repeated, as a pool does, and ErrExists means
// that the first one did it after all.
//
// # Damage
//
// bbolt has checksums in its two meta pages only, and takes all else on trust. This package
// has one for each result and its ID, see package codec, and looks at pages before bbolt does:
//
//   - Open reads the meta pages, the list of free pages and the branches of the tree, which
//     is about one page of a hundred. If they are damaged, it says what is, and leaves the
//     file as it is: bbolt might go round in circles in it, or write to pages that are in use.
//   - A result that has changed is an error of Get, and of All a pair with its ID. All goes
//     on behind it, and Delete removes it.
//   - A leaf of the tree that is not in order is an error of every call that has to do with
//     it. What it hides is not taken for missing, nothing is written to it, and All ends
//     there. What is elsewhere can be read and written.
//   - A page that cannot be read is an error as well.
//   - With Options.Check, Open reads every page and every result, and finds out whether each
//     page is either in use or free.
//
// So a bit that has changed is an error, or changes nothing, with these exceptions, of which
// only Check tells:
//
//   - in the newer meta page: bbolt uses the older one, and what was written last is gone.
//     Not so after Close, which has both say the same; and IDs are not given out again in
//     either case. (A power cut may leave such a page as well, on a disk that does not write
//     512 bytes at once. Open it once without Check then: the next write replaces the page.)
//   - in the ID of a result: Get of the right ID says that it is not found. All tells of it.
//   - in the list of free pages: a page is never used again, or, if it is the second or a
//     later one of a large result, it is written over, which is then an error of that result.
//   - in the number of the page where the results begin: all results but those below
//     another page may be missing.
//
// Nothing tells that the file is an older copy, or that it is missing, empty, or has no
// more than its first bytes: then it is made, as the first time. TestDamage tries what this
// says.
//
// To remove a file that is open, or to put another in its place, does not stop the program:
// it goes on with the file that has no name any more. Close says so.
//
// # Visibility
//
// A result is visible to every goroutine as soon as Put has returned, or a moment before, and
// in no case before it is on the disk. (A Delete is visible while it waits for the disk.)
//
// One process has the file at a time, and opens it once: [Open] of a file that is in use
// waits, for as long as it is told, and fails. So pools of one process share one Store.
//
// # Cost
//
// Each write waits for the disk: Put, Delete, PutBatch and DeleteBatch take about the same,
// from a tenth of a millisecond to ten, whatever the number of results, and ReserveIDs twice
// as long. One of them writes at a time. So many results are put fast by PutBatch only, and
// deleted fast by DeleteBatch, which [store.DeleteAll] calls.
//
// Get and All read from the page cache, in microseconds, and do not wait for writes. All
// reads some hundred results at a time, in the order of their IDs, and holds nothing in
// between.
//
// A result of 128 bytes takes about 200 in the file. What is deleted makes room for new
// results; the file never shrinks. Each write also writes the list of free pages, 8 bytes
// for each 4096 that are free: a file that once held millions of results and is nearly empty
// makes every write slower. Replace it by a new one.
//
// Put encodes the result, see package codec. What the codec refuses, and what takes more
// than 256 MB (32 MB on 32-bit machines, whose files end at 2 GB), is [store.ErrRejected].
//
// # When to use
//
// When results have to survive the program, on one machine, with no server to run. The file
// has to lie on a disk of this machine: the lock, and the map of the file into memory, are
// not to be relied on over a network. If they need not survive, package dense takes tens of
// nanoseconds.
//
// The file belongs to this package, and to one type of results: Open refuses the file of
// another program and one with results of another type. A type that JSON does not bring back as it
// was has no new file: see package codec. [go.etcd.io/bbolt/cmd/bbolt] shows
// what is in it and checks it, while nobody has it open.
//
// # Waiting
//
// A write waits for the one before it, until its context is done. Once it has begun, it cannot
// be interrupted, for as long as the disk takes. Neither this package nor bbolt starts a
// goroutine.
package bolt
