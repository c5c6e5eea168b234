package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"slices"
	"time"

	"github.com/resultpool/resultpool/internal/check/oracle"
	"github.com/resultpool/resultpool/pool"
)

var (
	errHeap       = errors.New("the live heap grows")
	errGoroutines = errors.New("goroutines are left")
)

const (
	// slack is by how much the live heap may differ between the windows: what is
	// there by chance, like a map of the runtime that has grown, or a segment of
	// package dense, which keeps its results until the last of them is deleted.
	slack = 256 << 10

	// idle is how many goroutines an idle pool with one worker may keep.
	idle = 1

	// fewest is how many cycles make a trend.
	fewest = 12
)

// Soak keeps one pool under load for that long, on store number kind, and returns what
// is wrong with it. A leak of one task in a thousand is nothing to a round, and the end
// of a service that runs for a month.
//
// The load goes in cycles of many loads. After each load every task has to have its
// result, and all results are deleted. After each cycle no goroutine of the load may be
// left, and no more heap be reachable than after earlier cycles. What the soak itself
// keeps is constant, but for the samples.
func Soak(seed uint64, kind int, length time.Duration, newPool oracle.Maker, logf func(string, ...any)) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	p := &plan{
		seed:  seed,
		soaks: true,
		opts:  pool.Options{Workers: 1, Queue: 1 + rng.IntN(64)},
		store: storePlan{
			kind: kind, base: bases[rng.IntN(len(bases))], gap: rng.Uint64N(1 << 12),
		},
	}
	before := runtime.NumGoroutine()
	r, err := open(p, newPool)
	if err != nil {
		return err
	}
	var heaps []uint64 // reachable after each cycle
	began := time.Now()
	for err == nil && (time.Since(began) < length || len(heaps) < fewest) {
		err = r.cycle(rng, min(max(length/50, 15*time.Millisecond), time.Second))
		left := settledGoroutines(before + idle)
		if err == nil && left > before+idle {
			err = fmt.Errorf("%w: %d", errGoroutines, left-before)
		}
		heaps = append(heaps, weigh())
	}
	early, late := trend(heaps)
	logf("%d tasks in %d cycles and %v; live heap %d KiB early and %d late",
		r.Stats(none, false).Submitted, len(heaps), time.Since(began).Round(time.Millisecond), early>>10, late>>10)
	if err == nil && late > early+slack {
		err = fmt.Errorf("%w: from %d to %d bytes after a cycle, by more than %d", errHeap, early, late, slack)
	}
	if err != nil {
		r.Cancel()
		return err
	}
	r.End()
	if left := settledGoroutines(before); left > before {
		r.Fault("%w after the end: %d", errGoroutines, left-before)
	}
	return r.Err()
}

// cycle loads the pool again and again for that long.
func (r *round) cycle(rng *rand.Rand, length time.Duration) error {
	for began := time.Now(); time.Since(began) < length; {
		r.load(rng, func(*caller) { r.Resize(1 + rng.IntN(8)) })
		r.Settle(context.Background())
		if err := r.Err(); err != nil {
			return err
		}
	}
	r.Resize(1)
	return nil
}

// weigh collects garbage and returns the size of what is left. What a collection
// finds may be held by a finalizer or a pool of the standard library until the next.
func weigh() uint64 {
	for range 3 {
		runtime.GC()
	}
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// settledGoroutines returns how many goroutines there are once there are no more
// than want, or after a second. The last of a pool may still be on its way out.
func settledGoroutines(want int) int {
	for range 1000 {
		if n := runtime.NumGoroutine(); n <= want {
			return n
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
	return runtime.NumGoroutine()
}

// trend returns the medians of an early and of a late third of the samples. The first
// fifth is left out: memory that is kept for use again is taken then, and by chance.
func trend(samples []uint64) (early, late uint64) {
	samples = samples[len(samples)/5:]
	n := max(1, len(samples)/3)
	first, last := slices.Sorted(slices.Values(samples[:n])), slices.Sorted(slices.Values(samples[len(samples)-n:]))
	return first[n/2], last[n/2]
}
