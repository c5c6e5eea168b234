package bolt

import "fmt"

// resync makes sure that what can be read is on the disk, if a commit has failed. The
// caller has the turn.
//
// A commit writes its pages and waits for the disk, and then writes a meta page, which
// makes the others visible, and waits again. If the second wait fails, all of it is
// visible and stays so, and whether it is on the disk nobody knows: a retry would find
// the results there, and take that for stored. It gets worse. The pages that the
// transaction has freed, bbolt uses for the next one, and writes to them while the meta
// page on the disk may be the old one, which needs them. And to wait for the disk once
// more proves nothing: Linux, having told once of a page that it could not write, does
// not try that page again.
//
// So both meta pages are written again as they are, which makes them pages to be
// written, before anybody reads or writes anything else.
func (f *file) resync() error {
	if !f.suspect.Load() {
		return nil
	}
	if err := f.enter(); err != nil {
		return err
	}
	err := f.rewriteMeta()
	f.leave()
	if err != nil {
		return fmt.Errorf("bolt: writing to %s, where a write has failed before: %w", f.path, err)
	}

	// No reader of the pages that have been freed may be left.
	f.mu.Lock()
	f.unsynced.Store(nil)
	f.suspect.Store(false)
	f.mu.Unlock()
	return nil
}

func (f *file) rewriteMeta() error {
	pages := make([]byte, 2*f.pageSize)
	if _, err := f.osFile.ReadAt(pages, 0); err != nil {
		return err
	}
	if _, err := f.osFile.WriteAt(pages, 0); err != nil {
		return err
	}
	if f.noSync {
		return nil
	}
	return f.osFile.Sync()
}
