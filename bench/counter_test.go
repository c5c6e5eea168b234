package bench_test

import (
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkCounter measures what it costs to take the next ID, with an atomic
// counter and with one under a mutex.
func BenchmarkCounter(b *testing.B) { runAll(b, counterBenchmarks()) }

func counterBenchmarks() []benchmark {
	return []benchmark{
		{"counter=atomic", func(b *testing.B) {
			var n atomic.Uint64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					n.Add(1)
				}
			})
			if n.Load() != uint64(b.N) {
				b.Errorf("counted %d, want %d", n.Load(), b.N)
			}
		}},
		{"counter=mutex", func(b *testing.B) {
			var (
				mu sync.Mutex
				n  uint64 // guarded by mu
			)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					mu.Lock()
					n++
					mu.Unlock()
				}
			})
			if n != uint64(b.N) {
				b.Errorf("counted %d, want %d", n, b.N)
			}
		}},
	}
}
