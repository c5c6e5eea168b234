package storetest

import (
	"flag"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

func BenchmarkReference(b *testing.B) {
	RunBenchmarks(b, func(testing.TB) store.ResultStore[int] { return newReference() })
}

// TestRunBenchmarks has each benchmark make a few operations, and sees those fail
// that are run on a store which does.
func TestRunBenchmarks(t *testing.T) {
	benchtime := flag.Lookup("test.benchtime").Value
	before := benchtime.String()
	require.NoError(t, benchtime.Set("5000x"))
	defer func() { assert.NoError(t, benchtime.Set(before)) }()

	plain := struct{ store.ResultStore[int] }{newReference()}
	for name, row := range map[string]struct {
		st    func() store.ResultStore[int]
		fails bool
	}{
		"good":           {func() store.ResultStore[int] { return newReference() }, false},
		"no PutBatch":    {func() store.ResultStore[int] { plain.ResultStore = newReference(); return plain }, false},
		"Put fails":      {func() store.ResultStore[int] { return WithFaults(plain, Faults{Put: Fail(io.EOF)}) }, true},
		"PutBatch fails": {func() store.ResultStore[int] { return WithFaults(newReference(), Faults{PutBatch: Fail(io.EOF)}) }, true},
		"Get fails":      {func() store.ResultStore[int] { return WithFaults(newReference(), Faults{Get: Fail(io.EOF)}) }, true},
		"All fails":      {func() store.ResultStore[int] { return WithFaults(newReference(), Faults{All: Fail(io.EOF)}) }, true},
		"All ends early": {func() store.ResultStore[int] { return WithFaults(newReference(), Faults{All: Fail(nil)}) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			made, failed := 0, false
			testing.Benchmark(func(b *testing.B) {
				runBenchmarks(b, func(testing.TB) store.ResultStore[int] { made++; return row.st() }, 2000)
				failed = b.Failed()
			})
			assert.Equal(t, row.fails, failed)
			assert.GreaterOrEqual(t, made, 9, "one store for each benchmark at least")
		})
	}
}

func TestWorkersTakeDenseIDsAndPickTakenOnes(t *testing.T) {
	const held = 100
	last := new(atomic.Uint64)
	last.Store(held)
	a := worker{last: last, held: held, rng: rand.NewPCG(1, 0)}
	b := worker{last: last, held: held, rng: rand.NewPCG(2, 0)}

	taken := make(map[store.ID]bool)
	for id := range store.ID(held) {
		taken[id+1] = true
	}
	own := make(map[store.ID]bool)
	for range 5 * blockSize {
		for _, w := range []*worker{&a, &b} {
			id := w.take()
			assert.False(t, taken[id], "ID %d was taken twice", id)
			taken[id] = true
			if w == &a {
				own[id] = true
			}
		}
		id := a.pick()
		assert.True(t, own[id] || 1 <= id && id <= held, "ID %d was not put by this worker", id)
	}
	for i := range len(taken) {
		assert.True(t, taken[store.ID(i+1)], "ID %d was left out", i+1)
	}
}
