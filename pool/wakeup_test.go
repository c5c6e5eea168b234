package pool_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// TestNoLostWakeUp does everything at once that wakes and stops workers, and looks
// whenever all is still: no worker may be missing while a task waits, and no
// submitter may wait while there is room for it; see life.check. A lost wake-up shows
// here that later traffic would heal and other tests not see.
func TestNoLostWakeUp(t *testing.T) {
	rounds := 2000
	if raceEnabled {
		rounds = 200
	}
	for range rounds {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			l := newLife(t, 1+rng.IntN(6), 1+rng.IntN(12))
			for range 20 {
				for range 1 + rng.IntN(6) {
					l.disturb(rng)
				}
				synctest.Wait()
				if l.check(); t.Failed() {
					t.Fatalf("seed %d", seed)
				}
				if rng.IntN(4) == 0 {
					time.Sleep(3 * time.Millisecond)
				}
			}
			l.end(0)
		})
	}
}

// disturb does one of the things that have to do with waking.
func (l *life) disturb(rng *rand.Rand) {
	somehow := func() deed {
		return l.deed([]behaviour{panics, goexits, obeys, obeys, obeys, obeys, obeys, obeys}[rng.IntN(8)])
	}
	switch rng.IntN(6) {
	case 0:
		_ = l.trySubmit(somehow())
	case 1:
		in := somehow()
		l.users.Go(func() { _ = l.submit(context.Background(), in) })
	case 2:
		in, limit := make([]deed, rng.IntN(10)), time.Duration(1+rng.IntN(5))*time.Millisecond
		for i := range in {
			in[i] = somehow()
		}
		l.users.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			_ = l.submitAll(ctx, in)
		})
	case 3:
		l.resize(max(0, rng.IntN(9)-2))
	default:
		for range rng.IntN(4) {
			l.openGate(rng.IntN(len(l.gates)))
		}
	}
	if rng.IntN(3) == 0 {
		runtime.Gosched()
	}
}
