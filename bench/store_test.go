package bench_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/resultpool/resultpool/store"
)

// BenchmarkStore measures a mix of Put and Get, on a fresh store and on one that
// holds many results, with as many goroutines as processors.
func BenchmarkStore(b *testing.B) { runAll(b, storeBenchmarks(scaled(1_000_000))) }

func storeBenchmarks(large int) []benchmark {
	var all []benchmark
	for _, puts := range []int{10, 9, 5, 1} {
		for _, held := range []int{0, large} {
			for _, c := range containers {
				name := fmt.Sprintf("mix=%d:%d/held=%d/store=%s", puts*10, 100-puts*10, held, c.name)
				all = append(all, benchmark{name, func(b *testing.B) {
					rounds(b, func(n int) func() {
						st := c.open()
						t := newTraffic(b, st, max(1, held)) // there must be one to Get
						grow(b.Context(), b, st, max(1, held))
						return func() { t.run(n, puts) }
					})
				}})
			}
		}
	}
	return all
}

// traffic is the Puts and Gets of one round.
//
// A Put takes its ID from one counter, as in a pool: neighbouring IDs are put at
// about the same time by different goroutines, which is hard on stores that keep
// neighbours close to each other. Claiming IDs in blocks would hide that.
//
// A Get asks for any ID that is surely held. To know these, each goroutine says
// before each shift that it has no Put under way, by way of the next ID at that
// moment: its later Puts have that ID or a higher one. So all IDs below the
// lowest such mark are held.
type traffic struct {
	b      *testing.B
	st     store.ResultStore[int]
	marks  []atomic.Uint64 // by goroutine
	lastID atomic.Uint64   // that was claimed
	ops    atomic.Int64    // that were claimed, in shifts
}

// shift is how many operations a goroutine does between two looks at what the
// others share. It is a multiple of ten, since a mix is in tenths.
const shift = 100

func newTraffic(b *testing.B, st store.ResultStore[int], held int) *traffic {
	t := &traffic{b: b, st: st, marks: make([]atomic.Uint64, runtime.GOMAXPROCS(0))}
	t.lastID.Store(uint64(held))
	for i := range t.marks {
		t.marks[i].Store(uint64(held) + 1)
	}
	return t
}

// run does n operations, and of each ten as many Puts as puts says.
func (t *traffic) run(n, puts int) {
	var wg sync.WaitGroup
	for i := range t.marks {
		wg.Go(func() {
			defer t.marks[i].Store(math.MaxUint64) // it puts no more
			rng := rand.New(rand.NewPCG(uint64(i), uint64(n)))
			for {
				first := int(t.ops.Add(shift)) - shift
				if first >= n {
					return
				}
				t.marks[i].Store(t.lastID.Load() + 1)
				if err := t.shift(min(shift, n-first), puts, rng); err != nil {
					t.b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func (t *traffic) shift(n, puts int, rng *rand.Rand) error {
	ctx, held := t.b.Context(), t.held()
	st := t.st // t itself is in a cache line that every Put takes away from the others
	for op := range n {
		if op%10 < puts {
			id := store.ID(t.lastID.Add(1))
			if err := st.Put(ctx, result(id)); err != nil {
				return fmt.Errorf("putting ID %d: %w", id, err)
			}
			continue
		}
		id := 1 + store.ID(rng.Uint64N(held))
		if res, err := st.Get(ctx, id); err != nil || res != result(id) {
			return fmt.Errorf("getting ID %d, which is held: got %v and error %v", id, res, err)
		}
	}
	return nil
}

// held returns the largest ID up to which all are held.
func (t *traffic) held() uint64 {
	lowest := uint64(math.MaxUint64)
	for i := range t.marks {
		lowest = min(lowest, t.marks[i].Load())
	}
	return lowest - 1
}
