package bench_test

import (
	"flag"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A benchmark is one row. Rows are made in lists, so that the tests see the same
// ones as go test -bench.
type benchmark struct {
	name string
	run  func(*testing.B)
}

func runAll(b *testing.B, all []benchmark) {
	for _, bm := range all {
		b.Run(bm.name, bm.run)
	}
}

// raced says that the race detector is on.
var raced bool

// scaled makes a number of results smaller where a large one takes too long.
func scaled(held int) int {
	if raced || testing.Short() {
		return held / 10
	}
	return held
}

// tiny is all benchmarks by the name of their function, on stores so small that
// each takes no time.
func tiny() map[string][]benchmark {
	return map[string][]benchmark{
		"BenchmarkStore":   storeBenchmarks(1000),
		"BenchmarkPool":    poolBenchmarks(),
		"BenchmarkStall":   stallBenchmarks(copying{held: 1000, times: 1}),
		"BenchmarkCounter": counterBenchmarks(),
	}
}

func TestNamesAreKeysAndValues(t *testing.T) {
	form := regexp.MustCompile(`^[a-z]+=[a-z0-9:-]+(/[a-z]+=[a-z0-9:-]+)*$`)
	for function, all := range tiny() {
		seen := make(map[string]bool)
		for _, bm := range all {
			assert.Regexp(t, form, bm.name, "%s: benchstat cannot pivot on this", function)
			assert.False(t, seen[bm.name], "%s/%s is there twice", function, bm.name)
			seen[bm.name] = true
		}
	}
}

func TestBenchmarksRun(t *testing.T) {
	benchtime := flag.Lookup("test.benchtime")
	was := benchtime.Value.String()
	t.Cleanup(func() { assert.NoError(t, benchtime.Value.Set(was)) })
	require.NoError(t, benchtime.Value.Set("500x"))

	for function, all := range tiny() {
		for _, bm := range all {
			r := testing.Benchmark(bm.run) // which discards what b.Error says
			assert.NotZero(t, r.N, "failed: go test -run=NONE -bench='%s/%s' ./bench says why", function, bm.name)
		}
	}
}
