package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/resultpool/resultpool/internal/check/oracle"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

var errDown = errors.New("the store is down")

// fault is what is wrong with a round's store.
type fault int

const (
	sound      fault = iota
	slow             // Put takes time
	down             // Puts number from to to fail
	lying            // the same, but the results are stored all the same
	dead             // all Puts from number from on fail
	rejecting        // it rejects the results of some tasks
	rejectsAll       // … and what the pool stores in their place
	panicking        // it panics with the results of some
	panicsAll        // … and with what the pool stores in their place
	exiting          // its Put calls Goexit for some
	hanging          // its Puts from number from on return when their context ends
	faults
)

// faultWeights make sure that most stores work: a pool whose store fails spends
// most of its time in pauses.
var faultWeights = [faults]int{
	sound: 60, slow: 6, down: 4, lying: 4, dead: 3, rejecting: 5, rejectsAll: 3, panicking: 5, panicsAll: 3, exiting: 4, hanging: 2,
}

type storePlan struct {
	kind     int // which of the four stores is inside
	batch    bool
	fault    fault
	from, to int
	one      uint64 // rejecting and its like: one task in so many
	salt     uint64
	long     time.Duration // slow: how long

	reserves bool
	base     uint64 // the IDs begin above it
	gap      uint64 // between two reservations
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
		kind:     rng.IntN(len(kinds)),
		batch:    rng.IntN(3) == 0,
		fault:    fault(pick(rng, faultWeights[:])),
		from:     rng.IntN(12),
		one:      uint64(2 + rng.IntN(6)),
		salt:     rng.Uint64(),
		long:     time.Duration(rng.IntN(20)) * time.Microsecond,
		reserves: rng.IntN(2) == 0,
		base:     bases[rng.IntN(len(bases))],
		gap:      rng.Uint64N(1 << (1 + rng.IntN(12))),
	}
	p.to = p.from + 1 + rng.IntN(2)
	if bubble {
		p.to += rng.IntN(20)
	} else if p.fault == hanging {
		p.fault = dead // five seconds of real time are too long
	}
	return p
}

// endless tells whether the store may keep the pool from ending until its cancel.
func (p *storePlan) endless() bool { return p.fault == dead || p.fault == hanging }

// at returns the fault of Put number n, of res, by the name that stands for what
// happens: a store that is dead is down.
func (p *storePlan) at(n int, res oracle.Result) fault {
	hits := (uint64(res.ID)^p.salt)*0x9e3779b97f4a7c15>>32%p.one == 0
	instead := errors.Is(res.Err, store.ErrRejected)
	switch f := p.fault; {
	case f == slow,
		(f == down || f == lying) && n >= p.from && n < p.to,
		f == hanging && n >= p.from,
		(f == rejecting || f == panicking || f == exiting) && hits && !instead:
		return f
	case f == dead && n >= p.from:
		return down
	case (f == rejectsAll || f == panicsAll) && hits:
		return f - 1
	default:
		return sound
	}
}

// A faulty is the store that a round's pool is given: one of the four, with faults. It
// tells the oracle of all that the pool puts into it.
type faulty struct {
	oracle.Store
	*storePlan
	o *oracle.Oracle

	mu       sync.Mutex
	puts     int    // calls of Put and PutBatch; guarded by mu
	reserved uint64 // the last ID given out; guarded by mu
}

// open makes the store of a plan, with those optional interfaces that the plan says.
func (p *storePlan) open(o *oracle.Oracle) oracle.Store {
	s := &faulty{Store: kinds[p.kind](), storePlan: p, o: o, reserved: p.base}
	switch {
	case p.batch && p.reserves:
		return struct {
			*faulty
			batcher
			reserver
		}{s, batcher{s}, reserver{s}}
	case p.batch:
		return struct {
			*faulty
			batcher
		}{s, batcher{s}}
	case p.reserves:
		return struct {
			*faulty
			reserver
		}{s, reserver{s}}
	default:
		return s
	}
}

// Put stores res, or does what the plan says instead.
func (s *faulty) Put(ctx context.Context, res oracle.Result) error { return s.put(ctx, false, res) }

type batcher struct{ s *faulty }

// PutBatch has the faults of Put, for all of res at once.
func (b batcher) PutBatch(ctx context.Context, all []oracle.Result) error {
	return b.s.put(ctx, true, all...)
}

func (s *faulty) put(ctx context.Context, batch bool, all ...oracle.Result) error {
	s.mu.Lock()
	f := sound
	for _, res := range all {
		if f == sound {
			f = s.at(s.puts, res)
		}
	}
	s.puts++
	s.mu.Unlock()
	s.o.Puts([faults]oracle.Fate{
		down: oracle.Failed, lying: oracle.Failed, hanging: oracle.Failed,
		rejecting: oracle.Refused, exiting: oracle.Refused, panicking: oracle.Refused,
	}[f], batch, all...)
	switch f {
	case slow:
		time.Sleep(s.long)
	case down:
		return errDown
	case rejecting:
		return fmt.Errorf("%w: result %d", store.ErrRejected, all[0].ID)
	case panicking:
		panic(&oracle.TaskError{Number: int(all[0].ID)})
	case exiting:
		runtime.Goexit()
	case hanging:
		<-ctx.Done()
		return ctx.Err()
	}
	for i, res := range all {
		if err := s.Store.Put(ctx, res); err != nil {
			if i > 0 { // nobody else puts results of this pool
				return fmt.Errorf("a batch, some of it stored before: %v", err)
			}
			return err
		}
	}
	s.o.Took(f == lying, all...)
	if f == lying {
		return fmt.Errorf("it says so: %w", errDown)
	}
	return nil
}

type reserver struct{ s *faulty }

// ReserveIDs gives out ranges with gaps between them.
func (v reserver) ReserveIDs(_ context.Context, n uint64) (store.ID, error) {
	s := v.s
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.reserved + 1
	s.reserved += n + s.gap
	return store.ID(first), nil
}
