package remote

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// A Fetch has the results of many tasks loaded as they are saved. Those who listen receive them from one
// channel; while nobody listens it only remembers the IDs, 8 bytes each.
//
// Up to maxFetchers goroutines wait for one task each, in the order in which the IDs were added. If there
// are more tasks, half of the fetchers at least wait no longer than a turn and go on with the next one: so no
// number of tasks that take long keeps the results of others from being found. A goroutine for each task was
// decided against, as was asking for all of them again and again.
//
// All methods may be called from any goroutine.
type Fetch struct {
	share   *Share
	results chan Fetched
	working sync.WaitGroup // fetchers

	mu       sync.Mutex    // what follows is guarded by mu
	ids      []uint64      // of the tasks that no fetcher has now
	open     int           // tasks that nobody has received
	emptied  chan struct{} // closed when there are none of these; nil if nobody asks
	fetchers int
	ctx      context.Context // of the fetchers; nil while there are none
	cancel   context.CancelFunc
}

// Fetched is the result of a task, or why it cannot be had.
type Fetched struct {
	ID   uint64
	Data []byte
	Err  error
}

// MaxLook is how many tasks a Look looks at, at most.
const MaxLook = 64

const (
	maxFetchers = 64
	turn        = time.Second
)

// NewFetch returns a Fetch of nothing.
func (s *Share) NewFetch() *Fetch { return &Fetch{share: s, results: make(chan Fetched)} }

// Add adds tasks.
func (f *Fetch) Add(ids ...uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids = append(f.ids, ids...)
	f.open += len(ids)
	f.hireLocked()
}

// Open returns how many tasks there are whose results nobody has received.
func (f *Fetch) Open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// Rest returns the tasks that are left. It is meant for a Fetch that is not started.
func (f *Fetch) Rest() []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.ids)
}

// Results returns the channel of the results. Each one that is received has to be told to Received.
func (f *Fetch) Results() <-chan Fetched { return f.results }

// Received notes that a result was received.
func (f *Fetch) Received() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.receivedLocked(1)
}

func (f *Fetch) receivedLocked(n int) {
	if f.open -= n; f.open == 0 && f.emptied != nil {
		close(f.emptied)
		f.emptied = nil
	}
}

// Emptied returns a channel that is closed when Open returns 0, for the first time from now on.
func (f *Fetch) Emptied() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.emptied == nil {
		f.emptied = make(chan struct{})
	}
	emptied := f.emptied
	f.receivedLocked(0)
	return emptied
}

// Return puts tasks in front of the others, whose results were received and are to be received once more.
func (f *Fetch) Return(ids ...uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids = slices.Insert(f.ids, 0, ids...)
	f.open += len(ids)
	f.hireLocked()
}

// Look loads the results of the first n of the tasks, MaxLook at most, which are received by that, and returns
// them in their order. What has none yet is put behind the others. It does not wait for tasks, but for the engine
// while that fails, until ctx is done: those without an answer are as if there were no result.
func (f *Fetch) Look(ctx context.Context, n int) (looked int, found []Fetched) {
	f.mu.Lock()
	batch := make([]Fetched, min(n, len(f.ids), MaxLook))
	for i := range batch {
		batch[i].ID = f.ids[i]
	}
	f.ids = f.ids[len(batch):]
	f.mu.Unlock()

	var loads sync.WaitGroup
	for i := range batch {
		loads.Go(func() { batch[i].Data, batch[i].Err = f.share.Load(ctx, batch[i].ID, false) })
	}
	loads.Wait()

	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range batch {
		if errors.Is(r.Err, engine.ErrNotFound) || r.Err != nil && ctx.Err() != nil {
			f.ids = append(f.ids, r.ID)
		} else {
			found = append(found, r)
		}
	}
	f.receivedLocked(len(found))
	return len(batch), found
}

// Start has the results sent, until Stop.
func (f *Fetch) Start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ctx, f.cancel = context.WithCancel(f.share.calls)
	f.hireLocked()
}

// Stop returns when no result is sent any more, and no goroutine is left. What is left is in the order of IDs
// again: fetchers have put back what they had. It may be called without Start.
func (f *Fetch) Stop() {
	f.mu.Lock()
	if f.cancel != nil {
		f.cancel()
	}
	f.ctx, f.cancel = nil, nil
	f.mu.Unlock()
	f.working.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.Sort(f.ids)
}

// hireLocked starts fetchers, as many as there are tasks for.
func (f *Fetch) hireLocked() {
	for n := len(f.ids); n > 0 && f.ctx != nil && f.fetchers < maxFetchers; n-- {
		f.fetchers++
		ctx := f.ctx
		f.working.Go(func() { f.work(ctx) })
	}
}

// work is the life of a fetcher.
func (f *Fetch) work(ctx context.Context) {
	for {
		id, limited, ok := f.next(ctx)
		if !ok {
			return
		}
		ended, data, err := f.load(ctx, id, limited)
		if ended {
			select {
			case f.results <- Fetched{id, data, err}:
				continue
			case <-ctx.Done():
			}
		}
		f.mu.Lock()
		f.ids = append(f.ids, id)
		f.mu.Unlock()
	}
}

// next takes the task that is first. It returns false if the fetcher has left.
func (f *Fetch) next(ctx context.Context) (id uint64, limited, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil || len(f.ids) == 0 {
		f.fetchers--
		return 0, false, false
	}
	id, f.ids = f.ids[0], f.ids[1:]
	return id, f.fetchers > maxFetchers/2, true
}

// load waits for a result, perhaps not for longer than a turn. It returns false if that was in vain.
func (f *Fetch) load(ctx context.Context, id uint64, limited bool) (ended bool, data []byte, err error) {
	if limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, turn)
		defer cancel()
	}
	data, err = f.share.Load(ctx, id, true)
	return err == nil || ctx.Err() == nil, data, err
}
