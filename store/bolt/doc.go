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
// When Put, PutBatch, Delete or ReserveIDs has returned nil, what it has done is on the disk:
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
// bbolt has no checksums for its data. Package codec has one for each result and its ID:
// what has changed on the disk is an error of Get and All, never a wrong result. A damaged
// file may miss results without a word. A page that cannot be read is an error as well. Once
// a write has met such a page, every method returns that error.
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
// Each write waits for the disk: Put, Delete, ReserveIDs and PutBatch take about the same,
// from a tenth of a millisecond to ten, whatever the number of results. One of them writes
// at a time. So many results are put fast by PutBatch only, and results that are deleted one
// by one cost as much as they did to put.
//
// Get and All read from the page cache, in microseconds, and do not wait for writes. All
// reads some hundred results at a time, in the order of their IDs, and holds nothing in
// between.
//
// A result of 128 bytes takes about 200 in the file. What is deleted makes room for new
// results; the file never shrinks. Each write writes the list of free pages, too, 8 bytes
// for each 4096 that are free: a file that once held millions of results and is nearly empty
// makes every write slower, and had better be replaced by a new one.
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
// another program and one with results of another type. [go.etcd.io/bbolt/cmd/bbolt] shows
// what is in it and checks it, while nobody has it open.
//
// # Waiting
//
// A write waits for the one before it, until its context is done. Once it has begun, it cannot
// be interrupted, for as long as the disk takes. Neither this package nor bbolt starts a
// goroutine.
package bolt
