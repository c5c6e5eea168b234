package bench_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

// A container is a kind of store under its name in store=….
type container struct {
	name string
	open func() store.ResultStore[int]
}

var containers = []container{
	{"rwmutex", func() store.ResultStore[int] { return rwmutex.New[int]() }},
	{"syncmap", func() store.ResultStore[int] { return syncmap.New[int]() }},
	{"xsync", func() store.ResultStore[int] { return xsync.New[int]() }},
	{"dense", func() store.ResultStore[int] { return dense.New[int]() }},
}

// raced says that the race detector is on.
var raced bool

// scaled makes a number of results smaller where a large one takes too long.
func scaled(held int) int {
	switch {
	case raced:
		return max(1, held/100)
	case testing.Short():
		return held / 10
	default:
		return held
	}
}

// result is what is stored under id: a Get can be checked without a record of
// what was put.
func result(id store.ID) store.Result[int] {
	return store.Result[int]{ID: id, Value: int(id)}
}

// grow puts the results 1 to held into st.
func grow(ctx context.Context, b *testing.B, st store.ResultStore[int], held int) {
	for id := range store.ID(held) {
		if err := st.Put(ctx, result(id+1)); err != nil {
			b.Fatalf("putting ID %d: %v", id+1, err)
		}
	}
}

// BenchmarkStore measures a mix of Put and Get while a store grows to twice its
// size, with as many goroutines as processors.
//
// Every mix does the same Puts, and so meets the same growths of a table. With a
// fixed number of operations one growth of a third of a second fell into the mix
// of nothing but Puts, and into no other.
func BenchmarkStore(b *testing.B) {
	for _, puts := range []int{10, 9, 5, 1} {
		for _, held := range []int{scaled(100_000), scaled(1_000_000)} {
			for _, c := range containers {
				name := fmt.Sprintf("mix=%d:%d/held=%d/store=%s", puts*10, 100-puts*10, held, c.name)
				var d doublings
				b.Run(name, func(b *testing.B) {
					if b.N == 1 { // the first call; those that are to find the right b.N repeat its figures
						d = measureDoublings(b, c, puts, held)
					}
					b.ReportMetric(float64(d.took.Nanoseconds())/float64(d.puts)*float64(puts)/10, "ns/op")
					b.ReportMetric(float64(d.allocated)/float64(d.puts), "B/put")
				})
			}
		}
	}
}

// doublings is what some doublings took, all together.
type doublings struct {
	puts, allocated uint64
	took            time.Duration
}

// measureDoublings does a mix on stores that grow from held results, and from a
// third and two thirds of a doubling more, to twice as many. A table that doubles
// does so once in each. How many Puts share the cost of that depends on where it
// starts, by a factor of up to two: hence three places.
func measureDoublings(b *testing.B, c container, puts, held int) (d doublings) {
	for _, from := range []int{held, held * 126 / 100, held * 159 / 100} {
		m := mix{st: c.open(), puts: puts, from: uint64(from)}
		grow(b.Context(), b, m.st, from)
		runtime.GC() // the store before left garbage, and its collection is not this one's
		allocated, began := totalAlloc(), time.Now()
		m.double(b)
		d.took += time.Since(began)
		d.allocated += totalAlloc() - allocated
		d.puts += m.from
	}
	return d
}

func totalAlloc() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// A mix has, of each ten operations on a store with from results, as many Puts as
// puts says.
type mix struct {
	st   store.ResultStore[int]
	puts int
	from uint64
	last atomic.Uint64 // ID that a goroutine has taken, less from
}

// double does from Puts, and the Gets that belong to them.
func (m *mix) double(b *testing.B) {
	var wg sync.WaitGroup
	for seed := range uint64(runtime.GOMAXPROCS(0)) {
		wg.Go(func() { m.run(b, rand.New(rand.NewPCG(seed, 0))) })
	}
	wg.Wait()
}

// run does operations until all Puts are done.
//
// A Put takes its ID from one counter, as in a pool: neighbouring IDs are put at
// about the same time by different goroutines, which is hard on stores that keep
// neighbours close to each other. Claiming IDs in blocks would hide that.
func (m *mix) run(b *testing.B, rng *rand.Rand) {
	ctx := b.Context()
	var known uint64 // a late value of last, which all the others write to
	for op := 0; ; op++ {
		if op%100 == 0 {
			known = m.from + min(m.last.Load(), m.from)
		}
		if op%10 < m.puts {
			n := m.last.Add(1)
			if n > m.from {
				return
			}
			if id := store.ID(m.from + n); m.st.Put(ctx, result(id)) != nil {
				b.Errorf("Put of ID %d failed", id)
			}
			continue
		}
		id := 1 + store.ID(rng.Uint64N(known)) // whose Put may be under way, unless it was held before
		if res, err := m.st.Get(ctx, id); err == nil && res != result(id) || err != nil && id <= store.ID(m.from) {
			b.Errorf("Get of ID %d returned %v and error %v", id, res, err)
		}
	}
}

// BenchmarkCounter measures what it costs to take the next ID.
func BenchmarkCounter(b *testing.B) {
	b.Run("counter=atomic", func(b *testing.B) {
		var n atomic.Uint64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				n.Add(1)
			}
		})
	})
}
