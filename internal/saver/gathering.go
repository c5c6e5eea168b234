package saver

import "sync"

const (
	// MaxBatch is how many results a BatchPutter is given at once, at most. As many may gather
	// to be next. (A database that syncs each batch has all but reached its best rate there,
	// and fewer would be lost with the process.)
	MaxBatch = 1024

	// MaxBatchBytes is how many bytes such a batch has, at most, if it is more than one result
	// and the store is a RecordPutter. A disk takes longer to write so much than to sync it.
	// In memory there are as many bytes again of the batch that is being written, and the
	// values of both that the bytes were made of.
	MaxBatchBytes = 8 << 20
)

// A Gathering is the next batch of a BatchPutter: what workers leave for the writer while it is busy
// with the batch before. There is no timer: a result that comes while the store is idle is a batch.
//
// Its lock is the caller's, that of Space. An entry belongs to the worker until Add has returned,
// and then to the writer.
type Gathering[R any] struct {
	// Space is what workers sleep on that have a result, while the batch is full.
	Space   sync.Cond
	entries []Entry[R]
	// bytes is the size of entries together.
	bytes int
	// large is true while a worker waits with a large result, and others let it pass.
	large bool
}

// Add adds a result. While the batch is full it waits, with the lock free: so the worker holds its
// slot, and a store that is down stops the workers. While a large result waits, the others wait behind
// it: there might always be a smaller one that fits.
func (g *Gathering[R]) Add(e Entry[R]) {
	passed := false // others let this result pass
	for g.large && !passed || !g.takes(e.Size()) {
		if !g.large && e.Size() > MaxBatchBytes/MaxBatch {
			g.large, passed = true, true
		}
		g.Space.Wait()
	}
	if passed {
		g.large = false
		g.Space.Broadcast()
	}
	g.entries = append(g.entries, e)
	g.bytes += e.Size()
}

// takes reports whether the batch takes another result of so many bytes. Results of a store that
// encodes for itself have no bytes here, and only their number counts. The batch takes at least one
// result, however large that is.
func (g *Gathering[R]) takes(size int) bool {
	return len(g.entries) == 0 || len(g.entries) < MaxBatch && g.bytes+size <= MaxBatchBytes
}

// Take returns the batch, or nothing if there is none, and begins the next one in the array of an
// older batch, which is saved. So two arrays go back and forth, and a pool that is busy allocates
// none. All who wait for space are woken: the new batch takes as many as there are workers.
func (g *Gathering[R]) Take(older []Entry[R]) []Entry[R] {
	batch := g.entries
	g.entries, g.bytes = older[:0], 0
	g.Space.Broadcast()
	return batch
}
