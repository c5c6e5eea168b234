package chaos

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/check/oracle"
	"github.com/resultpool/resultpool/pool"
)

var (
	soakFor  = flag.Duration("soak.for", 3*time.Second, "how long to soak, in all")
	soakSeed = flag.Uint64("soak.seed", 0, "seed of the load (0: a random one)")
)

var (
	errHeap       = errors.New("the live heap grows")
	errGoroutines = errors.New("goroutines are left")
)

const (
	// slack is by how much the live heap may differ between cycles: what is there by
	// chance, like a map of the runtime that has grown, or a segment of package dense,
	// which keeps its results until the last of them is deleted.
	slack = 256 << 10

	// idle is how many goroutines an idle pool with one worker may keep.
	idle = 1

	// fewest is how many cycles make a trend.
	fewest = 12
)

// TestSoak gives each store its part of the time, one after the other. With more
// than a few minutes, go test needs a -timeout.
func TestSoak(t *testing.T) {
	for kind, name := range []string{"rwmutex", "syncmap", "xsync", "dense"} {
		t.Run(name, func(t *testing.T) {
			seed := *soakSeed
			if seed == 0 {
				seed = rand.Uint64() | 1
			}
			err := soak(t, seed, kind, *soakFor/time.Duration(len(kinds)), oracle.Real)
			require.NoError(t, err, "again: -soak.seed=%d", seed)
		})
	}
}

// soak keeps one pool under load for that long, on store number kind, and returns what
// is wrong with it. A leak of one task in a thousand is nothing to a round, and the end
// of a service that runs for a month.
//
// The load goes in cycles of many loads. After each load every task has to have its
// result, and all results are deleted. After each cycle no goroutine of the load may be
// left, and no more heap be reachable than after earlier cycles.
func soak(t *testing.T, seed uint64, kind int, length time.Duration, newPool oracle.Maker) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	before := runtime.NumGoroutine()
	r, err := open(&plan{
		seed:  seed,
		soaks: true,
		opts:  pool.Options{Workers: 1, Queue: 1 + rng.IntN(64)},
		store: storePlan{kind: kind, base: bases[rng.IntN(len(bases))], gap: rng.Uint64N(1 << 12)},
	}, newPool)
	if err != nil {
		return err
	}
	var heaps []uint64 // reachable after each cycle
	for began := time.Now(); r.Err() == nil && (time.Since(began) < length || len(heaps) < fewest); {
		r.cycle(rng, min(max(length/50, 15*time.Millisecond), time.Second))
		if left := settledGoroutines(before + idle); left > before+idle {
			r.Fault("%w: %d", errGoroutines, left-before)
		}
		heaps = append(heaps, heap())
	}
	early, late := trend(heaps)
	t.Logf("%d tasks in %d cycles; live heap %d KiB early and %d late",
		r.Stats(none, false).Submitted, len(heaps), early>>10, late>>10)
	if late > early+slack {
		r.Fault("%w: from %d to %d bytes after a cycle, by more than %d", errHeap, early, late, slack)
	}
	if r.Err() != nil {
		r.Cancel()
		return r.Err()
	}
	r.End()
	if left := settledGoroutines(before); left > before {
		r.Fault("%w after the end: %d", errGoroutines, left-before)
	}
	return r.Err()
}

// cycle loads the pool again and again for that long.
func (r *round) cycle(rng *rand.Rand, length time.Duration) {
	for began := time.Now(); r.Err() == nil && time.Since(began) < length; {
		r.load(rng, func(*caller) { r.Resize(1 + rng.IntN(8)) })
		r.Settle(context.Background())
	}
	r.Resize(1)
}

// heap collects garbage and returns the size of what is left. What a collection
// finds may be held by a finalizer or a pool of the standard library until the next.
func heap() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
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

// trend returns the medians of an early and of a late third of the samples. The first
// fifth is left out: memory that is kept for use again is taken then, and by chance.
func trend(samples []uint64) (early, late uint64) {
	samples = samples[len(samples)/5:]
	n := max(1, len(samples)/3)
	first, last := slices.Sorted(slices.Values(samples[:n])), slices.Sorted(slices.Values(samples[len(samples)-n:]))
	return first[n/2], last[n/2]
}

// TestSoakBites plants a leak in a short soak.
func TestSoakBites(t *testing.T) {
	release := make(chan struct{}) // the goroutines that are leaked
	defer close(release)
	var mu sync.Mutex
	var kept [][]byte
	for _, c := range []struct {
		name string
		leak func(id int)
		want error
	}{
		{"nothing", func(int) {}, nil},
		{"8 KiB are kept of one task in four", func(number int) {
			if number%4 == 0 {
				mu.Lock()
				defer mu.Unlock()
				kept = append(kept, make([]byte, 8<<10))
			}
		}, errHeap},
		{"one task in a hundred leaves a goroutine", func(number int) {
			if number%100 == 0 {
				go func() { <-release }()
			}
		}, errGoroutines},
	} {
		t.Run(c.name, func(t *testing.T) {
			leaks := func(ctx context.Context, fn oracle.Func, st oracle.Store, opts *pool.Options) (oracle.Pool, error) {
				return oracle.Real(ctx, func(ctx context.Context, in *oracle.Task) (int, error) {
					c.leak(in.Number)
					return fn(ctx, in)
				}, st, opts)
			}
			assert.ErrorIs(t, soak(t, 1, 0, 700*time.Millisecond, leaks), c.want)
		})
	}
}
