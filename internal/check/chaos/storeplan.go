package chaos

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

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
	long     time.Duration // slow: how long; 0 is a yield
	getFails uint64        // one Get in so many fails; 0: none

	reserves bool
	base     uint64 // the IDs begin above it
	gap      uint64 // between two reservations
	reserve  reserveFault
}

// reserveFault is what becomes of all reservations but the first.
type reserveFault int

const (
	reserveWorks reserveFault = iota
	reserveFailsOnce
	reserveFails
	reserveHangs // until its context ends
	reserveFaults
)

// handed is how many results may be on their way into a store that takes batches,
// beside those of the tasks that run: a batch, and the next one.
const handed = 2 * 1024

// bases are where IDs begin: just below the numbers that are too large for some
// type, and where the last IDs there are will be used.
var bases = []uint64{0, 0, 0, 1000, 1<<31 - 8, 1<<32 - 8, 1<<63 - 8, math.MaxUint64 - 1<<16, math.MaxUint64 - 1<<18}

func newStorePlan(rng *rand.Rand, bubble bool) storePlan {
	p := storePlan{
		kind:     rng.IntN(len(inner)),
		batch:    rng.IntN(3) == 0,
		fault:    pickFault(rng, bubble),
		from:     rng.IntN(12),
		one:      uint64(2 + rng.IntN(6)),
		salt:     rng.Uint64(),
		long:     time.Duration(rng.IntN(20)) * time.Microsecond * time.Duration(rng.IntN(2)),
		reserves: rng.IntN(2) == 0,
		base:     bases[rng.IntN(len(bases))],
		gap:      rng.Uint64N(1 << (1 + rng.IntN(12))),
		reserve:  reserveFault(rng.IntN(int(reserveFaults))),
	}
	p.to = p.from + 1 + rng.IntN(2)
	if bubble {
		p.to += rng.IntN(20)
	}
	if rng.IntN(20) == 0 {
		p.getFails = 2 + rng.Uint64N(4)
	}
	return p
}

func pickFault(rng *rand.Rand, bubble bool) fault {
	total := 0
	for _, w := range faultWeights {
		total += w
	}
	pick, f := rng.IntN(total), sound
	for pick >= faultWeights[f] {
		pick -= faultWeights[f]
		f++
	}
	if f == hanging && !bubble {
		f = dead // five seconds of real time are too long
	}
	return f
}

// fillable tells whether many thousand results can be stored soon.
func (p *storePlan) fillable() bool { return p.reserves && p.fault == sound }

// endless tells whether the store may keep the pool from ending until its cancel.
func (p *storePlan) endless() bool { return p.fault == dead || p.fault == hanging }

// hits is true for one ID in p.one.
func (p *storePlan) hits(id store.ID) bool {
	return (uint64(id)^p.salt)*0x9e3779b97f4a7c15>>32%p.one == 0
}

var inner = []func() store.ResultStore[int]{
	func() store.ResultStore[int] { return rwmutex.New[int]() },
	func() store.ResultStore[int] { return syncmap.New[int]() },
	func() store.ResultStore[int] { return xsync.New[int]() },
	func() store.ResultStore[int] { return dense.New[int]() },
}
