package chaos

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/store"
)

var (
	errDown    = errors.New("the store is down")
	errLied    = errors.New("the store says that it is down")
	errUnread  = errors.New("the store cannot be read")
	errReserve = errors.New("the store has no IDs to give")
)

// A recorder is the store that a round's pool is given: one of the four, with
// faults, and with a record of all that the pool puts into it.
type recorder struct {
	store.ResultStore[int]
	plan *storePlan
	fill func(store.ID) bool // tells whether this is the ID of a filler

	mu       sync.Mutex
	records  map[store.ID]*record // guarded by mu
	fillers  map[store.ID]int     // how often each was stored; guarded by mu
	puts     int                  // calls of Put and PutBatch; guarded by mu
	faults   []error              // what the pool must not do; guarded by mu
	reserved uint64               // the last ID given out; guarded by mu
	calls    int                  // of ReserveIDs; guarded by mu

	gets atomic.Uint64
}

// A record is what the pool did with one ID.
type record struct {
	tries   int               // Puts of it alone
	last    store.Result[int] // what was put last
	stored  int               // how often it was taken
	res     store.Result[int] // … and what it was
	lied    bool              // it was taken, and Put said otherwise
	failed  bool              // a Put of it failed
	refused bool              // a Put of it rejected it, panicked or called Goexit
}

func newRecorder(p *storePlan) *recorder {
	return &recorder{
		ResultStore: inner[p.kind](),
		plan:        p,
		records:     make(map[store.ID]*record),
		fillers:     make(map[store.ID]int),
		reserved:    p.base,
	}
}

// open returns r with those optional interfaces that the plan says.
func (r *recorder) open() store.ResultStore[int] {
	switch {
	case r.plan.batch && r.plan.reserves:
		return struct {
			*recorder
			batcher
			reserver
		}{r, batcher{r}, reserver{r}}
	case r.plan.batch:
		return struct {
			*recorder
			batcher
		}{r, batcher{r}}
	case r.plan.reserves:
		return struct {
			*recorder
			reserver
		}{r, reserver{r}}
	default:
		return r
	}
}

func (r *recorder) recordLocked(id store.ID) *record {
	rec := r.records[id]
	if rec == nil {
		rec = new(record)
		r.records[id] = rec
	}
	return rec
}

// Put stores res, or does what the plan says instead.
func (r *recorder) Put(ctx context.Context, res store.Result[int]) error {
	f := r.begin(res)
	switch f {
	case slow:
		if r.plan.long == 0 {
			runtime.Gosched()
		} else {
			time.Sleep(r.plan.long)
		}
	case down:
		return errDown
	case rejecting:
		return fmt.Errorf("%w: result %d", store.ErrRejected, res.ID)
	case panicking:
		panic(&taskError{int(res.ID)})
	case exiting:
		runtime.Goexit()
	case hanging:
		<-ctx.Done()
		return ctx.Err()
	}
	if err := r.ResultStore.Put(ctx, res); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fill(res.ID) {
		r.fillers[res.ID]++
		return nil
	}
	rec := r.recordLocked(res.ID)
	rec.stored++
	rec.res = res
	if f == lying {
		rec.lied = true
		return errLied
	}
	return nil
}

// begin notes the begin of a Put and returns what is to become of it.
func (r *recorder) begin(res store.Result[int]) fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.puts++
	if r.fill(res.ID) {
		return sound
	}
	rec := r.recordLocked(res.ID)
	rec.tries++
	rec.last = res
	if res.ID == 0 {
		r.faults = append(r.faults, errors.New("a Put of ID 0"))
	}
	f := r.faultLocked(res)
	switch f {
	case down, lying, hanging:
		rec.failed = true
	case rejecting, panicking, exiting:
		rec.refused = true
	}
	return f
}

// faultLocked returns the fault of this Put, by the name that stands for what
// happens: a store that is dead is down.
func (r *recorder) faultLocked(res store.Result[int]) fault {
	p, n := r.plan, r.puts-1
	instead := errors.Is(res.Err, store.ErrRejected)
	switch p.fault {
	case slow:
		return slow
	case down, lying:
		if n >= p.from && n < p.to {
			return p.fault
		}
	case dead:
		if n >= p.from {
			return down
		}
	case hanging:
		if n >= p.from {
			return hanging
		}
	case rejecting, panicking, exiting:
		if p.hits(res.ID) && !instead {
			return p.fault
		}
	case rejectsAll:
		if p.hits(res.ID) {
			return rejecting
		}
	case panicsAll:
		if p.hits(res.ID) {
			return panicking
		}
	}
	return sound
}

// Get reads, or says that it cannot.
func (r *recorder) Get(ctx context.Context, id store.ID) (store.Result[int], error) {
	if n := r.plan.getFails; n > 0 && r.gets.Add(1)%n == 0 {
		return store.Result[int]{}, errUnread
	}
	return r.ResultStore.Get(ctx, id)
}

// All reads, or says that it cannot.
func (r *recorder) All(ctx context.Context) iter.Seq2[store.Result[int], error] {
	if n := r.plan.getFails; n > 0 && r.gets.Add(1)%n == 0 {
		return func(yield func(store.Result[int], error) bool) { yield(store.Result[int]{}, errUnread) }
	}
	return r.ResultStore.All(ctx)
}

// look returns a copy of the record of an ID.
func (r *recorder) look(id store.ID) record {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rec := r.records[id]; rec != nil {
		return *rec
	}
	return record{}
}

// batcher makes a recorder a store.BatchPutter.
type batcher struct{ r *recorder }

var _ store.BatchPutter[int] = batcher{}

// PutBatch has the faults of Put, for all of res at once.
func (b batcher) PutBatch(ctx context.Context, res []store.Result[int]) error {
	r := b.r
	f := r.beginBatch(res)
	switch f {
	case down:
		return errDown
	case rejecting:
		return store.ErrRejected
	case panicking:
		panic(&taskError{0})
	case exiting:
		runtime.Goexit()
	case hanging:
		<-ctx.Done()
		return ctx.Err()
	}
	for i, res := range res {
		if err := r.ResultStore.Put(ctx, res); err != nil {
			if i > 0 { // nobody else puts results of this pool
				return fmt.Errorf("a batch, some of it stored before: %v", err)
			}
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, res := range res {
		if r.fill(res.ID) {
			r.fillers[res.ID]++
			continue
		}
		rec := r.recordLocked(res.ID)
		rec.stored++
		rec.res = res
		rec.lied = f == lying
	}
	if f == lying {
		return errLied
	}
	return nil
}

// beginBatch is begin for a batch.
func (r *recorder) beginBatch(res []store.Result[int]) (f fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.puts++
	if len(res) == 0 {
		r.faults = append(r.faults, errors.New("a PutBatch of nothing"))
	}
	for _, res := range res {
		if got := r.faultLocked(res); got != sound && got != slow {
			f = got
			break
		}
	}
	for _, res := range res {
		if r.fill(res.ID) {
			continue
		}
		rec := r.recordLocked(res.ID)
		rec.tries++
		rec.last = res
		rec.failed = rec.failed || f == down || f == lying || f == hanging
	}
	return f
}

// reserver makes a recorder a store.IDReserver.
type reserver struct{ r *recorder }

var _ store.IDReserver = reserver{}

// ReserveIDs gives out ranges with gaps between them.
func (v reserver) ReserveIDs(ctx context.Context, n uint64) (store.ID, error) {
	r := v.r
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	if r.calls > 1 {
		switch {
		case r.plan.reserve == reserveFails, r.plan.reserve == reserveFailsOnce && r.calls == 2:
			return 0, errReserve
		case r.plan.reserve == reserveHangs:
			r.mu.Unlock()
			<-ctx.Done()
			r.mu.Lock()
			return 0, ctx.Err()
		}
		if r.plan.gap > math.MaxUint64-r.reserved {
			return 0, errReserve
		}
		r.reserved += r.plan.gap
	}
	if n > math.MaxUint64-r.reserved {
		return 0, errReserve
	}
	first := r.reserved + 1
	r.reserved += n
	return store.ID(first), nil
}
