package bounded

import (
	"context"
	"sync"
	"time"

	"github.com/resultpool/resultpool/store"
)

// A room knows which results are held and which have to go.
//
// An ID is busy while a call of the store puts or deletes what has it. Two such calls never
// have an ID in common: without that, nobody could say, after a Put and a Delete at once,
// whether the result is held. A call waits for busy IDs while it has none itself.
type room struct {
	max    int
	maxAge time.Duration
	start  time.Time // ages are measured from it

	mu   sync.Mutex // none of the store's methods is called with it
	held order      // guarded by mu, as all below

	// gone are the IDs of results that are too old or too many and not deleted yet. They are
	// not in held, and nobody is shown them.
	gone map[store.ID]struct{}

	// behind says that there may be some in gone that are not busy: to delete them has failed.
	behind bool

	// busy has a channel for an ID if a call waits for it, which is closed then.
	busy map[store.ID]chan struct{}
}

func newRoom(opts Options) *room {
	return &room{
		max:    opts.MaxResults,
		maxAge: opts.MaxAge,
		start:  time.Now(),
		held:   newOrder(),
		gone:   make(map[store.ID]struct{}),
		busy:   make(map[store.ID]chan struct{}),
	}
}

// fill adds what is held before the first call, sorted. The first Put deletes what is too many.
func (r *room) fill(ids []store.ID) {
	for i, id := range ids {
		if r.max > 0 && len(ids)-i > r.max {
			r.gone[id] = struct{}{}
			r.behind = true
		} else {
			r.held.add(id, 0)
		}
	}
}

// enter makes ids busy for a call that puts them. If there are results that have to be
// deleted before, it makes these busy instead, and returns them.
func (r *room) enter(ctx context.Context, ids []store.ID) (gone []store.ID, err error) {
	for {
		gone, wait := r.tryEnter(ids)
		if wait == nil {
			return gone, nil
		}
		if err := await(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func (r *room) tryEnter(ids []store.ID) (gone []store.ID, wait <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		if at, held := r.held.at(id); held && r.tooOld(at) && !r.isBusy(id) {
			r.dismiss(id)
			gone = append(gone, id)
		}
	}
	if r.behind {
		// All wait for what is tried again, or they would put results meanwhile without end.
		r.behind = len(r.gone) > 0
		for id := range r.gone {
			if !r.isBusy(id) {
				r.busy[id] = nil
				gone = append(gone, id)
			} else if len(gone) == 0 {
				wait = r.wait(id)
			}
		}
	}
	if len(gone) > 0 {
		return gone, nil
	}
	if wait == nil {
		wait = r.tryClaim(ids)
	}
	return nil, wait
}

// claim makes ids busy for a call that deletes them.
func (r *room) claim(ctx context.Context, ids []store.ID) error {
	for {
		r.mu.Lock()
		wait := r.tryClaim(ids)
		r.mu.Unlock()
		if wait == nil {
			return nil
		}
		if err := await(ctx, wait); err != nil {
			return err
		}
	}
}

// tryClaim makes ids busy, or returns what to wait for. mu must be held.
func (r *room) tryClaim(ids []store.ID) (wait <-chan struct{}) {
	for _, id := range ids {
		if r.isBusy(id) {
			return r.wait(id)
		}
	}
	for _, id := range ids {
		r.busy[id] = nil
	}
	return nil
}

func (r *room) isBusy(id store.ID) bool { _, busy := r.busy[id]; return busy }

// wait returns a channel that is closed when id is not busy any more. mu must be held.
func (r *room) wait(id store.ID) <-chan struct{} {
	if r.busy[id] == nil {
		r.busy[id] = make(chan struct{})
	}
	return r.busy[id]
}

func await(ctx context.Context, wait <-chan struct{}) error {
	select {
	case <-wait:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// release ends that ids are busy. mu must be held.
func (r *room) release(ids []store.ID) {
	for _, id := range ids {
		if wait := r.busy[id]; wait != nil {
			close(wait)
		}
		delete(r.busy, id)
	}
}

// An outcome is that of a call which puts.
type outcome int

const (
	notStored outcome = iota // or nobody knows
	stored
	wasHeld // perhaps since a Put that said that it had failed
)

// leave ends what enter has begun. It returns what has to be deleted now, and has made it busy.
func (r *room) leave(ids []store.ID, what outcome) (gone []store.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.release(ids)
	if what == notStored {
		return nil
	}
	now := time.Since(r.start)
	for _, id := range ids {
		if what == stored {
			r.held.remove(id) // a Delete that said that it had failed
		}
		if _, held := r.held.at(id); !held {
			r.held.add(id, now)
		}
	}
	surplus := 0
	if r.max > 0 {
		surplus = r.held.len() - r.max
	}
	r.held.each(func(id store.ID, at time.Duration) bool {
		if surplus <= 0 && !r.tooOld(at) {
			return false
		}
		surplus--
		if !r.isBusy(id) { // else somebody deletes it
			gone = append(gone, id)
		}
		return true
	})
	for _, id := range gone {
		r.dismiss(id)
	}
	return gone
}

// dismiss has a result gone, which the caller deletes. mu must be held.
func (r *room) dismiss(id store.ID) {
	r.held.remove(id)
	r.gone[id] = struct{}{}
	r.busy[id] = nil
}

// removed is told what has become of results that were gone.
func (r *room) removed(ids []store.ID, deleted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.release(ids)
	if !deleted {
		r.behind = true
		return
	}
	for _, id := range ids {
		delete(r.gone, id)
	}
}

// forget ends what claim has begun. If the results were deleted, they are held no longer.
func (r *room) forget(ids []store.ID, deleted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.release(ids)
	if !deleted {
		return
	}
	for _, id := range ids {
		r.held.remove(id)
		delete(r.gone, id)
	}
}

// hides reports whether a result is not to be shown.
func (r *room) hides(id store.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, gone := r.gone[id]; gone {
		return true
	}
	at, held := r.held.at(id)
	return held && r.tooOld(at)
}

func (r *room) tooOld(at time.Duration) bool {
	return r.maxAge > 0 && time.Since(r.start)-at >= r.maxAge
}
