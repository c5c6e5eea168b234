package linear

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	forFlag  = flag.Duration("linear.for", 200*time.Millisecond, "how long each load is repeated")
	seedFlag = flag.Uint64("linear.seed", 0, "seed of the only round of each load (0: many rounds)")
	dirFlag  = flag.String("linear.dir", "", "folder for pictures of what is rejected (default: the system's temporary one)")
)

// repeat runs rounds until the time is over, at least two of them, and fails the
// test at the first that is not explained. It alternates between the two clocks,
// for each hides something.
func repeat(t *testing.T, round func(k *checker, now clock, seed uint64) error) {
	t.Helper()
	k := &checker{dir: *dirFlag}
	rounds := 0
	for began := time.Now(); rounds < 2 || time.Since(began) < *forFlag; rounds++ {
		seed := *seedFlag
		if seed == 0 {
			seed = rand.Uint64() | 1
		}
		if err := round(k, clockOf(rounds), seed); err != nil {
			t.Fatalf("%v\nagain, if it happens again: go test ./internal/check/linear -run '%s' -linear.seed=%d",
				err, t.Name(), seed)
		}
		if *seedFlag != 0 && rounds > 0 {
			break
		}
	}
	t.Logf("%d rounds, %v", rounds, k)
}

func clockOf(round int) clock {
	if c := watch(); round%2 == 0 && step(c) < coarse {
		return c
	}
	return counter()
}
