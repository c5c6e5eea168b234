package bench_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resultpool/resultpool/store"
)

// BenchmarkGrowth measures the longest Put while a store grows to four times its
// size. The package comment says how.
func BenchmarkGrowth(b *testing.B) {
	for _, writers := range []int{1, max(2, runtime.GOMAXPROCS(0))} {
		for _, c := range containers {
			g := growth{from: uint64(scaled(1_000_000)), to: uint64(scaled(4_000_000)), writers: writers}
			var longest, took time.Duration
			b.Run(fmt.Sprintf("writers=%d/store=%s", writers, c.name), func(b *testing.B) {
				if b.N == 1 { // the first call; those that are to find the right b.N repeat its figures
					longest, took = g.measure(b, c.open())
				}
				b.ReportMetric(1e3*longest.Seconds(), "max-put-ms")
				b.ReportMetric(100*longest.Seconds()/took.Seconds(), "max-put-%")
				b.ReportMetric(0, "ns/op") // which hides it
			})
		}
	}
}

// growth is writers that put the results after from, up to to.
type growth struct {
	from, to uint64
	writers  int
}

// measure returns the longest Put of any writer, and what all of them took.
func (g growth) measure(b *testing.B, st store.ResultStore[int]) (longest, took time.Duration) {
	grow(b.Context(), b, st, int(g.from))
	runtime.GC() // the store before left garbage, and its collection is not this one's
	var (
		last   atomic.Uint64 // ID that a writer has taken
		wg     sync.WaitGroup
		ofEach = make([]time.Duration, g.writers)
	)
	last.Store(g.from)
	start := time.Now()
	for i := range g.writers {
		wg.Go(func() {
			began, most := time.Now(), time.Duration(0)
			for id := last.Add(1); id <= g.to; id = last.Add(1) {
				if err := st.Put(b.Context(), result(store.ID(id))); err != nil {
					b.Errorf("putting ID %d: %v", id, err)
				}
				now := time.Now() // also the beginning of the next Put: nothing goes unseen
				most = max(most, now.Sub(began))
				began = now
			}
			ofEach[i] = most
		})
	}
	wg.Wait()
	return slices.Max(ofEach), time.Since(start)
}
