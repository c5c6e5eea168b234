package pool

import (
	"context"
	"sync"
	"time"
)

// An outage is what Stats shows of a trouble.
type outage = struct {
	Since time.Time
	Err   error
}

// troubles is what fails at this moment: one trouble for each loop of attempts that has not
// had a success since its first failure. Its lock is taken alone, or inside Pool.mu.
type troubles struct {
	mu      sync.Mutex
	open    map[*trouble]struct{} // guarded by mu
	forGood *outage               // the first failure for good, which ends the pool; guarded by mu
}

// A trouble is a loop of attempts. It belongs to one goroutine at a time.
type trouble struct {
	all   *troubles
	pause time.Duration // the last one
	what  outage        // zero before the first failure and after a success; written under all.mu
}

// failed notes that an attempt has failed, and returns the pause before the next one.
func (t *trouble) failed(err error) time.Duration {
	t.pause = nextPause(t.pause)
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	if t.what.Since.IsZero() {
		t.what.Since = time.Now()
		if t.all.open == nil {
			t.all.open = make(map[*trouble]struct{})
		}
		t.all.open[t] = struct{}{}
	}
	t.what.Err = err
	return t.pause
}

// over notes that an attempt has succeeded, or that no other one follows.
func (t *trouble) over() {
	t.pause = 0
	t.passed()
}

// passed is over for any goroutine, while the one that t belongs to makes an attempt.
func (t *trouble) passed() {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	delete(t.all.open, t)
	t.what = outage{}
}

// refusal returns the last one, or nil if it is over.
func (t *trouble) refusal() error {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	return t.what.Err
}

// end notes the failure for good, and reports whether it is the first.
func (ts *troubles) end(err error) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.forGood != nil {
		return false
	}
	ts.forGood = &outage{time.Now(), err}
	return true
}

// failure returns the failure for good, or nil if there was none.
func (ts *troubles) failure() error {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.forGood == nil {
		return nil
	}
	return ts.forGood.Err
}

// now returns the trouble that the pool has ended with, or else the oldest.
func (ts *troubles) now() outage {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.forGood != nil {
		return *ts.forGood
	}
	var oldest outage
	for t := range ts.open {
		if oldest.Since.IsZero() || t.what.Since.Before(oldest.Since) {
			oldest = t.what
		}
	}
	return oldest
}

// late returns the error of a joined pool for a ctx that is done: its cause, and the refusal that
// was in the way, if there was one. (Over a store it is the cause alone; see Stats.Failing.)
func late(ctx context.Context, refusal error) error {
	why := causeOf(ctx)
	if refusal == nil {
		return why
	}
	return &because{why, refusal}
}

// fail ends the pool as a cancel does, with err for its cause: the store or the engine has
// failed for good, and to go on would be to try for ever.
func (p *Pool[T, R]) fail(err error) {
	select {
	case <-p.done: // it has ended already
		return
	default:
	}
	if !p.troubles.end(err) {
		return
	}
	if p.parent.Err() == nil { // else the cause is that of the cancel, which was first
		p.broken.Store(&err)
	}
	p.cancel(err) // onCancel does the rest
	if p.joint != nil {
		p.joint.Failed(err)
	}
}

// persist runs f on a goroutine of its own, and again on another one each time what f calls
// ends the goroutine by runtime.Goexit, which cannot be recovered from. So f must be able to
// go on where it was. Every goroutine of a pool that calls foreign code is started here, but
// for those of apart.
func persist(f func()) {
	go func() {
		returned := false
		defer func() {
			if !returned { // also in a panic, but that ends the process
				persist(f)
			}
		}()
		f()
		returned = true
	}()
}

// apart makes a call of the engine on a goroutine of its own, and waits for it. So a Goexit is
// an error like others, where the caller's goroutine holds what would be lost with it. It is
// for calls that are rare.
func apart(call func() error) error {
	err := errEngineGoexit
	over := make(chan struct{})
	go func() {
		defer close(over)
		err = call()
	}()
	<-over
	return err
}
