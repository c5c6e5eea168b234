package soak

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"time"
)

// A sample is what is left after a cycle.
type sample struct {
	heap       uint64 // bytes that are reachable
	goroutines int    // more than before the soak
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

// goroutines returns how many there are, without those that are about to end.
func goroutines() int {
	n := runtime.NumGoroutine()
	for range 10 {
		time.Sleep(time.Millisecond)
		n = min(n, runtime.NumGoroutine())
	}
	return n
}

// footprint is the memory that counts for debug.SetMemoryLimit.
func footprint() uint64 {
	s := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

// A gauge looks at the footprint while the load is on.
type gauge struct {
	mu   sync.Mutex
	peak uint64
	stop chan struct{}
	done chan struct{}
}

func startGauge() *gauge {
	g := &gauge{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(g.done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-g.stop:
				return
			case <-tick.C:
				g.look()
			}
		}
	}()
	return g
}

func (g *gauge) look() {
	now := footprint()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.peak = max(g.peak, now)
}

func (g *gauge) highest() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.peak
}

func (g *gauge) end() {
	close(g.stop)
	<-g.done
}

// A trend is the median of the samples of an early and of a late window.
type trend struct{ early, late sample }

// warmUp is which part of the samples is left out, from the first, and window which
// part is in each of the windows: memory that is kept for use again is taken early,
// and by chance.
const (
	warmUp = 5 // a fifth
	window = 3 // a third
)

func trendOf(samples []sample) trend {
	samples = samples[len(samples)/warmUp:]
	n := max(1, len(samples)/window)
	return trend{early: median(samples[:n]), late: median(samples[len(samples)-n:])}
}

func median(samples []sample) sample {
	var heaps []uint64
	var counts []int
	for _, s := range samples {
		heaps = append(heaps, s.heap)
		counts = append(counts, s.goroutines)
	}
	slices.Sort(heaps)
	slices.Sort(counts)
	return sample{heaps[len(heaps)/2], counts[len(counts)/2]}
}

// rising returns an error if more is left in the end than in the beginning.
func (t trend) rising() error {
	switch {
	case t.late.heap > t.early.heap+slack:
		return fmt.Errorf("%w: from %s to %s after a cycle, which is more than %s",
			errHeap, size(t.early.heap), size(t.late.heap), size(slack))
	case t.late.goroutines > t.early.goroutines+1: // the idle worker is not always there
		return fmt.Errorf("%w: from %d to %d after a cycle", errGoroutines, t.early.goroutines, t.late.goroutines)
	}
	return nil
}

func size(bytes uint64) string { return fmt.Sprintf("%.2f MiB", float64(bytes)/(1<<20)) }
