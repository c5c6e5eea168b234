package linear

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"
)

// lockstep lets goroutines meet before each of their operations. Left alone on a
// machine with processors to spare, they seldom do anything at the same moment: an
// operation takes a fraction of a microsecond, and the one before it as long.
//
// On a machine that is busy with other things it is the other way round: whoever
// waits gives its processor to the one it waits for, and they take turns. So the
// goroutines of every other round do not meet, and give way now and then instead.
type lockstep struct {
	n     int64        // of goroutines; 0 if they do not meet
	there atomic.Int64 // how often one of them has come
	gone  atomic.Bool  // one has no more to do, and nobody waits any more
}

// meet returns when all have come as often as the caller, and a random few
// nanoseconds later.
func (l *lockstep) meet(rng *rand.Rand) {
	if l.n == 0 {
		if rng.IntN(4) == 0 {
			runtime.Gosched()
		}
		return
	}
	arrived := l.there.Add(1)
	all := (arrived + l.n - 1) / l.n * l.n
	for spin := 0; l.there.Load() < all && !l.gone.Load(); spin++ {
		if spin > 300 { // the others may need this processor to come
			runtime.Gosched()
		}
	}
	for range rng.IntN(40) {
		l.gone.Load()
	}
}

// leave is called by each that does not come again.
func (l *lockstep) leave() { l.gone.Store(true) }
