package chaos

import (
	"math/rand/v2"

	"github.com/resultpool/resultpool/pool"
)

// A plan is what a seed determines of a round, beside what its callers do.
type plan struct {
	seed    uint64
	bubble  bool // the round runs in a synctest bubble
	opts    pool.Options
	born    bool // the pool's context is done before New
	noCause bool // the cancel has no cause of its own
	ending  ending
	store   storePlan
	soaks   bool
}

// ending is how the pool is ended.
type ending int

const (
	endPatient ending = iota // Stop when all callers are done
	endStop                  // Stop
	endStops                 // several Stops at once, some with a context that ends
	endCancel                // the cancel
	endZero                  // Resize(0), then Stop
	endRace                  // Stop and cancel at once
	endHurry                 // Stop with a context that is done, then the cancel or Resize(0)
	endings
)

// newPlan makes the plan of a seed.
func newPlan(seed uint64) *plan {
	rng := rand.New(rand.NewPCG(seed, 0))
	p := &plan{
		seed:    seed,
		bubble:  rng.IntN(2) == 0,
		opts:    pool.Options{Workers: rng.IntN(6), Queue: 1 + rng.IntN(1<<rng.IntN(6))}, // 0 is GOMAXPROCS
		born:    rng.IntN(60) == 0,
		noCause: rng.IntN(8) == 0,
		ending:  ending(rng.IntN(int(endings))),
	}
	if rng.IntN(20) == 0 {
		p.opts.Queue = 0 // 1024
	}
	p.store = newStorePlan(rng, p.bubble)
	return p
}

// pick draws an index, each as often as its weight says.
func pick(rng *rand.Rand, weights []int) (i int) {
	total := 0
	for _, w := range weights {
		total += w
	}
	for n := rng.IntN(total); n >= weights[i]; i++ {
		n -= weights[i]
	}
	return i
}
