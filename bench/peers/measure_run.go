package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"

	"golang.org/x/perf/benchfmt"
)

// warmUp is how many tasks at most a rival runs before it is measured: as many as
// are measured, but for the longest run, which would take too much memory.
const warmUp = 4_000_000

// measureRun measures a whole run, from making the pool until its end, when all
// results can be read.
func measureRun(ctx context.Context, r rival, j job) ([]benchfmt.Value, error) {
	// The first run has the heap grow and the code paged in. What it leaves is
	// collected: the second finds memory, but no garbage.
	short := j
	short.in = j.in[:min(warmUp, len(j.in))]
	if _, err := r.run(ctx, short); err != nil {
		return nil, err
	}

	before := memory()
	began := time.Now()
	kept, err := r.run(ctx, j)
	took := time.Since(began)
	if err != nil {
		return nil, err
	}
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	alive := memory()

	if err := check(j.in, kept); err != nil {
		return nil, err
	}
	runtime.KeepAlive(j)
	n := float64(len(j.in))
	return []benchfmt.Value{
		{Value: float64(took.Nanoseconds()) / n, Unit: "ns/op"},
		{Value: float64(after.TotalAlloc-before.TotalAlloc) / n, Unit: "B/op"},
		{Value: float64(after.Mallocs-before.Mallocs) / n, Unit: "allocs/op"},
		{Value: (float64(alive.HeapAlloc) - float64(before.HeapAlloc)) / n, Unit: "kept-B/op"},
	}, nil
}

// quietRounds is after how many collections in a row that free nothing the heap
// is taken to be what is alive. A variable for tests, where nobody reads it.
var quietRounds = 3

// memory reads the statistics when all garbage is collected. That takes some
// rounds: goroutines that were told to end hold what they have until they do, and
// a sync.Pool what it has until the second collection.
func memory() runtime.MemStats {
	var m runtime.MemStats
	least := uint64(math.MaxUint64)
	for quiet, rounds := 0, 0; quiet < quietRounds && rounds < 50; quiet, rounds = quiet+1, rounds+1 {
		time.Sleep(2 * time.Millisecond)
		runtime.GC()
		runtime.ReadMemStats(&m)
		if m.HeapAlloc+16<<10 < least {
			quiet = 0
		}
		least = min(least, m.HeapAlloc)
	}
	return m
}

// check reports an error unless kept is the inputs, each once, without errors.
func check(in []int, kept results) error {
	seen := make([]bool, len(in))
	found := 0
	for v, err := range kept {
		switch {
		case err != nil:
			return fmt.Errorf("a task failed: %w", err)
		case v < 0 || v >= len(in):
			return fmt.Errorf("got result %d, want 0 to %d", v, len(in)-1)
		case seen[v]:
			return fmt.Errorf("got result %d twice", v)
		}
		seen[v] = true
		found++
	}
	if found != len(in) {
		return fmt.Errorf("got %d results, want %d", found, len(in))
	}
	return nil
}
