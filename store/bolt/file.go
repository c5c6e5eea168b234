package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/resultpool/resultpool/store"
)

// A file is an open database: all of a Store that has nothing to do with R.
//
// Order of locks: turn, then mu. No code of the user runs with either held.
type file struct {
	path     string
	pageSize int // of db
	noSync   bool
	name     string // path, also for when the working directory has changed

	// turn holds a token while a write transaction is under way. It stands in front
	// of bbolt's own lock, which is then always free, because a wait for it ends
	// with a context.
	turn chan struct{}

	// mu is read-locked around each transaction. To lock it is to wait for those under way:
	// close for a commit as well, resync for readers only, which are over in no time,
	// since a transaction contains no code of the user.
	mu     sync.RWMutex
	db     *bbolt.DB                    // guarded by mu; nil once closed
	osFile *os.File                     // that of db, which closes it
	commit func(*bbolt.Tx) error        // Tx.Commit, but in tests
	closed atomic.Bool                  // Close has begun: no call has to queue for mu any more
	broken atomic.Pointer[damagedError] // what db panicked with; its state is not known since

	// unsynced are the IDs, sorted, of results whose commit is under way or has failed.
	// bbolt shows what it has written before it waits for the disk: a reader that finds
	// one of these has read it too early. Written with the turn.
	unsynced atomic.Pointer[[]store.ID]

	// ahead says that the newer meta page has something that the older one may not have.
	// Written with the turn, or with mu held.
	ahead bool

	// large says that the transaction under way writes so much that its pages are unmapped
	// after it. Written with the turn.
	large bool

	// suspect says that a commit has failed, and that what it wrote may be visible
	// without being on the disk. It is set with turn held, and cleared by resync.
	suspect atomic.Bool
}

// enter lets a transaction begin, until leave.
func (f *file) enter() error {
	if f.closed.Load() {
		return ErrClosed
	}
	f.mu.RLock()
	if f.db == nil {
		f.mu.RUnlock()
		return ErrClosed
	}
	if e := f.broken.Load(); e != nil {
		f.mu.RUnlock()
		return e
	}
	return nil
}

func (f *file) leave() { f.mu.RUnlock() }

// takeTurn waits until no other writer is under way. Then the caller is the writer
// until endTurn.
//
// A ctx that is done does not keep the caller from a turn that is free: such is the ctx of a
// pool that is cancelled and has met a write that took long, and its last results are worth
// as much as the others.
func (f *file) takeTurn(ctx context.Context) error {
	if f == nil {
		return errZero
	}
	select {
	case f.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case f.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (f *file) endTurn() { <-f.turn }

// view calls do in a read transaction, which does not wait for writers.
func (f *file) view(ctx context.Context, do func(*bbolt.Tx) error) error {
	if f == nil {
		return errZero
	}
	if f.suspect.Load() {
		if err := f.takeTurn(ctx); err != nil {
			return err
		}
		err := f.resync()
		f.endTurn()
		if err != nil {
			return err
		}
	}
	if err := f.enter(); err != nil {
		return err
	}
	defer f.leave()

	begun := false
	err := guard(f.path, func() error {
		return f.db.View(func(tx *bbolt.Tx) error {
			begun = true
			return do(tx)
		})
	})
	if !begun { // else View has ended its transaction, and other pages may be sound
		err = f.notBegun(err)
		f.breakIfDamaged(err)
	}
	return err
}

// notBegun says why bbolt does not begin a transaction.
func (f *file) notBegun(err error) error {
	if errors.Is(err, berrors.ErrInvalidMapping) { // since the file has grown, and mapping all of it failed
		return fmt.Errorf("bolt: %s: %w, for there was no memory: close it and open it again", f.path, err)
	}
	return err
}

// update calls each do in a write transaction, and commits it if do returns true. When
// update returns nil, all that they have seen and done is on the disk.
func (f *file) update(ctx context.Context, do ...func(*bbolt.Tx) (bool, error)) error {
	if err := f.takeTurn(ctx); err != nil {
		return err
	}
	defer f.endTurn()
	for _, do := range do {
		if err := f.write(do); err != nil {
			return err
		}
	}
	return nil
}

// write is update with the turn, which the caller has.
func (f *file) write(do func(*bbolt.Tx) (bool, error)) error {
	if err := f.resync(); err != nil {
		return err
	}
	if err := f.enter(); err != nil {
		return err
	}
	defer f.leave()

	f.large = false
	err := guard(f.path, func() error {
		tx, err := f.db.Begin(true)
		if err != nil {
			return f.notBegun(err)
		}
		if changed, err := do(tx); err != nil || !changed {
			_ = tx.Rollback() // which fails only if the transaction is over
			return err
		}
		size := tx.Size() // no more than is mapped
		if err := f.commit(tx); err != nil {
			f.suspect.Store(true)
			return fmt.Errorf("bolt: writing to %s: %w", f.path, err)
		}
		if f.large {
			unmap(f.db.Info().Data, size)
		}
		f.unsynced.Store(nil)
		f.ahead = true
		return nil
	})
	f.breakIfDamaged(err)
	return err
}

// isSynced reports whether a result that has been found is on the disk. It looks after the
// result has been found: what was under way then may have ended well since.
func (f *file) isSynced(id store.ID) bool {
	ids := f.unsynced.Load()
	if ids == nil {
		return true
	}
	_, found := slices.BinarySearch(*ids, id)
	return !found
}

// breakIfDamaged gives db up after it has panicked with its locks held: a call that wanted
// one would wait for ever.
func (f *file) breakIfDamaged(err error) {
	var damaged *damagedError
	if errors.As(err, &damaged) {
		f.broken.CompareAndSwap(nil, damaged)
	}
}

func (f *file) close() error {
	if f == nil {
		return errZero
	}
	f.closed.Store(true)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.db == nil {
		return nil
	}
	f.even()
	gone := f.isGone()
	db := f.db
	f.db = nil
	var err error
	if f.broken.Load() != nil {
		err = abandon(f.osFile)
	} else {
		err = db.Close()
	}
	if err != nil {
		err = fmt.Errorf("bolt: closing %s: %w", f.path, err)
	}
	return errors.Join(gone, err)
}

// even has both meta pages say the same, so that damage to one of them takes nothing back.
// If it fails, nothing is lost: what it writes is on the disk.
func (f *file) even() {
	if !f.ahead || f.suspect.Load() || f.broken.Load() != nil {
		return
	}
	f.breakIfDamaged(guard(f.path, func() error { return f.db.Update(func(*bbolt.Tx) error { return nil }) }))
}

// isGone returns an error if the file is not where it was opened any more. To write to it
// has worked all the same: only its name is gone.
func (f *file) isGone() error {
	ours, err := f.osFile.Stat()
	if err != nil {
		return nil // not known
	}
	switch named, err := os.Stat(f.name); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("bolt: %s was removed, or given another name, while it was open: "+
			"what was written to it is not there", f.path)
	case err == nil && !os.SameFile(ours, named):
		return fmt.Errorf("bolt: %s is another file than the one that was opened, which was removed or given another name: "+
			"what was written to that is not there", f.path)
	}
	return nil
}
