package backoff

import (
	"sync"
	"time"
)

// An Outage is something that has failed since a moment, and its last error.
type Outage = struct {
	Since time.Time
	Err   error
}

// Failures is what fails at this moment: the loops whose last attempt has failed, and the
// failure after which there is nothing left to attempt. Its lock is innermost.
type Failures struct {
	mu    sync.Mutex
	open  map[*Loop]struct{} // guarded by mu
	final *Outage            // the first final failure; guarded by mu
	tell  func(Outage, bool) // see Tell
}

// New returns an empty record.
func New() *Failures { return &Failures{open: make(map[*Loop]struct{})} }

// Loop returns a loop whose failures are recorded here.
func (f *Failures) Loop() *Loop { return &Loop{failures: f} }

// Tell has change be called, without a lock, after each failure, and, with false, when a loop that had failed has
// succeeded and no other one fails. It is to be called before all else. Two calls may come in the wrong order.
func (f *Failures) Tell(change func(o Outage, fails bool)) { f.tell = change }

// End records a final failure, and reports whether it is the first.
func (f *Failures) End(err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.final != nil {
		return false
	}
	f.final = &Outage{time.Now(), err}
	return true
}

// Final returns the final failure, or nil if there was none.
func (f *Failures) Final() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.final == nil {
		return nil
	}
	return f.final.Err
}

// Now returns the final failure, or else the oldest of those that go on.
func (f *Failures) Now() Outage {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.final != nil {
		return *f.final
	}
	var oldest Outage
	for l := range f.open {
		if oldest.Since.IsZero() || l.outage.Since.Before(oldest.Since) {
			oldest = l.outage
		}
	}
	return oldest
}
