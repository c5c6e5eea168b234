package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/internal/check/oracle"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/storetest"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

var errDown = errors.New("the store is down")

type storePlan struct {
	kind   int // which of the four stores is inside
	batch  bool
	fault  fault
	from   int64         // the number of the first Put that fails
	most   int           // how many do, if the store works again
	one    uint64        // one task in so many is refused
	always bool          // … with what the pool stores in its place
	long   time.Duration // how long a slow Put takes
	base   uint64        // the IDs begin above it
	gap    uint64        // between two reservations
}

// fault is what is wrong with a round's store.
type fault int

const (
	sound     fault = iota
	slow            // Put takes time
	down            // some Puts fail
	lying           // the same, but the results are stored all the same
	dead            // all Puts fail from one on
	hanging         // the same, and each when its context ends
	rejecting       // it rejects the results of some tasks
	panicking       // it panics with them
	exiting         // it calls Goexit
	faults
)

// faultWeights make sure that most stores work: a pool whose store fails spends
// most of its time in pauses.
var faultWeights = [faults]int{
	sound: 60, slow: 6, down: 4, lying: 4, dead: 3, hanging: 2, rejecting: 8, panicking: 8, exiting: 4,
}

// bases are where IDs begin: just below the numbers that are too large for some type.
var bases = []uint64{0, 0, 0, 1000, 1<<31 - 8, 1<<32 - 8, 1<<63 - 8}

var kinds = []func() oracle.Store{
	func() oracle.Store { return rwmutex.New[int]() },
	func() oracle.Store { return syncmap.New[int]() },
	func() oracle.Store { return xsync.New[int]() },
	func() oracle.Store { return dense.New[int]() },
}

func newStorePlan(rng *rand.Rand, bubble bool) storePlan {
	p := storePlan{
		kind:   rng.IntN(len(kinds)),
		batch:  rng.IntN(3) == 0,
		fault:  fault(pick(rng, faultWeights[:])),
		from:   rng.Int64N(12),
		most:   1 + rng.IntN(2),
		one:    uint64(2 + rng.IntN(6)),
		always: rng.IntN(3) == 0,
		long:   time.Duration(rng.IntN(20)) * time.Microsecond,
		base:   bases[rng.IntN(len(bases))],
		gap:    rng.Uint64N(1 << (1 + rng.IntN(12))),
	}
	if bubble {
		p.most += rng.IntN(20)
	} else if p.fault == hanging {
		p.fault = dead // five seconds of real time are too long
	}
	return p
}

// endless tells whether the store may keep the pool from ending until its cancel.
func (p *storePlan) endless() bool { return p.fault == dead || p.fault == hanging }

// open makes the store of a plan. It tells the oracle of all that the pool puts into it.
func (p *storePlan) open(o *oracle.Oracle) oracle.Store {
	put := &recorder{Store: kinds[p.kind](), o: o, plan: p, last: p.base}
	var st oracle.Store = put
	if p.batch {
		st = batcher{put}
	}
	f := p.faulty()
	return storetest.WithFaults(st, storetest.Faults{Put: told(o, false, f), PutBatch: told(o, true, f)})
}

// faulty makes the fault of a plan.
func (p *storePlan) faulty() storetest.Fault {
	switch p.fault {
	case slow:
		return storetest.Slow(p.long)
	case down:
		return p.later(storetest.First(p.most, storetest.Fail(errDown)))
	case lying:
		return p.later(storetest.First(p.most, storetest.Lose(errDown)))
	case dead:
		return p.later(storetest.Fail(errDown))
	case hanging:
		return p.later(storetest.Block())
	case rejecting:
		return p.some(storetest.Fail(store.ErrRejected))
	case panicking:
		return p.some(storetest.Panic(errDown))
	case exiting:
		return p.some(func(context.Context, []store.ID, func(context.Context) error) error {
			runtime.Goexit()
			return nil
		})
	default:
		return storetest.Chain()
	}
}

// later is f from one call on.
func (p *storePlan) later(f storetest.Fault) storetest.Fault {
	var calls atomic.Int64
	return func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		if calls.Add(1) <= p.from {
			return do(ctx)
		}
		return f(ctx, ids, do)
	}
}

// some is f for the results of some tasks, or for the first that is put of each.
func (p *storePlan) some(f storetest.Fault) storetest.Fault {
	var seen sync.Map // of IDs
	return func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		for _, id := range ids {
			if uint64(id)*0x9e3779b97f4a7c15>>32%p.one != 0 {
				continue
			}
			if _, twice := seen.Load(id); !twice || p.always {
				if len(ids) == 1 {
					seen.Store(id, true)
				}
				return f(ctx, ids, do)
			}
		}
		return do(ctx)
	}
}

// told is f, and the oracle is told when a call of it goes wrong.
func told(o *oracle.Oracle, batch bool, f storetest.Fault) storetest.Fault {
	return func(ctx context.Context, ids []store.ID, do func(context.Context) error) (err error) {
		returned := false
		defer func() {
			if refused := !returned || errors.Is(err, store.ErrRejected); refused || err != nil {
				o.NotTaken(refused && !batch, ids...)
			}
		}()
		err = f(ctx, ids, do)
		returned = true
		return err
	}
}

// A recorder tells the oracle of each result that the store takes.
type recorder struct {
	oracle.Store
	o    *oracle.Oracle
	plan *storePlan

	mu   sync.Mutex
	last uint64 // ID given out; guarded by mu
}

// Put implements [store.ResultStore].
func (r *recorder) Put(ctx context.Context, res oracle.Result) error {
	err := r.Store.Put(ctx, res)
	if err == nil {
		r.o.Took(res)
	}
	return err
}

// ReserveIDs gives out ranges with gaps between them.
func (r *recorder) ReserveIDs(_ context.Context, n uint64) (store.ID, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.last + 1
	r.last += n + r.plan.gap
	return store.ID(first), nil
}

type batcher struct{ *recorder }

// PutBatch implements [store.BatchPutter].
func (b batcher) PutBatch(ctx context.Context, all []oracle.Result) error {
	for i, res := range all {
		if err := b.Put(ctx, res); err != nil {
			if i > 0 { // nobody else puts results of this pool
				return fmt.Errorf("a batch, some of it stored before: %v", err)
			}
			return err
		}
	}
	return nil
}
