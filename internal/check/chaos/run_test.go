package chaos_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resultpool/resultpool/internal/check/chaos"
)

// patience is how long a round may take: most take less than a millisecond. It is
// real time also for a round in a bubble, which a hung mutex would hold up for ever.
const patience = 30 * time.Second

var errHung = errors.New("the round hangs")

// play carries out the round of that seed, in a bubble if it is to be. A round that
// hangs is left behind, with the stacks of all goroutines in the error.
func play(t *testing.T, seed uint64, newPool chaos.Maker) error {
	ended := make(chan error, 1)
	go func() {
		err := errors.New("the round ended by Goexit")
		defer func() {
			if v := recover(); v != nil { // of the bubble: deadlock
				err = fmt.Errorf("%v\n%s", v, stacks())
			}
			ended <- err
		}()
		if !chaos.InBubble(seed) {
			err = chaos.Round(seed, newPool)
			return
		}
		var found error
		synctest.Test(t, func(*testing.T) { found = chaos.Round(seed, newPool) })
		err = found
	}()
	watchdog := time.NewTimer(patience)
	defer watchdog.Stop()
	select {
	case err := <-ended:
		return err
	case <-watchdog.C:
		return fmt.Errorf("%w\n%s", errHung, stacks())
	}
}

func stacks() []byte {
	buf := make([]byte, 1<<22)
	return buf[:runtime.Stack(buf, true)]
}

// lanes is how many rounds are under way at once: more than there are processors,
// so that goroutines are interrupted at many places, and since some rounds wait.
const lanes = 4

// batch is how many rounds are carried out between two counts of the goroutines.
const batch = 200

// playAll carries out the rounds of the seeds that next returns, until it says that
// there are no more, and returns how many there were. The error names the seed.
func playAll(t *testing.T, next func() (seed uint64, ok bool), newPool chaos.Maker) (rounds int, err error) {
	for {
		var seeds []uint64
		for len(seeds) < batch {
			seed, ok := next()
			if !ok {
				break
			}
			seeds = append(seeds, seed)
		}
		if len(seeds) == 0 {
			return rounds, nil
		}
		if err := playBatch(t, seeds, newPool); err != nil {
			return rounds, err
		}
		rounds += len(seeds)
	}
}

func playBatch(t *testing.T, seeds []uint64, newPool chaos.Maker) error {
	base := runtime.NumGoroutine()
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		failed error
	)
	rest := make(chan uint64, len(seeds))
	for _, seed := range seeds {
		rest <- seed
	}
	close(rest)
	for range lanes {
		wg.Go(func() {
			for seed := range rest {
				err := play(t, seed, newPool)
				mu.Lock()
				if err != nil && failed == nil {
					failed = fmt.Errorf("seed %d: %w\nagain: %s", seed, err, again(seed))
				}
				stop := failed != nil
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	if n := settledGoroutines(base); n > base {
		return whoLeaks(t, seeds, newPool, n-base)
	}
	return nil
}

func again(seed uint64) string {
	return fmt.Sprintf("go test ./internal/check/chaos -run 'TestChaos$' -chaos.seed=%d", seed)
}

// settledGoroutines returns how many goroutines there are once there are no more
// than base, or after a second. The last of a pool may still be on its way out.
func settledGoroutines(base int) int {
	for range 1000 {
		if n := runtime.NumGoroutine(); n <= base {
			return n
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
	return runtime.NumGoroutine()
}

// whoLeaks plays each of the seeds alone, to find the one that leaves goroutines.
func whoLeaks(t *testing.T, seeds []uint64, newPool chaos.Maker, leaked int) error {
	found := stacks()
	for _, seed := range seeds {
		base := runtime.NumGoroutine()
		if err := play(t, seed, newPool); err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
		if n := settledGoroutines(base); n > base {
			return fmt.Errorf("seed %d: %d goroutines are left\n%s\nagain: %s", seed, n-base, stacks(), again(seed))
		}
	}
	return fmt.Errorf("%d goroutines are left after the rounds of seeds %d\n%s", leaked, seeds, found)
}
