package monitor

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A Source is what a Monitor looks at; a [pool.Pool] of any types is one. Its methods are called by one goroutine
// at a time, and must not block. A panic in one of them is recovered, and shown on the page.
type Source interface {
	Stats() pool.Stats
	Running() []store.ID // in order
}

// A SharedQueue is a Source whose tasks wait in a queue that others use, too, like those of pool.Join. It is
// optional. A pool and the engine that it has joined make one:
//
//	struct {
//		*pool.Pool[Photo, Thumbnail]
//		engine.Sizer
//	}{p, eng}
type SharedQueue interface {
	Source

	// Size returns how many tasks are in the shared queue, held by a process or not, or how many messages with
	// tasks, as engine.Sizer does. It may block until ctx ends: it is called on a goroutine of its own, one call at
	// a time, and at most once in five seconds.
	Size(ctx context.Context) (uint64, error)
}

// Options configures a Monitor. The zero value, and a nil *Options, mean the defaults.
type Options struct {
	// Every is how often pools are looked at. 0 and less mean a second; less than 100 ms means 100 ms.
	Every time.Duration

	// Stuck is how long a task may run before it counts as stuck, which the page shows and OnStuck reports. 0 means
	// a minute; with a negative Stuck no task ever is.
	Stuck time.Duration

	// OnStuck, if it is not nil, is called for each stuck task, once as long as it keeps running; a task that is
	// run again after a RetryAfter may be reported again. It is called on the goroutine that looks, one call at a
	// time; a panic is recovered and shown on the page. atLeast is how long the task has run. It must not call
	// Close, which waits for it. If a task ends and begins again between two looks, after a RetryAfter, that counts
	// as one run.
	OnStuck func(pool string, id store.ID, atLeast time.Duration)
}

const (
	leastEvery   = 100 * time.Millisecond
	longestName  = 200 // runes that are shown of a name
	defaultStuck = time.Minute
)

// withDefaults returns a copy with nothing left to decide.
func (o *Options) withDefaults() Options {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Every <= 0 {
		opts.Every = time.Second
	}
	opts.Every = max(opts.Every, leastEvery)
	if opts.Stuck == 0 {
		opts.Stuck = defaultStuck
	}
	return opts
}

// A Monitor looks at pools, and is the http.Handler that shows them. Its methods may be called from any goroutine.
// Close it when it is not needed any more.
type Monitor struct {
	opts   Options
	page   page
	start  time.Time
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	// turn is held by the one who looks: what looks change in a watched is its. It is a channel because a
	// Source is called meanwhile, and requests do not wait for longer than their contexts.
	turn chan struct{}
	wake chan struct{}  // of the sampler, when somebody comes or goes; has room for one
	own  sync.WaitGroup // goroutines of the Monitor; Add only with mu held, and not after Close

	panics count // of OnStuck

	mu       sync.Mutex         // innermost; no code of users runs with it
	pools    []*watched         // in the order of Add; replaced, never changed
	names    map[string]bool    // of pools, as they are shown
	records  map[string]*record // by the names that were given
	keys     int
	viewers  int           // of /events
	sampling bool          // there is a sampler
	latest   *snapshot     // nil if there is none, or pools have come or gone since
	news     chan struct{} // closed, and replaced, by each look
}

// New returns a Monitor without pools. A nil opts means the defaults. New starts no goroutine.
func New(opts *Options) *Monitor {
	ctx, cancel := context.WithCancel(context.Background())
	return &Monitor{
		opts:    opts.withDefaults(),
		page:    newPage(),
		start:   time.Now(),
		ctx:     ctx,
		cancel:  cancel,
		turn:    make(chan struct{}, 1),
		wake:    make(chan struct{}, 1),
		names:   make(map[string]bool),
		records: make(map[string]*record),
		news:    make(chan struct{}),
	}
}

// Add makes m show p under a name, until remove is called. A name that is taken gets a number: "resize (2)". An
// empty one is "unnamed", and of a very long one only the beginning is shown. remove may be called many times.
// Afterwards m keeps nothing of p; a look that is under way may still end. After Close, Add does nothing.
func (m *Monitor) Add(name string, p Source) (remove func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx.Err() != nil {
		return func() {}
	}
	m.keys++
	rec := m.recordLocked(name)
	rec.added++
	rec.shown++
	w := &watched{key: m.keys, name: m.freeNameLocked(name), source: p, record: rec}
	m.pools = append(m.pools[:len(m.pools):len(m.pools)], w)
	m.latest = nil
	m.sampleLocked()
	return sync.OnceFunc(func() { m.remove(name, w) })
}

func (m *Monitor) remove(name string, w *watched) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rest []*watched
	for _, other := range m.pools {
		if other != w {
			rest = append(rest, other)
		}
	}
	m.pools = rest
	delete(m.names, w.name)
	m.latest = nil
	// The Hooks that were asked for once more are for a pool that will be added.
	if w.record.shown--; w.record.shown == 0 && w.record.given <= w.record.added {
		delete(m.records, name)
	}
	m.wakeSampler()
}

// freeNameLocked takes a name for a pool to be shown under. mu must be held.
func (m *Monitor) freeNameLocked(name string) string {
	name = shorten(name, longestName)
	if name == "" {
		name = "unnamed"
	}
	free := name
	for n := 2; m.names[free]; n++ {
		free = name + " (" + strconv.Itoa(n) + ")"
	}
	m.names[free] = true
	return free
}

// shorten returns the first n runes of s, as valid UTF-8.
func shorten(s string, n int) string {
	i := 0
	for at := range s {
		if i++; i > n {
			s = s[:at] + "…"
			break
		}
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// Hooks returns the hooks of a pool that is, or will be, added under this name: from them m knows its errors and
// how long its tasks run. Without them the page says that these are not known. Pools of the same name share what
// their hooks have reported. Reports from before Add are kept for it. Call Hooks for each pool: those of a removed
// pool report to nobody any more.
//
// They cost each task two readings of the clock, and a failed task a lock. To use other hooks beside them, call
// these from yours.
func (m *Monitor) Hooks(name string) *pool.Hooks {
	m.mu.Lock()
	defer m.mu.Unlock()
	rec := m.recordLocked(name)
	rec.given++
	return &pool.Hooks{Ended: rec.ended}
}

// recordLocked returns the record of a name. mu must be held.
func (m *Monitor) recordLocked(name string) *record {
	rec := m.records[name]
	if rec == nil {
		rec = &record{start: m.start}
		m.records[name] = rec
	}
	return rec
}

// Close ends m's work, and all requests for /events; others get the status 503 from now on. It waits for OnStuck
// and for a Size, whose context has ended. Afterwards m has no goroutine left, except those of the server. Hooks
// that m has given out stay valid. The error is nil.
//
// An http.Server that shuts down waits for /events: make it call Close, by RegisterOnShutdown.
func (m *Monitor) Close() error {
	m.mu.Lock()
	m.cancel()
	m.mu.Unlock()
	m.own.Wait()
	return nil
}
