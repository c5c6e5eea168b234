package chaos

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/check/oracle"
)

var (
	seedFlag = flag.Uint64("chaos.seed", 0, "play the round of this seed, and no other, -chaos.times times")
	forFlag  = flag.Duration("chaos.for", 2*time.Second, "how long TestChaos looks for faults")
	times    = flag.Int("chaos.times", 50, "how often a seed is played again: the scheduling is never the same")
)

// TestChaos plays random rounds for -chaos.for and says how many it has played. The
// error has the seed of a round that fails, with which it can be played again.
func TestChaos(t *testing.T) {
	if *seedFlag != 0 {
		for range *times {
			require.NoError(t, playAll(t, slices.Repeat([]uint64{*seedFlag}, lanes), oracle.Real))
		}
		return
	}
	rounds, start := 0, time.Now()
	for time.Since(start) < *forFlag {
		seeds := make([]uint64, 200)
		for i := range seeds {
			seeds[i] = rand.Uint64() | 1
		}
		require.NoError(t, playAll(t, seeds, oracle.Real))
		rounds += len(seeds)
	}
	t.Logf("%d pools: %.0f a minute", rounds, float64(rounds)/time.Since(start).Minutes())
}

const (
	// patience is how long a round may take: most take less than a millisecond. It is
	// real time also for a round in a bubble, which a hung mutex would hold up for ever.
	patience = 30 * time.Second

	// lanes is how many rounds are under way at once: more than there are processors,
	// so that goroutines are interrupted at many places, and since some rounds wait.
	lanes = 4
)

// playAll carries out the rounds of seeds, and wants that no goroutine is left of them.
// The error names the seed, or all if goroutines are left.
func playAll(t *testing.T, seeds []uint64, newPool oracle.Maker) error {
	base := runtime.NumGoroutine()
	rest := make(chan uint64, len(seeds))
	for _, seed := range seeds {
		rest <- seed
	}
	close(rest)
	var wg sync.WaitGroup
	var failed [lanes]error
	for i := range lanes {
		wg.Go(func() {
			for seed := range rest {
				if err := play(t, seed, newPool); err != nil {
					failed[i] = fmt.Errorf("%w\nagain: go test ./internal/check/chaos -run 'TestChaos$' -chaos.seed=%d", err, seed)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(failed[:]...); err != nil {
		return err
	}
	if n := settledGoroutines(base); n > base {
		return fmt.Errorf("goroutines are left: %d, after the rounds of seeds %d\n%s", n-base, seeds, stacks())
	}
	return nil
}

// play carries out the round of that seed, in a bubble if it is to be. A round that
// hangs ends the test.
func play(t *testing.T, seed uint64, newPool oracle.Maker) (err error) {
	defer time.AfterFunc(patience, func() { panic(fmt.Sprintf("seed %d hangs\n%s", seed, stacks())) }).Stop()
	defer func() {
		if v := recover(); v != nil { // of the bubble: deadlock
			err = fmt.Errorf("%v\n%s", v, stacks())
		}
	}()
	if !InBubble(seed) {
		return Round(seed, newPool)
	}
	synctest.Test(t, func(*testing.T) { err = Round(seed, newPool) })
	return err
}

// settledGoroutines returns how many goroutines there are once there are no more
// than want, or after a second. The last of a pool may still be on its way out.
func settledGoroutines(want int) (n int) {
	for range 1000 {
		if n = runtime.NumGoroutine(); n <= want {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return n
}

func stacks() []byte {
	buf := make([]byte, 1<<22)
	return buf[:runtime.Stack(buf, true)]
}
